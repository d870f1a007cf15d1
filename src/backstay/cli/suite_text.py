"""Several drills as people read them in a terminal: one table, and what was missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from backstay.cli.drill_text import finding_lines, result_lines
from backstay.cli.tables import table
from backstay.drill.oracle.verdict import Verdict
from backstay.drill.report.document import Drilled, Undrilled
from backstay.drill.report.numbers import Numbers
from backstay.drill.report.objectives import Answer
from backstay.drill.report.repeats import Repeats
from backstay.drill.report.wording import count, plural, seconds
from backstay.planning.look import Detail, Look

INDENT = "  "
REASONS = frozenset({Answer.MISSED, Answer.UNKNOWN})
Value = Callable[[Numbers], float | None]
Cell = Callable[[Repeats, str], str]
"""What stands in a column of a scenario's row; the text is what stands for nothing."""


def _time(value: Value) -> Cell:
    """Return the column of a time: its median."""
    return lambda found, dash: seconds(found.middle(value), dash=dash)


def _count(value: Value) -> Cell:
    """Return the column of a count: the most."""
    return lambda found, dash: count(found.most(value), dash=dash)


def _gap(numbers: Numbers) -> float | None:
    return None if numbers.write_gap is None else numbers.write_gap.seconds


def _lease(numbers: Numbers) -> float | None:
    return max(numbers.lease_gaps.values(), default=None)


def _not_ready(numbers: Numbers) -> float | None:
    return len(numbers.not_ready) if numbers.nodes else None


BRIEF: Mapping[str, Cell] = {
    "GAP": _time(_gap),
    "FAILED": _count(lambda numbers: numbers.failed),
    "RETRIED": _count(lambda numbers: numbers.told_to_retry),
    "LOST": lambda found, dash: count(found.lost, dash=dash),
}
"""The columns that are always there: they fit 100 columns beside the longest name."""

MORE: Mapping[str, Cell] = {
    "RE-ELECT": _time(lambda numbers: numbers.reelected),
    "VIP": _time(lambda numbers: numbers.vip_moved),
    "LEASE": _time(_lease),
    "NOT READY": _count(_not_ready),
    "OPERATIONS": _count(lambda numbers: numbers.operations),
}


def suite_text(found: Sequence[Repeats], look: Look) -> str:
    """Return a row for each drill and all of a scenario, what was missed, and the sum."""
    columns = {**BRIEF, **MORE} if look.detail is Detail.FULL else BRIEF
    rows = [row for one in found for row in _rows(one, columns, look)]
    parts = (
        table(("DRILL", "VERDICT", *columns), rows, look=look),
        _about_rows(found, look),
        "\n".join(line for one in found for line in _reasons(one, look)),
        _sum(found),
    )
    return "\n\n".join(part for part in parts if part)


def _rows(found: Repeats, columns: Mapping[str, Cell], look: Look) -> Iterator[tuple[str, ...]]:
    for one in found.attempts:
        yield _row(found.scenario, Repeats((one,)), columns, look)
    if found.is_repeated:
        yield _row(_name(found, look), found, columns, look)


def _name(found: Repeats, look: Look) -> str:
    if not found.is_repeated:
        return found.scenario
    return f"{found.scenario} {look.marks.times}{len(found.attempts)}"


def _row(name: str, found: Repeats, columns: Mapping[str, Cell], look: Look) -> tuple[str, ...]:
    verdict = found.verdict.value if found.drills else "not drilled"
    return (name, verdict, *(cell(found, look.marks.dash) for cell in columns.values()))


def _about_rows(found: Sequence[Repeats], look: Look) -> str:
    if not any(one.is_repeated for one in found):
        return ""
    times = look.marks.times
    return f"In rows with {times}, times are medians, counts the highest, and losses the sum."


def _reasons(found: Repeats, look: Look) -> Iterator[str]:
    """Yield why a scenario did not pass; of what was repeated, everything that was asked."""
    lines = tuple(_lines(found, replace(look, width=look.width - len(INDENT))))
    if lines:
        yield _name(found, look)
        yield from (f"{INDENT}{line}" for line in lines)


def _lines(found: Repeats, look: Look) -> Iterator[str]:
    shown = (one for one in found.results if found.is_repeated or one.answer in REASONS)
    yield from result_lines(shown, look, how=found.how)
    for one in found.attempts:
        if isinstance(one, Drilled):
            doubtful = (each for each in one.judgement.findings if each.verdict is not Verdict.PASS)
            yield from finding_lines(doubtful, look)
    yield from (f"? {one.sentence}" for one in found.attempts if isinstance(one, Undrilled))


def _sum(found: Sequence[Repeats]) -> str:
    passed = sum(one.verdict is Verdict.PASS for one in found)
    drills = [one for many in found for one in many.drills]
    operations = sum(one.numbers.operations for one in drills)
    lost = [one.lost for one in found if one.drills]
    known = [one for one in lost if one is not None]
    gone = f"{plural(sum(known), 'acknowledged write')} lost" if known == lost else "losses unknown"
    return (
        f"{passed} of {plural(len(found), 'scenario')} passed, {plural(len(drills), 'drill')}, "
        f"{count(operations)} operations, {gone}"
    )
