"""The control group of all labs, as this computer's kernel has it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay.lab.hierarchies import read_hierarchies
from backstay.lab.names import PROCESSORS
from backstay.lab.processors import SHARES, among_labs, make_processors, release_processors

TREES = [tree for tree in read_hierarchies() if tree.shares_processors]
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not TREES, reason="only root makes groups, and only those of version 1"
)


@pytest.fixture
def group() -> Iterator[Path]:
    make_processors()
    yield TREES[0].base / PROCESSORS
    release_processors()


def ours() -> bool:
    """Tell whether this process is among the labs."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return any(line.endswith(f"/{PROCESSORS}") for line in lines)


def test_a_drill_is_among_the_labs_for_as_long_as_it_works(group: Path) -> None:
    """And not a moment longer, whatever becomes of it."""
    seen = []

    def stopped() -> None:
        with among_labs():
            seen.append(ours())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert (seen, ours()) == ([True], False)
    assert (group / "cpu.shares").read_text() == f"{SHARES}\n"


def test_the_group_stays_while_somebody_is_in_it(group: Path) -> None:
    """Another lab's machines, when one lab goes down."""
    with among_labs():
        release_processors()
        assert group.is_dir()
