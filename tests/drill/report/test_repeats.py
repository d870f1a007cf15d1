"""Times are bounded in their median, counts each time."""

from __future__ import annotations

from dataclasses import replace

from backstay.drill.oracle.verdict import Verdict
from backstay.drill.report.document import Drilled, Undrilled, drilled
from backstay.drill.report.objectives import Answer
from backstay.drill.report.repeats import Repeats, repeats
from backstay.drill.report.times import Gap
from fakes.drill_stories import BAD, GOOD, story

SECOND = 1_000_000_000


def of(*, gap: float | None, failed: int = 0) -> Drilled:
    """A drill with one missed number in place of what its story says."""
    found = drilled(story(objectives=("gap<=1.5s", "failed<=2")), GOOD)
    span = None if gap is None else Gap(0, round(gap * SECOND))
    numbers = replace(found.numbers, write_gap=span, failed=failed)
    seen = (gap, float(failed))
    results = tuple(
        replace(one, seen=value, answer=answer(one.objective.is_met_by, value))
        for one, value in zip(found.results, seen, strict=True)
    )
    return replace(found, numbers=numbers, results=results)


def answer(is_met: object, value: float | None) -> Answer:
    if value is None:
        return Answer.UNKNOWN
    assert callable(is_met)
    return Answer.MET if is_met(value) else Answer.MISSED


def test_one_unlucky_election_breaks_no_promise() -> None:
    """The median of three is within the bound, though one of them is not."""
    many = Repeats((of(gap=1.0), of(gap=2.2), of(gap=1.2)))
    assert [one.seen for one in many.results] == [1.2, 0.0]
    assert many.verdict is Verdict.PASS
    assert Repeats((of(gap=2.2),)).verdict is Verdict.FAIL


def test_whatever_is_counted_is_bounded_each_time() -> None:
    """One drill of three with failures is one too many."""
    many = Repeats((of(gap=1.0), of(gap=1.0, failed=3), of(gap=1.0)))
    assert [(one.seen, one.answer) for one in many.results] == [
        (1.0, Answer.MET),
        (3.0, Answer.MISSED),
    ]
    assert many.verdict is Verdict.FAIL


def test_what_one_drill_did_not_see_is_not_known_of_all() -> None:
    """A median of those that were lucky enough would be a lie."""
    many = Repeats((of(gap=1.0), of(gap=None)))
    assert many.results[0].answer is Answer.UNKNOWN
    assert many.verdict is Verdict.INCONCLUSIVE


def test_a_broken_promise_stays_one() -> None:
    """Whatever the numbers of the others are."""
    bad = replace(of(gap=1.0), judgement=BAD)
    assert Repeats((of(gap=1.0), bad, of(gap=1.0))).verdict is Verdict.FAIL


def test_drills_are_taken_together_by_scenario() -> None:
    """In the order in which each was first tried, also when another came in between."""
    one, other = of(gap=1.0), of(gap=2.0)
    other = replace(
        other,
        history=replace(other.history, header=replace(other.header, scenario="another")),
    )
    assert [len(each.drills) for each in repeats([one, other, one])] == [2, 1]


def test_what_was_not_drilled_each_time_is_not_proven() -> None:
    """Nine good drills of ten are not ten."""
    failed = Undrilled(of(gap=1.0).scenario, "nobody is both")
    (many,) = repeats([of(gap=1.0), failed])
    assert many.verdict is Verdict.INCONCLUSIVE
    assert (many.results[0].answer, many.lost) == (Answer.MET, 0)
    (none,) = repeats([failed, failed])
    assert (none.verdict, none.results, none.lost) == (Verdict.INCONCLUSIVE, (), None)


def test_a_number_of_several_drills_says_what_it_is() -> None:
    """A median of times, the worst of counts, and nothing of a single drill."""
    many = Repeats((of(gap=1.0), of(gap=1.2)))
    assert [many.how(one.objective) for one in many.results] == ["median of 2", "worst of 2"]
    assert Repeats((of(gap=1.0),)).how(many.results[0].objective) == ""
