"""Make a lab and start its machines; start again what does not run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from backstay.errors import ConfigError, PreflightError, StepFailedError
from backstay.lab.boot import Boot, boot_script
from backstay.lab.cluster import cluster_text, write_cluster
from backstay.lab.commands import run, tail
from backstay.lab.groups import is_frozen, kill_all, machine_groups, make_seat, remove_groups
from backstay.lab.hierarchies import Version, read_hierarchies
from backstay.lab.image import Progress, ensure_image, image_root, silent
from backstay.lab.keys import ensure_key, known_hosts
from backstay.lab.lock import locked
from backstay.lab.model import (
    DEFAULT_NAME,
    Lab,
    LabWish,
    Machine,
    Slot,
    from_json,
    slots_of,
    to_json,
)
from backstay.lab.names import check_name
from backstay.lab.places import (
    LabPlaces,
    MachinePlaces,
    blob_directory,
    children,
    places_of,
    state_directory,
)
from backstay.lab.process import launch, remembered
from backstay.lab.requirements import check_requirements
from backstay.lab.tree import ensure_tree
from backstay.lab.waiting import banner_missing, wait_for
from backstay.lab.wires import free_index, make_switch, namespaces_of, range_of, unplug

BOOT_SECONDS = 60.0
"""A machine takes about a second; a busy computer with many of them takes longer."""


async def up(wish: LabWish, *, progress: Progress = silent) -> Lab:
    """Make the lab and start every machine that does not run; return when SSH answers on all.

    Machines that run are left alone; more may be wished than there are, fewer change nothing.
    PreflightError if this computer lacks something, StepFailedError (with the console's last
    lines) if a machine ends while it boots, GateTimeoutError if one does not answer.
    """
    check_name(wish.name)
    slots_of(wish, range_of(0))
    check_requirements()
    image = await ensure_image(progress=progress)
    progress(f"image {image}")
    places = places_of(wish.name)
    async with locked(places.directory):
        lab = await _remember(wish, places, image=image)
        await make_switch(lab)
        progress(f"switch {lab.network}")
        started = await asyncio.gather(*(_ensure_running(lab, one) for one in lab.machines))
    progress(f"{sum(started)} of {len(started)} machines started, all answer on port 22")
    return lab


def read(name: str) -> Lab:
    """Return the lab of that name; PreflightError if there is none, ConfigError if it is broken."""
    path = places_of(check_name(name)).memory
    if not path.exists():
        raise PreflightError(
            f"there is no lab {name!r}",
            where=str(path.parent),
            next_move="backstay lab up makes one, backstay lab list shows those there are",
        )
    return from_json(path.read_text(), where=str(path))


def labs() -> tuple[str, ...]:
    """Return the names of all labs that have a directory, sorted."""
    return tuple(sorted(path.name for path in children(state_directory())))


async def _remember(wish: LabWish, places: LabPlaces, *, image: str) -> Lab:
    """Write down what is to be made before anything is made."""
    old = read(wish.name) if places.memory.exists() else None
    if old is None:
        _refuse_strangers(wish.name)
        # What a lab without a memory left here was being removed.
        await run("rm", "-rf", "--one-file-system", str(places.directory / "machines"))
    async with locked(state_directory()):
        lab = _grown(old, wish, places) if old else await _new(wish, places, image=image)
        _replace(places.memory, to_json(lab))
    ensure_key(places.key, comment=f"backstay lab {lab.name}")
    places.known_hosts.write_text(known_hosts(lab.machines))
    before = cluster_text(old, key=places.key) if old else None
    write_cluster(places.cluster, old=before, new=cluster_text(lab, key=places.key))
    return lab


def _refuse_strangers(name: str) -> None:
    if namespaces_of(name):
        raise PreflightError(
            f"a lab {name!r} stands on this computer, and is not in {state_directory()}",
            why="its network namespaces exist: it was made with another XDG_STATE_HOME, or lost",
            next_move=f"choose another --name, or remove it: backstay lab down --name {name}",
        )


async def _new(wish: LabWish, places: LabPlaces, *, image: str) -> Lab:
    index = await free_index(_taken())
    empty = Lab(wish.name, image, index, range_of(index), wish.kubernetes, ())
    return _grown(empty, wish, places)


def _taken() -> Iterable[int]:
    for name in labs():
        path = places_of(name).memory
        with suppress(OSError, ConfigError):  # what a broken lab uses, its link and routes tell
            yield from_json(path.read_text(), where=str(path)).index


def _grown(lab: Lab, wish: LabWish, places: LabPlaces) -> Lab:
    """Return the lab with the machines that are wished for and that it does not have."""
    known = {machine.name for machine in lab.machines}
    fresh = [
        _with_key(slot, places.machine(slot.name))
        for slot in slots_of(wish, lab.network)
        if slot.name not in known
    ]
    machines = tuple(sorted((*lab.machines, *fresh), key=lambda one: one.address.packed))
    return replace(lab, machines=machines)


def _with_key(slot: Slot, places: MachinePlaces) -> Machine:
    places.directory.mkdir(parents=True, exist_ok=True)
    public = ensure_key(places.host_key, comment="").strip()
    return Machine(slot.name, slot.address, slot.role, public)


def _replace(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.rename(path)


async def _ensure_running(lab: Lab, machine: Machine) -> bool:
    """Start the machine if it does not run; tell whether that was so."""
    missing = remembered(places_of(lab.name).machine(machine.name)) is None
    if missing:
        await start_machine(lab, machine)
    else:
        require_thawed(lab, machine)
    await wait_until_up(lab, machine)
    return missing


async def start_machine(lab: Lab, machine: Machine) -> None:
    """Start a machine that does not run, after clearing away what its last run left."""
    await clear_machine(lab.name, machine.name)
    # No machine has control groups when it begins. A kubelet takes old ones for containers that
    # it lost, and looks for each for three seconds before it starts a pod.
    await remove_groups(lambda: machine_groups(lab.name, machine.name), where=machine.name)
    lab_places = places_of(lab.name)
    places = lab_places.machine(machine.name)
    authorized = ensure_key(lab_places.key, comment=f"backstay lab {lab.name}")
    ensure_tree(lab, machine, places, authorized=authorized)
    places.boot_script.write_text(boot_script(_boot(lab, machine, places)))
    launch(places)


async def clear_machine(lab: str, machine: str) -> None:
    """End every process of the machine and take it off the switch."""
    await kill_all(lambda: machine_groups(lab, machine), where=machine)
    await unplug(lab, machine)


def _boot(lab: Lab, machine: Machine, places: MachinePlaces) -> Boot:
    blobs = blob_directory()
    blobs.mkdir(parents=True, exist_ok=True)
    return Boot(
        lab=lab,
        machine=machine,
        places=places,
        image=image_root(lab.image),
        blobs=blobs,
        seat=make_seat(lab.name, machine.name),
        unified=all(tree.version is Version.V2 for tree in read_hierarchies()),
    )


async def wait_until_up(lab: Lab, machine: Machine) -> None:
    """Return when SSH answers; StepFailedError if the machine ends before."""
    places = places_of(lab.name).machine(machine.name)

    async def silence() -> str | None:
        if remembered(places) is None:
            raise _ended(machine, places)
        return await banner_missing(str(machine.address))

    await wait_for("SSH", silence, seconds=BOOT_SECONDS, where=machine.name)


def require_thawed(lab: Lab, machine: Machine) -> None:
    """Refuse what a paused machine would never answer: PreflightError."""
    if is_frozen(machine_groups(lab.name, machine.name)):
        named = "" if lab.name == DEFAULT_NAME else f" --name {lab.name}"
        raise PreflightError(
            f"machine {machine.name} is paused",
            where=f"lab {lab.name}",
            why="its processes are frozen, and none of them answers",
            next_move=f"backstay lab unpause {machine.name}{named}",
        )


def _ended(machine: Machine, places: MachinePlaces) -> StepFailedError:
    return StepFailedError(
        f"machine {machine.name} ended while it booted",
        where=str(places.console),
        why=tail(places.console.read_text(errors="replace")),
        next_move="backstay lab up starts it again",
    )
