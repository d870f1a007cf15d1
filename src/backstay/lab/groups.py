"""Control groups of machines: one group per machine and hierarchy, by which it is found again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from backstay.lab.hierarchies import Hierarchy, Version, read_hierarchies
from backstay.lab.names import lab_handle
from backstay.lab.waiting import wait_for

LAUNCHER = "launcher"
GUEST = "guest"
"""In version 2 only leaves hold processes: the launcher and the guest have a leaf each."""

GONE_SECONDS = 20.0
"""How long the kernel may take to end a machine's processes: a second, unless disks are slow."""


@dataclass(frozen=True, slots=True)
class Seat:
    """The groups of one machine in version 1, and in version 2 those of launcher and guest.

    `processors` are those of version 1 that share out processors; the machine's programs leave
    them for the group of all labs (processors.py).
    """

    old: tuple[Path, ...]
    launcher: tuple[Path, ...]
    guest: tuple[Path, ...]
    processors: tuple[Path, ...] = ()


def make_seat(lab: str, machine: str) -> Seat:
    """Make the groups of a machine in every hierarchy, as far as they do not exist."""
    trees = read_hierarchies()
    groups = {tree: tree.base / lab_handle(lab) / machine for tree in trees}
    for tree, group in groups.items():
        _make_group(tree, group)
    old = tuple(group for tree, group in groups.items() if tree.version is Version.V1)
    new = tuple(group for tree, group in groups.items() if tree.version is Version.V2)
    return Seat(
        old=old,
        launcher=tuple(group / LAUNCHER for group in new),
        guest=tuple(group / GUEST for group in new),
        processors=tuple(group for tree, group in groups.items() if tree.shares_processors),
    )


def _make_group(tree: Hierarchy, group: Path) -> None:
    for step in (group.parent, group):
        step.mkdir(exist_ok=True)
        if "cpuset" in tree.controllers:
            _inherit_cpuset(step)
    if tree.version is Version.V2:
        for step in (tree.base, group.parent, group):
            _delegate(step)
        (group / LAUNCHER).mkdir(exist_ok=True)
        (group / GUEST).mkdir(exist_ok=True)


def _inherit_cpuset(group: Path) -> None:
    """Fill in what version 1 leaves empty in a new group, and without which no process enters."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        (group / name).write_text((group.parent / name).read_text())


def _delegate(group: Path) -> None:
    """Hand all controllers of a group to its children."""
    offered = (group / "cgroup.controllers").read_text().split()
    enabled = (group / "cgroup.subtree_control").read_text().split()
    for controller in sorted(set(offered) - set(enabled)):
        (group / "cgroup.subtree_control").write_text(f"+{controller}")


def lab_groups(lab: str) -> tuple[Path, ...]:
    """Find the groups of a lab in every hierarchy, wherever it was made from."""
    mounts = {tree.mount for tree in read_hierarchies()}
    return tuple(path for mount in mounts for path in named(mount, lab_handle(lab)))


def machine_groups(lab: str, machine: str) -> tuple[Path, ...]:
    """Find the groups of one machine in every hierarchy."""
    return tuple(path for group in lab_groups(lab) if (path := group / machine).is_dir())


def named(mount: Path, name: str) -> Iterable[Path]:
    """Find the groups of that name below a mount, but not within a lab's."""
    for directory, children, _ in os.walk(mount):
        if name in children:
            yield Path(directory) / name
        children[:] = [child for child in children if not child.startswith(lab_handle(""))]


def processes(groups: Iterable[Path]) -> frozenset[int]:
    """Return the process ids in the groups and all groups below them."""
    return frozenset(pid for group in groups for pid in _processes(group))


def _processes(group: Path) -> Iterable[int]:
    for directory, _, _ in os.walk(group):
        with suppress(OSError):  # a group may go while we look
            # A process outside our process namespace reads as 0, which kill(2) takes for us.
            pids = (Path(directory) / "cgroup.procs").read_text().split()
            yield from (int(pid) for pid in pids if pid != "0")


async def kill_all(find: Callable[[], Iterable[Path]], *, where: str) -> None:
    """Kill every process in the groups that `find` returns, until none is left.

    Frozen groups are thawed, those below too: in version 1 a frozen process dies only then.
    GateTimeoutError if some do not die.
    """

    async def still_there() -> str | None:
        groups = tuple(find())
        left = processes(groups)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _thaw_below(groups)
        return f"processes {sorted(left)} live on" if left else None

    await wait_for("the end of all processes", still_there, seconds=GONE_SECONDS, where=where)


async def remove_groups(find: Callable[[], Iterable[Path]], *, where: str) -> None:
    """Remove the groups that `find` returns with all below; GateTimeoutError if some stay."""

    async def still_there() -> str | None:
        for group in find():
            _remove(group)
        left = [str(group) for group in find()]
        return f"control groups {left} are in use" if left else None

    await wait_for("the end of control groups", still_there, seconds=GONE_SECONDS, where=where)


def _remove(group: Path) -> None:
    for directory, _, _ in os.walk(group, topdown=False):
        with suppress(OSError):  # in use for a moment more: the caller asks again
            Path(directory).rmdir()


FREEZERS = {"freezer.state": ("THAWED", "FROZEN"), "cgroup.freeze": ("0", "1")}
"""The file that freezes a group in version 1 and in 2, and what it holds."""


def set_frozen(groups: Iterable[Path], *, frozen: bool) -> None:
    """Freeze or thaw all processes of the groups that can be frozen."""
    for group in groups:
        for name, states in FREEZERS.items():
            if (group / name).exists():
                (group / name).write_text(states[frozen])


def _thaw_below(groups: Iterable[Path]) -> None:
    """Thaw what is there: machines that end take their groups with them meanwhile."""
    for group in groups:
        for directory, _, files in os.walk(group):
            for name in FREEZERS.keys() & set(files):
                with suppress(FileNotFoundError):
                    Path(directory, name).write_text(FREEZERS[name][False])


def is_frozen(groups: Iterable[Path]) -> bool:
    """Tell whether every process of the groups is frozen by now."""
    return any(_is_frozen(group) for group in groups)


def _is_frozen(group: Path) -> bool:
    state, events = group / "freezer.state", group / "cgroup.events"
    if state.exists():
        return state.read_text().strip() == "FROZEN"
    return events.exists() and "frozen 1" in events.read_text().splitlines()
