"""A bound is on the worst of all drills, or on their median where that is asked."""

from __future__ import annotations

from dataclasses import replace

from backstay.drill.oracle.verdict import Verdict
from backstay.drill.report.document import Drilled, Undrilled, drilled
from backstay.drill.report.objectives import Answer, result_of
from backstay.drill.report.repeats import Repeats, repeats
from backstay.drill.report.times import Gap
from fakes.drill_stories import BAD, GOOD, story

SECOND = 1_000_000_000


def of(*, gap: float | None, failed: int = 0, bound: str = "median gap<=1.5s") -> Drilled:
    """A drill with other numbers in place of what its story says."""
    found = drilled(story(objectives=(bound, "failed<=2")), GOOD)
    span = None if gap is None else Gap(0, round(gap * SECOND))
    numbers = replace(found.numbers, write_gap=span, failed=failed)
    seen = (gap, float(failed))
    results = tuple(
        result_of(one.objective, value) for one, value in zip(found.results, seen, strict=True)
    )
    return replace(found, numbers=numbers, results=results)


def test_one_unlucky_election_breaks_no_promise_of_the_median() -> None:
    """The median of three is within the bound, though one of them is not."""
    many = Repeats((of(gap=1.0), of(gap=2.2), of(gap=1.2)))
    assert [one.seen for one in many.results] == [1.2, 0.0]
    assert many.verdict is Verdict.PASS
    assert Repeats((of(gap=2.2), of(gap=2.2), of(gap=1.2))).verdict is Verdict.FAIL


def test_a_bound_that_speaks_of_no_median_holds_each_time() -> None:
    """Two good drills do not make up for one whose writes stopped too long."""
    many = Repeats(tuple(of(gap=gap, bound="gap<=1.5s") for gap in (1.0, 2.2, 1.2)))
    assert (many.results[0].seen, many.results[0].answer) == (2.2, Answer.MISSED)
    assert many.verdict is Verdict.FAIL


def test_the_worst_is_the_least_of_what_is_to_be_more() -> None:
    """And of what is to be exactly something the one that is not."""
    for bound, worst in (("gap>=1.5s", 1.0), ("gap=1s", 2.2), ("gap<9s", 2.2)):
        many = Repeats(tuple(of(gap=gap, bound=bound) for gap in (1.0, 2.2, 1.0)))
        assert many.results[0].seen == worst


def test_fewer_than_three_drills_are_not_asked_for_their_median() -> None:
    """Of one or two the unlucky one would decide."""
    for gaps in ((2.2,), (2.2, 1.0)):
        few = Repeats(tuple(of(gap=gap) for gap in gaps))
        assert few.results[0].answer is Answer.NOT_ASKED
        assert few.verdict is Verdict.PASS


def test_a_median_may_be_one_of_counts() -> None:
    """How many requests a kill cuts is chance; that half of all kills cut more is none."""
    for counts, verdict in (((0, 3, 1), Verdict.PASS), ((3, 3, 1), Verdict.FAIL)):
        kills = [drilled(story(objectives=("median failed<=2",)), GOOD) for _ in counts]
        many = (
            replace(
                one,
                numbers=replace(one.numbers, failed=count),
                results=(result_of(one.results[0].objective, float(count)),),
            )
            for one, count in zip(kills, counts, strict=True)
        )
        assert Repeats(tuple(many)).verdict is verdict


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
    many = Repeats((of(gap=1.0), of(gap=None), of(gap=1.0)))
    assert many.results[0].answer is Answer.UNKNOWN
    assert many.verdict is Verdict.INCONCLUSIVE


def test_a_bound_that_one_missed_is_missed_whatever_another_did_not_see() -> None:
    """What was not seen mends nothing."""
    for gaps in ((2.2, None), (None, 2.2)):
        many = Repeats(tuple(of(gap=gap, bound="gap<=1.5s") for gap in gaps))
        assert (many.results[0].seen, many.results[0].answer) == (2.2, Answer.MISSED)


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
    assert (many.results[1].answer, many.lost) == (Answer.MET, 0)
    (none,) = repeats([failed, failed])
    assert (none.verdict, none.results, none.lost) == (Verdict.INCONCLUSIVE, (), None)


def test_a_number_of_several_drills_says_what_it_is() -> None:
    """A median where that is asked, the worst of all else, and nothing of a single drill."""
    many = Repeats((of(gap=1.0), of(gap=1.2)))
    assert [many.how(one.objective) for one in many.results] == ["median of 2", "worst of 2"]
    assert Repeats((of(gap=1.0),)).how(many.results[0].objective) == ""
