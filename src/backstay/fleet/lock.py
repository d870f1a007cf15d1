"""One run changes a cluster at a time: a kernel lock on a machine, held by the live connection.

The lock is a flock held by a process that our SSH session keeps alive: when the tool, the laptop
or the connection dies, the kernel lets go, so there is no stale lock to break. Every machine that
can be reached is locked, in the order of names, so that two runs never hold half each.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from backstay.errors import LockedError
from backstay.fleet.ssh import SshMachine
from backstay.fleet.transport import Machine

LOCK_FILE = "/run/backstay.lock"
ANSWER_SECONDS = 15.0


@asynccontextmanager
async def locked(machines: Sequence[Machine], *, holder: str) -> AsyncIterator[None]:
    """Hold the lock of every machine; raises LockedError naming who holds it."""
    async with AsyncExitStack() as stack:
        for machine in sorted(machines, key=lambda one: one.name):
            if isinstance(machine, SshMachine):
                await stack.enter_async_context(_held(machine, holder))
        yield


@asynccontextmanager
async def _held(machine: SshMachine, holder: str) -> AsyncIterator[None]:
    script = (
        f"exec 9>>{LOCK_FILE}; "
        f"if flock -n 9; then printf '%s\\n' {shlex.quote(holder)} >{LOCK_FILE}; "
        f"echo held; cat >/dev/null; : >{LOCK_FILE}; "
        f"else echo taken; cat {LOCK_FILE}; fi"
    )
    async with machine.open_shell(script) as process:
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = (await process.stdout.readline()).strip()
            if answer != "held":
                other = (await process.stdout.read()).strip() or "unknown"
                raise LockedError(
                    "another run is changing this cluster",
                    where=machine.name,
                    why=f"the lock is held by {other}",
                    next_move="wait for it to end; the lock goes with its connection",
                )
        yield
        process.stdin.write_eof()
