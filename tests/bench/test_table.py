"""Rows, their verdicts, and the table."""

from __future__ import annotations

import pytest
from bench.table import Row, document, number, table

ROW = Row("a / b", "1.0 s", "2.0 s", 0.5, bound=0.6, aim=0.4)


@pytest.mark.parametrize(
    ("ratio", "aim", "verdict"),
    [
        (0.4, 0.4, "aim reached"),
        (0.41, 0.4, "held"),
        (0.6, 0.4, "held"),
        (0.61, 0.4, "missed"),
        (0.1, None, "held"),
        (0.61, None, "missed"),
    ],
)
def test_a_number_on_the_line_is_within_it(ratio: float, aim: float | None, verdict: str) -> None:
    """Bounds and aims are themselves allowed; without an aim none is reached."""
    assert Row("", "", "", ratio, bound=0.6, aim=aim).verdict == verdict


@pytest.mark.parametrize(
    ("value", "text"), [(1 / 30, "0.0333"), (1.8, "1.8"), (45, "45"), (2048, "2048")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    """More would claim more than was measured."""
    assert number(value) == text


def test_columns_stand_in_line_and_notes_follow() -> None:
    """What is read in a terminal is Markdown too."""
    noted = Row("of a longer name", "", "", 3, bound=1, note="it was windy")
    lines = table([ROW, noted]).splitlines()
    assert len({len(line) for line in lines[:4]}) == 1
    assert lines[-1] == "- of a longer name: it was windy"


def test_the_document_has_the_verdict() -> None:
    """A program need not know the rule."""
    (found,) = document([ROW])
    assert found["verdict"] == "held"
    assert found["ratio"] == 0.5
