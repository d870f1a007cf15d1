"""One run changes a cluster at a time: a kernel lock on a machine, held by the live connection.

The lock is a flock held by a process that our SSH session keeps alive: when the tool, the laptop
or the connection dies, the kernel lets go, so there is no stale lock to break. Every machine that
can be reached is locked, in the order of names, so that two runs never hold half each.

A lock alone does not help against a run that was planned before another one began and performed
after it ended. The time of the lock's file tells: whoever takes or releases the lock changes it,
and it is compared with when the machine was looked at, both by the machine's own clock.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import secrets
import shlex
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import asyncssh

from backstay.errors import LockedError, PreflightError, StalePlanError, UnreachableError
from backstay.fleet.ssh import SshMachine
from backstay.fleet.transport import Machine

LOCK_FILE = "/run/backstay.lock"
ANSWER_SECONDS = 15.0
# The kernel lets go within milliseconds; a connection that is lost must not keep us from ending.
RELEASE_SECONDS = 5.0


def this_run() -> str:
    """Return who we are, as another run is to be told."""
    return f"{getpass.getuser()}@{socket.gethostname()} pid {os.getpid()}"


@asynccontextmanager
async def locked(
    machines: Sequence[Machine], *, holder: str, looked: Mapping[str, float] | None = None
) -> AsyncIterator[None]:
    """Hold the lock of every machine; `looked` is when each was looked at, by its own clock.

    Raises LockedError naming who holds it, StalePlanError when somebody held it since then.
    """
    async with AsyncExitStack() as stack:
        for machine in sorted(machines, key=lambda one: one.name):
            if isinstance(machine, SshMachine):
                seen = (looked or {}).get(machine.name)
                await stack.enter_async_context(_held(machine, holder, seen))
        yield


def _script(holder: str, mark: str) -> str:
    """Return what takes the lock, says so, and holds it until its standard input ends."""
    return (
        f"changed=0; [ ! -e {LOCK_FILE} ] || changed=; exec 9>>{LOCK_FILE}; flock -n 9; case $? in "
        f'0) [ -n "$changed" ] || changed=$(stat -c %.9Y {LOCK_FILE}); '
        f"echo {shlex.quote(holder)}, there process $$ >{LOCK_FILE}; "
        f"echo {mark} held $changed; cat >/dev/null; : >{LOCK_FILE} ;; "
        f"1) echo {mark} taken; cat {LOCK_FILE} ;; esac"
    )


@asynccontextmanager
async def _held(machine: SshMachine, holder: str, looked: float | None) -> AsyncIterator[None]:
    mark = f"backstay-{secrets.token_hex(8)}"
    async with machine.open_shell(_script(holder, mark)) as process:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                changed = await _taken(process, machine.name, mark)
        except TimeoutError as error:
            raise UnreachableError(
                f"no answer about the lock within {ANSWER_SECONDS:g} s",
                where=machine.name,
                next_move="backstay status",
            ) from error
        try:
            _require_fresh(machine.name, changed=changed, looked=looked)
            yield
        finally:
            await _release(process)


def _require_fresh(host: str, *, changed: float, looked: float | None) -> None:
    if looked is not None and changed > looked:
        raise StalePlanError(
            "another run changed this cluster after the plan was made",
            where=host,
            why="its lock was taken or released since the machine was looked at",
            next_move="backstay apply looks again",
        )


async def _release(process: asyncssh.SSHClientProcess[str]) -> None:
    """Let go, and see to it that the next one finds it free; a lost connection has let go."""
    with suppress(BrokenPipeError, ConnectionError, asyncssh.Error, TimeoutError):
        process.stdin.write_eof()
        async with asyncio.timeout(RELEASE_SECONDS):
            await process.wait_closed()


async def _taken(process: asyncssh.SSHClientProcess[str], host: str, mark: str) -> float:
    """Return when the lock's file was last changed; LockedError if somebody else has the lock."""
    said: list[str] = []
    async for line in process.stdout:
        before, _, answer = line.rstrip("\n").partition(f"{mark} ")
        if answer.startswith("held"):
            return float(answer.partition(" ")[2])
        if answer == "taken":
            other = (await process.stdout.read()).strip() or "unknown"
            raise LockedError(
                "another run is changing this cluster",
                where=host,
                why=f"the lock is held by {other}",
                next_move="wait for it to end, its lock goes with it; if its computer is gone for "
                "good, end the process that is named, on the machine: kill PROCESS",
            )
        # What a login shell says before our script begins.
        said.append(before)
    complaint = await process.stderr.read()
    raise PreflightError(
        "the lock could not be taken",
        where=host,
        why=(complaint.strip() or "\n".join(said))[-400:],
        next_move="check that flock and stat (util-linux, coreutils) work there",
    )
