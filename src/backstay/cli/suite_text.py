"""Several drills as people read them in a terminal: one table, and what was missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from backstay.cli.drill_text import result_lines
from backstay.cli.tables import table
from backstay.drill.oracle.verdict import Verdict
from backstay.drill.report.document import Drilled, Undrilled
from backstay.drill.report.numbers import Numbers
from backstay.drill.report.objectives import Answer, lost_writes
from backstay.drill.report.repeats import Repeats, repeats
from backstay.drill.report.wording import count, plural, seconds
from backstay.planning.look import Look

Value = Callable[[Numbers], float | None]


def _gap(numbers: Numbers) -> float | None:
    return None if numbers.write_gap is None else numbers.write_gap.seconds


def _lease(numbers: Numbers) -> float | None:
    return max(numbers.lease_gaps.values(), default=None)


def _not_ready(numbers: Numbers) -> float | None:
    return len(numbers.not_ready) if numbers.nodes else None


TIMES: Mapping[str, Value] = {
    "WRITE GAP": _gap,
    "RE-ELECT": lambda numbers: numbers.reelected,
    "VIP": lambda numbers: numbers.vip_moved,
    "LEASE": _lease,
}
COUNTS: Mapping[str, Value] = {
    "FAILED": lambda numbers: numbers.failed,
    "RETRIED": lambda numbers: numbers.told_to_retry,
    "NOT READY": _not_ready,
    "OPERATIONS": lambda numbers: numbers.operations,
}
HEAD = ("DRILL", "VERDICT", *TIMES, "LOST", *COUNTS)


def suite_text(drills: Sequence[Drilled | Undrilled], look: Look) -> str:
    """Return one row for each drill, medians of what was repeated, what was missed, and the sum."""
    found = [one for one in drills if isinstance(one, Drilled)]
    parts = (
        table(HEAD, list(_rows(drills, look)), look=look),
        "\n".join(_objectives(found, look)),
        "\n".join(_not_drilled(drills)),
        _sum(found, len(drills)),
    )
    return "\n\n".join(part for part in parts if part)


def _rows(drills: Sequence[Drilled | Undrilled], look: Look) -> Iterator[tuple[str, ...]]:
    for one in drills:
        if isinstance(one, Drilled):
            yield _row(one.scenario, Repeats((one,)), look)
        else:
            yield (one.scenario, "not drilled", *[look.marks.dash] * (len(HEAD) - 2))
    for many in repeats(one for one in drills if isinstance(one, Drilled)):
        if many.is_repeated:
            yield _row(f"{many.scenario} {look.marks.times}{len(many.drills)}", many, look)


def _row(name: str, found: Repeats, look: Look) -> tuple[str, ...]:
    """Return medians of times, and of counts the most."""
    dash = look.marks.dash
    return (
        name,
        found.verdict.value,
        *(seconds(found.middle(value), dash=dash) for value in TIMES.values()),
        count(found.lost, dash=dash),
        *(count(found.most(value), dash=dash) for value in COUNTS.values()),
    )


def _objectives(found: Sequence[Drilled], look: Look) -> Iterator[str]:
    """Yield what was missed, by scenario; of what was repeated, everything that was asked."""
    groups = repeats(found)
    width = max((len(one.scenario) for one in groups), default=0)
    for one in groups:
        shown = (each for each in one.results if one.is_repeated or each.answer is not Answer.MET)
        yield from (f"{one.scenario:<{width}}  {line}" for line in result_lines(shown, look))


def _not_drilled(drills: Sequence[Drilled | Undrilled]) -> Iterator[str]:
    return (f"{one.scenario}: {one.sentence}" for one in drills if isinstance(one, Undrilled))


def _sum(found: Sequence[Drilled], asked: int) -> str:
    operations = sum(one.numbers.operations for one in found)
    lost = [lost_writes(one.judgement) for one in found]
    known = [one for one in lost if one is not None]
    gone = f"{count(sum(known))} acknowledged writes lost" if known == lost else "losses unknown"
    passed = sum(one.verdict is Verdict.PASS for one in found)
    return f"{passed} of {plural(asked, 'drill')} passed, {count(operations)} operations, {gone}"
