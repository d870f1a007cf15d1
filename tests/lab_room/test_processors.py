"""The control group of all labs, as this computer's kernel has it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backstay.lab.hierarchies import read_hierarchies
from backstay.lab.names import PROCESSORS
from backstay.lab.processors import among_labs, release_processors

TREES = [tree for tree in read_hierarchies() if tree.shares_processors]


def ours() -> bool:
    """Tell whether this process is among the labs."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return any(line.endswith(f"/{PROCESSORS}") for line in lines)


@pytest.mark.skipif(
    os.geteuid() != 0 or not TREES, reason="only root makes groups, and only those of version 1"
)
def test_a_drill_is_among_the_labs_for_as_long_as_it_works() -> None:
    """And not a moment longer, whatever becomes of it; a lab that goes leaves the group to it."""
    group = TREES[0].base / PROCESSORS
    group.mkdir(exist_ok=True)
    seen = []

    def stopped() -> None:
        with among_labs():
            release_processors()
            seen.append(ours())
            raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            stopped()
        assert group.is_dir()
        assert (seen, ours()) == ([True], False)
    finally:
        release_processors()
