"""Give a machine's etcd a disk of its own: one that can stall or be full without harm to others.

It is a file system in a file, which the machine mounts at each boot from then on.
"""

from __future__ import annotations

from pathlib import Path

from backstay.lab.commands import run
from backstay.lab.faults import power_off, start
from backstay.lab.lifecycle import read
from backstay.lab.lock import locked
from backstay.lab.places import places_of

MEGABYTES = 1024
"""Room for hundreds of thousands of writes; the file takes only what is written."""


async def give_disk(name: str, machine: str, *, megabytes: int = MEGABYTES) -> None:
    """Move etcd's data to a disk of its own, with one power cycle; once is enough.

    Returns when SSH answers again; the member is then about to join.
    """
    places = places_of(name).machine(read(name).machine(machine).name)
    if places.disk.exists():
        return
    await power_off(name, machine)
    data, partial = places.data("etcd"), places.disk.with_suffix(".partial")
    async with locked(places_of(name).directory):
        partial.unlink(missing_ok=True)
        make = ("mke2fs", "-q", "-t", "ext4", "-m", "0", "-d", str(data))
        await run(*make, str(partial), f"{megabytes}M")
        await run("debugfs", "-w", "-f", "-", str(partial), stdin=_owned_as(data))
        partial.rename(places.disk)
        # What is old must never be taken for the data: a member that forgets breaks its promises.
        await run("find", str(data), "-mindepth", "1", "-delete")
    await start(name, machine)


def _owned_as(path: Path) -> str:
    """Return what gives the top of a file system owner and mode; mke2fs leaves it to root."""
    seen = path.stat()
    fields = {"uid": f"{seen.st_uid}", "gid": f"{seen.st_gid}", "mode": f"0{seen.st_mode:o}"}
    return "".join(f"set_inode_field / {name} {value}\n" for name, value in fields.items())
