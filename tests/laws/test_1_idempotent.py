"""Law 1: a plan that is made after everything ran is empty."""

from __future__ import annotations

from harms import cases
from hypothesis import given

from fakes.clusters import Case


@given(cases())
def test_what_was_performed_is_not_planned_again(case: Case) -> None:
    """One run is enough, whatever befell the machines, and the next one has nothing to do.

    Nor does any process still have what stood on the disk before.
    """
    case.apply()
    left = case.look().plan()
    assert left.is_empty, [(host, change.key, change.diffs) for host, change in left.changes]
    assert case.stale() == []


@given(cases())
def test_a_second_run_asks_nothing_of_any_machine(case: Case) -> None:
    """Not one command is run, and not one byte is different."""
    case.apply()
    before = {host: (one.tree, one.units) for host, one in case.world.computers.items()}
    case.world.told.clear()
    case.apply()
    assert case.world.told == []
    assert before == {host: (one.tree, one.units) for host, one in case.world.computers.items()}
