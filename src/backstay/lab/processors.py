"""One control group in which labs and their drills share out processors by priority (version 1).

A machine's programs move there when it boots (boot.py). Why all of them in one:
docs/decisions/lab-processors.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backstay.lab.groups import named
from backstay.lab.hierarchies import read_hierarchies
from backstay.lab.names import PROCESSORS

SHARES = 16384
"""Of all labs together, where any other group has 1024."""


def release_processors() -> None:
    """Remove the group, unless somebody is in it."""
    for group in _found():
        with suppress(OSError):
            group.rmdir()


@contextmanager
def among_labs() -> Iterator[None]:
    """Let this process share processors with the labs while the block lasts, if it may."""
    homes = _homes()
    _enter(_found())
    try:
        yield
    finally:
        _enter(homes)


def _homes() -> tuple[Path, ...]:
    return tuple(tree.base for tree in read_hierarchies() if tree.shares_processors)


def _found() -> tuple[Path, ...]:
    mounts = {tree.mount for tree in read_hierarchies() if tree.shares_processors}
    return tuple(group for mount in mounts for group in named(mount, PROCESSORS))


def _enter(groups: Iterable[Path]) -> None:
    for group in groups:
        with suppress(OSError):  # gone meanwhile, or not ours to enter
            (group / "cgroup.procs").write_text(str(os.getpid()))
