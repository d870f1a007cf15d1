"""Law 2: stop after any prefix of what is performed, run again, and reach the same end."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from itertools import pairwise

import pytest
from harms import cases, cut_short
from hypothesis import given
from hypothesis import strategies as st

from fakes.clusters import Case, Shape, Wished, built, fresh

# A cut is a part of the whole run, in thousandths.
cuts = st.lists(st.tuples(st.integers(0, 1000), st.booleans()), min_size=1, max_size=3)


def assert_reaches_the_end(case: Case) -> None:
    """Run again: everything is as wished, runs as written, and serves."""
    case.apply()
    assert case.look().plan().is_empty
    assert case.world.is_live
    assert case.stale() == []


def ticks_of(case: Case) -> list[str]:
    """Return every single change that a run makes, in order."""
    whole = copy(case)
    whole.apply()
    return whole.world.ticks


@given(cases(), cuts)
def test_a_run_that_was_killed_anywhere_can_be_run_again(
    case: Case, cuts: list[tuple[int, bool]]
) -> None:
    """However often it is killed, between two steps or in the midst of one, the end is the same.

    Even between two files of one commit, and whether or not units came up before the next run.
    """
    for part, time_passes in cuts:
        cut_short(case, part * len(ticks_of(case)) // 1000, time_passes=time_passes)
    assert_reaches_the_end(case)


def seams(ticks: list[str]) -> Iterator[int]:
    """Yield where one kind of change first gives way to another, and the place just after that."""
    kinds = [tick.partition(" ")[2] or tick for tick in ticks]
    known: set[tuple[str, str]] = set()
    for index, pair in enumerate(pairwise(kinds), 1):
        if pair not in known:
            known.add(pair)
            yield from (index, index + 1)


@pytest.mark.parametrize("time_passes", [False, True])
@pytest.mark.parametrize(
    "case",
    [fresh(Shape(3)), built(Shape(1), Wished.OTHER)],
    ids=["first boot", "everything restarts"],
)
def test_every_seam_of_a_run_can_be_cut(case: Case, *, time_passes: bool) -> None:
    """T1: after the first file of a commit, before systemd reads units, between two members."""
    for budget in sorted(set(seams(ticks_of(case)))):
        again = copy(case)
        cut_short(again, budget, time_passes=time_passes)
        assert_reaches_the_end(again)
