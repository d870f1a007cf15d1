"""Give a machine's etcd a disk of its own: one that can stall or be full without harm to others.

It is a file system in a file, which the machine mounts at each boot from then on. When the machine
loses its power, the file is all that is left of what it has written.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path

from backstay.errors import PreflightError, StepFailedError
from backstay.lab.commands import run
from backstay.lab.faults import pause, power_off, start, unpause
from backstay.lab.lifecycle import clear_machine, read
from backstay.lab.lock import locked
from backstay.lab.places import places_of

MEGABYTES = 1024
"""Room for hundreds of thousands of writes; the file takes only what is written."""

COPIES = 10
"""A frozen machine's file system still commits every five seconds; a copy takes a tenth of one."""

TICK_SECONDS = 0.02
"""The kernel's clock for the times of files may be so far behind (CONFIG_HZ of 100 or more)."""


async def give_disk(name: str, machine: str, *, megabytes: int = MEGABYTES) -> None:
    """Move etcd's data to a disk of its own, with one power cycle; once is enough.

    Returns when SSH answers again; the member is then about to join.
    """
    places = places_of(name).machine(read(name).machine(machine).name)
    if places.disk.exists():
        return
    try:
        await power_off(name, machine)
        async with locked(places_of(name).directory):
            await _move(places.data("etcd"), places.disk, megabytes)
    finally:
        # Called off on the way, it starts with the one data that is whole.
        await start(name, machine)


async def _move(data: Path, disk: Path, megabytes: int) -> None:
    partial = disk.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    make = ("mke2fs", "-q", "-t", "ext4", "-m", "0", "-d", str(data))
    await run(*make, str(partial), f"{megabytes}M")
    await run("debugfs", "-w", "-f", "-", str(partial), stdin=_owned_as(data))
    partial.rename(disk)
    # What is old must never be taken for the data: a member that forgets breaks its promises.
    await run("find", str(data), "-mindepth", "1", "-delete")


def _owned_as(path: Path) -> str:
    """Return what gives the top of a file system owner and mode; mke2fs leaves it to root."""
    seen = path.stat()
    fields = {"uid": f"{seen.st_uid}", "gid": f"{seen.st_gid}", "mode": f"0{seen.st_mode:o}"}
    return "".join(f"set_inode_field / {name} {value}\n" for name, value in fields.items())


async def cut_power(name: str, machine: str) -> None:
    """Take a machine's power, and from etcd's disk what the machine had not yet sent there.

    Killing its processes alone takes nothing: their pages are the kernel's, which is ours, and it
    writes them out. So the machine is frozen, the image of its disk copied as it is, and the copy
    is the disk from then on. PreflightError, with the power on, if it has no such disk.
    """
    lab = read(name)
    places = places_of(lab.name).machine(lab.machine(machine).name)
    if not places.disk.exists():
        raise _no_disk(machine)
    try:
        await pause(lab.name, machine)
        # Not under the lock: several machines are to lose their power at once.
        copy = await _copied_as_it_is(places.disk)
        async with locked(places_of(lab.name).directory):
            await clear_machine(lab.name, machine)
            # Last: a copy under a machine that goes on would take back what it has promised since.
            copy.rename(places.disk)
    except BaseException:
        with suppress(StepFailedError):  # it does not run any more
            await unpause(lab.name, machine)
        raise


async def _copied_as_it_is(disk: Path) -> Path:
    """Copy an image that the kernel may write to, again until it did not while it was copied."""
    copy = disk.with_suffix(".cut")
    for _ in range(COPIES):
        await asyncio.sleep(2 * TICK_SECONDS)
        began = time.time()
        await run("cp", "--sparse=auto", str(disk), str(copy))
        if _last_written(disk) < began - TICK_SECONDS:
            return copy
    raise StepFailedError("the disk never kept still for a copy", where=str(disk))


def _last_written(disk: Path) -> float:
    return disk.stat().st_mtime


def _no_disk(machine: str) -> PreflightError:
    return PreflightError(
        "etcd's data has no disk of its own to lose anything from",
        where=machine,
        next_move="give_disk gives it one; so do the drills that need it, in a lab",
    )
