"""Two drills side by side."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from backstay.drill.report.compare import Row, compared
from backstay.drill.report.document import document, drilled
from backstay.drill.report.figures import Better, Unit
from fakes.drill_stories import BAD, GOOD, story

VALUES = st.none() | st.floats(min_value=0, max_value=1e6)


def row(one: float | None, other: float | None, unit: Unit = Unit.SECONDS) -> Row:
    return Row("x", unit, one, other, Better.LOWER)


def test_a_row_says_who_is_better_and_how_many_times() -> None:
    """Half the time is twice as good; a difference that is chance is none."""
    assert row(2.0, 1.0).cells == ("x", "2.00 s", "1.00 s", "×0.50", "B")
    assert row(1.0, 1.04).cells == ("x", "1.00 s", "1.04 s", "×1.04", "")
    assert row(20, 21, Unit.COUNT).cells == ("x", "20", "21", "×1.05", "A")


def test_absent_is_not_zero_in_a_comparison() -> None:
    """What was not seen in one of them is no better, and nothing is no divisor."""
    assert row(None, 0, Unit.COUNT).cells == ("x", "–", "0", "–", "")
    assert row(0, 3, Unit.COUNT).cells == ("x", "0", "3", "–", "A")


@given(VALUES, VALUES)
def test_the_better_one_stays_the_better_one_on_the_other_side(
    one: float | None, other: float | None
) -> None:
    """Nothing depends on which report is named first."""
    swapped = {"A": "B", "B": "A", "": ""}
    assert row(one, other).winner == swapped[row(other, one).winner]


def test_reports_of_different_leases_and_clients_have_all_rows() -> None:
    """A row that only one of them has is shown with a dash for the other."""
    ours: Any = json.loads(json.dumps(document(drilled(story(), GOOD))))
    theirs = json.loads(json.dumps(document(drilled(story(seed=2), BAD))))
    theirs["numbers"]["lease_gap_seconds"] = {"kube-controller-manager": 14.0}
    theirs["numbers"]["groups"] = []
    rows = {one.title: one for one in compared(ours, theirs)}
    assert rows["Acknowledged writes lost"].winner == "A"
    lease = "Until the next holder had the lease kube"
    assert (rows[f"{lease}-scheduler"].other, rows[f"{lease}-controller-manager"].one) == (
        None,
        None,
    )
    assert rows["p99 of vip kept, writes"].other is None
    assert json.loads(json.dumps([one.document for one in rows.values()]))
