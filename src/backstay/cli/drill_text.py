"""Drills as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from backstay.cli.tables import table
from backstay.drill.oracle.verdict import Verdict
from backstay.drill.report.objectives import FEWEST, QUANTITIES, Answer
from backstay.drill.report.plot import plot
from backstay.drill.report.wording import count, milliseconds, seconds
from backstay.planning.look import Look, Tone, shortened

if TYPE_CHECKING:
    from backstay.drill.oracle.verdict import Finding
    from backstay.drill.report.document import Drilled, Undrilled
    from backstay.drill.report.numbers import Group
    from backstay.drill.report.objectives import Objective, Result

TONES = {
    Verdict.PASS: Tone.GOOD,
    Verdict.FAIL: Tone.BAD,
    Verdict.INCONCLUSIVE: Tone.WARNING,
}
NOT_ASKED = f"not asked, needs --repeat {FEWEST}"
"""Of a median."""

GROUP_HEAD = (
    *("CLIENTS", "DOES", "ASKED", "FAILED", "UNKNOWN", "RETRIED", "LATE"),
    *("P50", "P99", "LONGEST", "GAP"),
)


def drill_text(found: Drilled, look: Look) -> str:
    """Return the plot, the numbers by kind of client, the promises, and the verdict."""
    rows = [_group(one, look) for one in found.numbers.groups]
    parts = (
        plot(found.history, look),
        table(GROUP_HEAD, rows, look=look),
        "\n".join(_facts(found, look)),
        "\n".join(result_lines(found.results, look)),
        "\n".join(finding_lines(found.judgement.findings, look)),
        verdict_line(found, look),
    )
    return "\n\n".join(part for part in parts if part)


def verdict_line(found: Drilled | Undrilled, look: Look) -> str:
    """Return the verdict in a word, and the drill in sentences: on one line if they fit."""
    word = found.verdict.value.upper()
    first, *more = found.sentences
    whole = len(f"{word}  {found.scenario}: {found.sentence}") <= look.width
    between = " " if whole else "\n" + " " * (len(word) + 2)
    said = between.join((f"{found.scenario}: {first}", *more))
    return f"{look.paint(TONES[found.verdict], word)}  {said}"


def _group(one: Group, look: Look) -> tuple[str, ...]:
    dash = look.marks.dash
    gap = None if one.gap is None else one.gap.seconds
    return (
        one.name,
        f"{one.action}s",
        count(one.operations),
        count(one.failed),
        count(one.unknown),
        count(one.told_to_retry),
        count(one.held_back),
        *(milliseconds(value, dash=dash) for value in (one.p50, one.p99, one.longest)),
        seconds(gap, dash=dash),
    )


def _facts(found: Drilled, look: Look) -> Iterator[str]:
    numbers = found.numbers
    times: Mapping[str, float | None] = {
        "noticed after": numbers.detected,
        "apiserver left out by all balancers after": numbers.out,
        "another etcd leader after": numbers.reelected,
        "virtual address moved after": numbers.vip_moved,
        **{f"next holder of {name} after": value for name, value in numbers.lease_gaps.items()},
        **{f"two holders of {name} for": value for name, value in numbers.lease_overlaps.items()},
    }
    for name, value in times.items():
        if value is not None:
            yield f"{name:<44} {seconds(value, dash=look.marks.dash)}"
    if numbers.sessions:
        spread = ", ".join(f"{name} {count(number)}" for name, number in numbers.sessions.items())
        yield f"{'connections of the balancers at the end':<44} {spread}"
    if numbers.errors:
        errors = ", ".join(f"{count(number)} {error}" for error, number in numbers.errors.items())
        yield f"{'failures':<44} {errors}"
    if numbers.not_ready:
        yield f"{'not Ready':<44} {', '.join(numbers.not_ready)}"


def nothing_of(_: Objective) -> str:
    """Return what an objective's number is of a single drill: itself."""
    return ""


def result_lines(
    results: Iterable[Result], look: Look, *, how: Callable[[Objective], str] = nothing_of
) -> Iterator[str]:
    """Yield each objective with its answer, what was seen, and what it means.

    `how` says what a number of several drills is, such as `median of 10`.
    """
    marks = {
        Answer.MET: look.paint(Tone.GOOD, look.marks.tick),
        Answer.MISSED: look.paint(Tone.BAD, look.marks.cross),
        Answer.UNKNOWN: look.paint(Tone.WARNING, "?"),
        Answer.NOT_ASKED: look.marks.dash,
    }
    for one in results:
        quantity = QUANTITIES[one.objective.name]
        words = seconds if quantity.is_time else count
        seen = words(one.seen, dash="not seen")
        whose = NOT_ASKED if one.answer is Answer.NOT_ASKED else how(one.objective)
        meaning = ": ".join(part for part in (whose, quantity.meaning) if part)
        known = f"{one.objective!s:<14} {seen:<10} "
        rest = shortened(meaning, look.width - len(known) - 2, look.marks)
        yield f"{marks[one.answer]} {known}{rest}"


def finding_lines(findings: Iterable[Finding], look: Look) -> Iterator[str]:
    """Yield what each check says, and of those that did not pass the evidence."""
    for one in findings:
        mark = look.marks.tick if one.verdict is Verdict.PASS else look.marks.cross
        mark = "?" if one.verdict is Verdict.INCONCLUSIVE else mark
        yield f"{look.paint(TONES[one.verdict], mark)} {one.check:<16} {one.what}"
        if one.verdict is not Verdict.PASS:
            yield from (
                f"    {shortened(line, look.width - 4, look.marks)}" for line in one.evidence
            )
