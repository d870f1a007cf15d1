"""What can happen to a machine: frozen, cut off, rebooted, without power; and its undoing.

Every function names one machine of one lab and returns when the effect is there.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from backstay.errors import StepFailedError, UsageError
from backstay.lab import cuts
from backstay.lab.groups import is_frozen, machine_groups, processes, set_frozen
from backstay.lab.lifecycle import (
    clear_machine,
    read,
    require_thawed,
    start_machine,
    wait_until_up,
)
from backstay.lab.lock import locked
from backstay.lab.model import Lab, Machine
from backstay.lab.places import places_of
from backstay.lab.process import remembered
from backstay.lab.waiting import wait_for
from backstay.lab.wires import HOST_PORT

FREEZE_SECONDS = 5.0
REBOOT_SECONDS = 60.0
"""Services get 5 s to stop (DefaultTimeoutStopSec in the image), a boot takes a few more."""

OFF_SECONDS = 60.0
REBOOT_SIGNAL = signal.SIGRTMIN + 5
"""systemd(1): starts reboot.target."""
OFF_SIGNAL = signal.SIGRTMIN + 4
"""systemd(1): starts poweroff.target."""

NAMESPACE_IDS = re.compile(r"^NSpid:\s+(\d+)\s+1$", re.MULTILINE)
"""Of a process in one more process namespace than we are, and the first in it: proc(5)."""


async def pause(name: str, machine: str) -> None:
    """Freeze every process of a machine; its kernel, which is ours, goes on answering pings."""
    lab = read(name)
    await _set_frozen(lab.name, lab.machine(machine).name, frozen=True)


async def unpause(name: str, machine: str) -> None:
    """Let a frozen machine go on; nothing happens if it is not frozen."""
    lab = read(name)
    await _set_frozen(lab.name, lab.machine(machine).name, frozen=False)


@asynccontextmanager
async def paused(name: str, machine: str) -> AsyncIterator[None]:
    """Freeze a machine for the time of a block, which may be cut short while it freezes."""
    try:
        await pause(name, machine)
        yield
    finally:
        await unpause(name, machine)


async def pause_for(
    name: str, machine: str, *, seconds: float, begun: Callable[[], None] = lambda: None
) -> None:
    """Freeze a machine for some seconds; it is thawed also when we are interrupted.

    `begun` is called once it is frozen.
    """
    async with paused(name, machine):
        begun()
        await asyncio.sleep(seconds)


async def _set_frozen(lab: str, machine: str, *, frozen: bool) -> None:
    groups = machine_groups(lab, machine)
    if remembered(places_of(lab).machine(machine)) is None:
        raise _not_running(machine)
    set_frozen(groups, frozen=frozen)

    async def different() -> str | None:
        return None if is_frozen(groups) is frozen else f"frozen is still {not frozen}"

    await wait_for("the freezer", different, seconds=FREEZE_SECONDS, where=machine)


def _not_running(machine: str) -> StepFailedError:
    return StepFailedError(
        f"machine {machine} does not run", where=machine, next_move="backstay lab up starts it"
    )


async def kill(name: str, machine: str) -> None:
    """Take a machine's power: every process ends at once, its interfaces are gone."""
    lab = read(name)
    async with locked(places_of(lab.name).directory):
        await clear_machine(lab.name, lab.machine(machine).name)


async def start(name: str, machine: str) -> None:
    """Give a machine power and wait until SSH answers; a machine that runs is left alone."""
    lab = read(name)
    one = lab.machine(machine)
    async with locked(places_of(lab.name).directory):
        if remembered(places_of(lab.name).machine(machine)) is None:
            await start_machine(lab, one)
    await wait_until_up(lab, one)


async def restart(name: str, machine: str) -> None:
    """Take a machine's power and give it back: a reboot that nobody announced."""
    await kill(name, machine)
    await start(name, machine)


async def reboot(name: str, machine: str) -> None:
    """Ask a machine's systemd to reboot, and wait until SSH answers again."""
    lab = read(name)
    one = lab.machine(machine)
    require_thawed(lab, one)
    before = init_process(lab, one)
    if before is None:
        raise _not_running(machine)
    os.kill(before, REBOOT_SIGNAL)

    async def same_boot() -> str | None:
        now = init_process(lab, one)
        return f"systemd is process {now}, it was {before}" if now in {None, before} else None

    await wait_for("the reboot", same_boot, seconds=REBOOT_SECONDS, where=machine)
    await wait_until_up(lab, one)


async def power_off(name: str, machine: str) -> None:
    """Ask a machine's systemd to power off, and wait until nothing of it runs."""
    lab = read(name)
    one = lab.machine(machine)
    before = init_process(lab, one)
    if before is None:
        raise _not_running(machine)
    os.kill(before, OFF_SIGNAL)

    async def runs() -> str | None:
        running = remembered(places_of(lab.name).machine(machine))
        return None if running is None else f"process {running.pid} runs"

    await wait_for("the end of the machine", runs, seconds=OFF_SECONDS, where=machine)


def init_process(lab: Lab, machine: Machine) -> int | None:
    """Return the process id, as seen from this computer, of the machine's systemd."""
    for pid in processes(machine_groups(lab.name, machine.name)):
        with suppress(OSError):
            if NAMESPACE_IDS.search(Path(f"/proc/{pid}/status").read_text()):
                return pid
    return None


async def cut(name: str, first: str, second: str) -> None:
    """Drop everything between two machines, both ways; `host` stands for this computer."""
    lab = read(name)
    ports = [one if one == HOST_PORT else lab.machine(one).name for one in (first, second)]
    if first == second:
        raise UsageError(
            f"{first} has no link to itself",
            where=f"lab {lab.name}",
            next_move="name two machines, or a machine and `host`: backstay lab list",
        )
    await cuts.cut(lab.name, first=ports[0], second=ports[1])


async def heal(name: str) -> None:
    """Undo all cuts of a lab."""
    await cuts.heal(read(name).name)
