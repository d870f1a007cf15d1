"""Read from /proc which hierarchies of control groups there are, and where we stand in each.

Sources: cgroups(7), proc(5), and systemd's CONTROL_GROUP_INTERFACE.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from backstay.lab.names import PROCESSORS


class Version(StrEnum):
    """Which generation of the interface a hierarchy has."""

    V1 = "cgroup"
    V2 = "cgroup2"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted tree of control groups; `base` is the group under which ours are made."""

    version: Version
    controllers: frozenset[str]
    mount: Path
    base: Path

    @property
    def shares_processors(self) -> bool:
        """Whether its groups are given parts of the processors, which labs arrange in version 1."""
        return self.version is Version.V1 and "cpu" in self.controllers


@dataclass(frozen=True, slots=True)
class _Mount:
    version: Version
    root: PurePosixPath
    point: Path
    options: frozenset[str]


def read_hierarchies() -> tuple[Hierarchy, ...]:
    """Return the hierarchies of this computer."""
    return hierarchies(
        groups=Path("/proc/self/cgroup").read_text(),
        mounts=Path("/proc/self/mountinfo").read_text(),
    )


def hierarchies(*, groups: str, mounts: str) -> tuple[Hierarchy, ...]:
    """Return the hierarchies that two files of /proc/self tell of.

    In version 1 our groups are made under the one we are in, so that limits set for us hold for
    the machines too. In version 2 a group with processes in it can have no children with
    controllers, so they are made at the root.
    """
    mounted = tuple(_mounts(mounts))
    found = (_hierarchy(line, mounted) for line in groups.splitlines())
    return tuple(hierarchy for hierarchy in found if hierarchy is not None)


def _mounts(text: str) -> Iterable[_Mount]:
    for line in text.splitlines():
        place, _, kind = line.partition(" - ")
        version, _, options = kind.split(" ", 2)
        if version in set(Version):
            _, _, _, root, point, *_ = place.split()
            names = frozenset(options.split(","))
            yield _Mount(Version(version), PurePosixPath(root), Path(point), names)


def _hierarchy(line: str, mounted: tuple[_Mount, ...]) -> Hierarchy | None:
    _, names, path = line.split(":", 2)
    version = Version.V1 if names else Version.V2
    controllers = frozenset(names.split(",")) - {""}
    for mount in mounted:
        if mount.version is version and controllers <= mount.options:
            alone = version is Version.V2 and len(mounted) == 1
            base = mount.point if alone else mount.point / _below(PurePosixPath(path), mount.root)
            # A drill is a guest in the group of all labs, and makes nothing below it.
            home = base.parent if base.name == PROCESSORS else base
            return Hierarchy(version, controllers, mount.point, home)
    return None


def _below(path: PurePosixPath, root: PurePosixPath) -> PurePosixPath:
    """Return a group's path as seen below its mount, which need not show the whole tree."""
    return path.relative_to(root if path.is_relative_to(root) else "/")
