"""Remove a lab whole, from whatever state it is in, and prove that nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from backstay.errors import StepFailedError
from backstay.lab.commands import run
from backstay.lab.groups import kill_all, lab_groups, processes, remove_groups
from backstay.lab.lock import locked
from backstay.lab.mounts import mounts_below
from backstay.lab.names import check_name, is_of_lab
from backstay.lab.places import places_of
from backstay.lab.power import end_mender
from backstay.lab.processors import release_processors
from backstay.lab.requirements import check_root
from backstay.lab.wires import namespaces_of, release_namespaces, remove_namespaces

PROPAGATE = Path("/run/systemd/nspawn/propagate")
"""systemd-nspawn makes a directory here per machine and forgets it when it is killed."""

LATE_SECONDS = 5.0
POLL_SECONDS = 0.1


async def down(name: str) -> bool:
    """Remove the lab of that name with everything it made; tell whether there was any of it.

    What belongs to it is found by name and not by memory, so that a lab that was half made, or
    whose directory is gone, is removed as well. StepFailedError if anything is left.
    """
    check_name(name)
    check_root()
    directory = places_of(name).directory
    if not directory.exists() and not leftovers(name):
        return False
    async with locked(directory):
        await _remove(name, directory)
        await _remove_what_came_late(name, directory)
    _check_nothing_left(name)
    return True


async def _remove(name: str, directory: Path) -> None:
    await _end_processes(name)
    await remove_namespaces(name)
    await release_namespaces()
    await _remove_files(name, directory)


async def _remove_what_came_late(name: str, directory: Path) -> None:
    """Remove again what a program of a run that was killed has made since: it goes on alone."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LATE_SECONDS):
            while _has_remains(name, directory):
                await asyncio.sleep(POLL_SECONDS)
                await _remove(name, directory)


async def _end_processes(name: str) -> None:
    for machine in places_of(name).machines():
        end_mender(places_of(name).machine(machine))
    await kill_all(lambda: lab_groups(name), where=f"lab {name}")
    await remove_groups(lambda: lab_groups(name), where=f"lab {name}")
    release_processors()


async def _remove_files(name: str, directory: Path) -> None:
    for path in _propagated(name):
        path.rmdir()
    for mount in mounts_below(directory):
        await run("umount", "--lazy", mount)
    # The memory goes first: half a lab shall not look like one.
    for path in (places_of(name).memory, directory):
        await run("rm", "-rf", "--one-file-system", str(path))


def _propagated(name: str) -> tuple[Path, ...]:
    if not PROPAGATE.is_dir():
        return ()
    return tuple(path for path in PROPAGATE.iterdir() if is_of_lab(path.name, name))


def leftovers(name: str) -> tuple[str, ...]:
    """List everything on this computer that belongs to the lab, in words; empty if it is gone."""
    directory = places_of(name).directory
    groups = lab_groups(name)
    found: dict[str, Callable[[], Iterable[object]]] = {
        "process": lambda: sorted(processes(groups)),
        "control group": lambda: groups,
        "network namespace": lambda: namespaces_of(name),
        "nspawn directory": lambda: _propagated(name),
        "mount": lambda: mounts_below(directory),
        "directory": lambda: [directory] if directory.exists() else [],
    }
    return tuple(f"{kind} {item}" for kind, items in found.items() for item in items())


def _has_remains(name: str, directory: Path) -> bool:
    """Return whether something is left, and no other run has waited for its turn to make it."""
    return not directory.exists() and bool(leftovers(name))


def _check_nothing_left(name: str) -> None:
    left = leftovers(name)
    if left:
        raise StepFailedError(
            f"lab {name} is not wholly gone",
            where="this computer",
            why="\n".join(left),
            next_move="backstay lab down again; what stays then is held by something else",
        )
