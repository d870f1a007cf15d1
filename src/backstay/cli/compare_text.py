"""Two drills side by side, as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from backstay.cli.drill_text import TONES
from backstay.cli.tables import table
from backstay.drill.oracle.verdict import Verdict
from backstay.drill.report.compare import circumstances, compared, strange
from backstay.drill.report.reading import Document
from backstay.drill.report.wording import moment
from backstay.planning.look import Look, Tone

HEAD = ("", "A", "B", "B / A", "BETTER")


def compare_text(one: Document, other: Document, look: Look) -> str:
    """Return what A and B are, in what they differ, and every number of both."""
    rows = [row.cells(look.marks) for row in compared(one, other)]
    parts = (
        f"{_side('A', one, look)}\n{_side('B', other, look)}",
        "\n".join(_doubts(one, other, look)),
        _differing(one, other, look),
        table(HEAD, rows, look=look),
    )
    return "\n\n".join(part for part in parts if part)


def _side(name: str, report: Document, look: Look) -> str:
    verdict = Verdict(report["verdict"])
    word = look.paint(TONES[verdict], verdict.value.upper())
    when = moment(report["started"])
    return f"{name}  {report['scenario']} on {report['cluster']}, {word}, {when}"


def _doubts(one: Document, other: Document, look: Look) -> Iterator[str]:
    if doubt := strange(one, other):
        yield look.paint(Tone.WARNING, f"! {doubt}")


def _differing(one: Document, other: Document, look: Look) -> str:
    """Return the versions, settings and loads in which they differ; empty if in none."""
    found = (each for each in circumstances(one, other) if each.one != each.other)
    rows = [each.cells(look.marks) for each in found]
    return table(("DIFFERENT", "A", "B"), rows, look=look) if rows else ""
