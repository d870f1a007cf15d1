"""Two drills side by side."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from backstay.cli.compare_text import compare_text
from backstay.drill.report.compare import Row, compared
from backstay.drill.report.document import Undrilled, document, drilled, undrilled_document
from backstay.drill.report.figures import Better, Unit
from backstay.drill.report.reading import read_report
from backstay.planning.look import ASCII, Look
from fakes.drill_stories import BAD, GOOD, story

VALUES = st.none() | st.floats(min_value=0, max_value=1e6)


def row(one: float | None, other: float | None, unit: Unit = Unit.SECONDS) -> Row:
    return Row("x", unit, one, other, Better.LOWER)


def test_a_row_says_who_is_better_and_how_many_times() -> None:
    """Half the time is twice as good; a difference that is chance is none."""
    assert row(2.0, 1.0).cells() == ("x", "2.00 s", "1.00 s", "×0.50", "B")
    assert row(1.0, 1.04).cells() == ("x", "1.00 s", "1.04 s", "×1.04", "")
    assert row(20, 21, Unit.COUNT).cells() == ("x", "20", "21", "×1.05", "A")


def test_a_row_can_be_had_in_ascii() -> None:
    """For terminals that know neither a dash nor a sign of multiplication."""
    assert row(2.0, 1.0).cells(ASCII) == ("x", "2.00 s", "1.00 s", "x0.50", "B")
    assert row(None, 1.0).cells(ASCII) == ("x", "-", "1.00 s", "-", "")


def test_absent_is_not_zero_in_a_comparison() -> None:
    """What was not seen in one of them is no better, and nothing is no divisor."""
    assert row(None, 0, Unit.COUNT).cells() == ("x", "–", "0", "–", "")
    assert row(0, 3, Unit.COUNT).cells() == ("x", "0", "3", "–", "A")


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


def report(**other: object) -> dict[str, Any]:
    """Return a report as `report.json` holds it, with these fields instead."""
    found: dict[str, Any] = json.loads(json.dumps(document(drilled(story(), GOOD))))
    return {**found, **other}


def test_the_text_says_what_is_compared_and_in_what_they_differ() -> None:
    """Scenario, cluster, verdict and time of both, and the settings that are not the same."""
    theirs = report(
        cluster="theirs",
        verdict="fail",
        settings={**report()["settings"], "etcd election": "350 ms"},
        versions={"etcd": "3.6.7", "backstay": "0.2.0"},
    )
    head = compare_text(report(), theirs, Look(marks=ASCII)).splitlines()[:7]
    assert head == snapshot(
        [
            "A  machine-freeze-vip-holder on lab, PASS, 2026-11-23 14:00:00 UTC",
            "B  machine-freeze-vip-holder on theirs, FAIL, 2026-11-23 14:00:00 UTC",
            "",
            "DIFFERENT      A        B",
            "kubernetes     1.37.2   -",
            "etcd election  1000 ms  350 ms",
            "",
        ]
    )


def test_equal_circumstances_are_not_told_and_different_scenarios_are() -> None:
    """Whoever compares two faults is warned that it is they who differ."""
    assert "DIFFERENT" not in compare_text(report(), report(), Look())
    assert "Two different scenarios" not in compare_text(report(), report(), Look())
    other = report(scenario="etcd-leader-kill")
    assert "! Two different scenarios" in compare_text(report(), other, Look())


def test_a_report_is_read_as_it_was_written() -> None:
    """Also when a later version of ours wrote more into it."""
    more = report(later={"x": [1]})
    assert read_report(json.dumps(more)) == more


BAD_REPORTS: list[tuple[object, str]] = [
    ([], "it is no JSON object"),
    ({}, "it has no kind"),
    ({"kind": "Drill"}, "its apiVersion is None"),
    (report(apiVersion="backstay.dev/v2"), "its apiVersion is 'backstay.dev/v2'"),
    (undrilled_document(Undrilled("idle", "no power")), "nothing was drilled"),
    (report(verdict="perhaps"), "its verdict is 'perhaps'"),
    (report(numbers={}), "it has no groups of clients"),
    (report(numbers={**report()["numbers"], "failed": "many"}), "failed is no number"),
    (report(numbers={**report()["numbers"], "failed": 10**400}), "failed is no number"),
    (report(numbers={**report()["numbers"], "groups": [3]}), "it has no clients"),
    (report(settings=None), "settings cannot be 'None'"),
]


@pytest.mark.parametrize(("found", "why"), BAD_REPORTS)
def test_what_cannot_be_compared_is_refused_with_a_reason(found: object, why: str) -> None:
    """Another version's, another program's, or one of a drill that did not take place."""
    with pytest.raises(ValueError, match=re.escape(why)):
        read_report(json.dumps(found))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"kind": NaN}'])
def test_what_is_no_json_is_refused(text: str) -> None:
    """Neither cut off, nor nested beyond all measure."""
    with pytest.raises(ValueError, match=r"."):
        read_report(text)
