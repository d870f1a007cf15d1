"""Objectives are read as they are typed, and met only by what was seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from backstay.drill.history import SECOND, Connection, Operation
from backstay.drill.oracle.verdict import Finding, Judgement, Verdict
from backstay.drill.report.numbers import measure
from backstay.drill.report.objectives import (
    GROUPS,
    QUANTITIES,
    RELATIONS,
    Answer,
    Objective,
    evaluate,
    parse_objectives,
)
from backstay.drill.report.times import Gap
from backstay.errors import UsageError
from fakes.drill_stories import BAD, GOOD, story

NUMBERS = measure(story())


@st.composite
def objectives(draw: st.DrawFn) -> Objective:
    """Anything that can be asked for."""
    name = draw(st.sampled_from(sorted(QUANTITIES)))
    group = draw(st.sampled_from(("", *GROUPS))) if QUANTITIES[name].is_of_clients else ""
    relation = draw(st.sampled_from(sorted(RELATIONS)))
    bound = draw(st.integers(min_value=0, max_value=10**12))
    return Objective(name, relation, round(bound / 10**6, 9), group, draw(st.booleans()))


@given(st.lists(objectives(), max_size=4).map(tuple))
def test_what_is_written_is_read_again(found: tuple[Objective, ...]) -> None:
    """An objective in a history means the same as on the command line."""
    assert parse_objectives(",".join(map(str, found))) == found


@given(st.text(max_size=30))
def test_any_other_text_is_refused_and_nothing_else_happens(text: str) -> None:
    """No text is an error of ours."""
    try:
        parse_objectives(text)
    except UsageError as error:
        assert error.what


@pytest.mark.parametrize(
    ("text", "bound"), [("gap<800ms", 0.8), ("gap < 0.8s", 0.8), ("gap<2.1ms", 0.0021)]
)
def test_times_are_kept_in_seconds(text: str, bound: float) -> None:
    """Whatever unit they are typed in, to the nanosecond."""
    assert parse_objectives(text) == (Objective("gap", "<", bound),)


def test_mistakes_are_explained() -> None:
    """With the name that was probably meant."""
    said = []
    for text in ("gapp<2s", "gap<2", "lost=0s", "gap", "vip knew:gap<2s", "vip new:lost=0"):
        with pytest.raises(UsageError) as caught:
            parse_objectives(text)
        hint = caught.value.next_move.partition(" there are:")[0]
        said.append((caught.value.what, caught.value.why, hint))
    assert said == snapshot(
        [
            ("nothing is measured as 'gapp'", "", "did you mean gap?"),
            ("'gap<2' is no objective", "gap is a time, with s or ms", ""),
            ("'lost=0s' is no objective", "lost is a number without a unit", ""),
            (
                "'gap' is no objective",
                "it is not a name, one of < <= = >= >, and a number with s or ms if it is a time",
                "for example: --objective 'gap<2s,vip new:failed<=2,lost=0'",
            ),
            ("no clients are called 'vip knew'", "", "did you mean vip new?"),
            (
                "'vip new:lost=0' is no objective",
                "lost is not measured for each group of clients",
                "",
            ),
        ]
    )


def answers(text: str, judgement: Judgement = GOOD) -> list[str]:
    results = evaluate(parse_objectives(text), NUMBERS, judgement)
    return [f"{one.objective}: {one.seen} {one.answer}" for one in results]


def test_a_bound_is_met_or_missed_by_what_was_seen() -> None:
    """At the bound itself the relation decides."""
    assert answers("reelect<=1.24s,reelect<1.24s,vip-move>1s,elections=1,notready=0") == [
        "reelect<=1.24s: 1.24 met",
        "reelect<1.24s: 1.24 missed",
        "vip-move>1s: 1.38 met",
        "elections=1: 1 met",
        "notready=0: 0 met",
    ]


def failures(group: str) -> float:
    return float(sum(one.failed + one.unknown for one in NUMBERS.groups if one.name == group))


def waited(group: str) -> float:
    return NUMBERS.client_gaps[group].seconds


def test_one_group_of_clients_can_be_asked_for() -> None:
    """A group that was not there is not met."""
    failed = failures("node kept")
    assert failed > 0
    assert answers(f"node kept:failed={failed:.0f},service kept:failed=0") == [
        f"node kept:failed={failed:.0f}: {failed} met",
        "service kept:failed=0: None unknown",
    ]


def test_lost_writes_come_from_the_judge_and_a_doubt_is_no_zero() -> None:
    """An objective that nobody could check is not met."""
    doubt = Judgement((Finding("lost writes", Verdict.INCONCLUSIVE, "nothing was read"),))
    assert answers("lost=0") == ["lost=0: 0.0 met"]
    assert answers("lost=0", BAD) == ["lost=0: 1.0 missed"]
    assert answers("lost=0", doubt) == ["lost=0: None unknown"]
    assert answers("lost=0", Judgement(())) == ["lost=0: None unknown"]


def test_every_quantity_has_a_value_or_none_for_any_history() -> None:
    """A drill without anything in it is held against all objectives, and meets none."""
    empty = measure(story().__class__(story().header, ()))
    asked = tuple(Objective(name, ">=", 0) for name in QUANTITIES)
    assert {one.answer for one in evaluate(asked, empty, GOOD)} == {Answer.UNKNOWN}


def test_a_single_drill_is_not_asked_for_a_median() -> None:
    """It shows its own number, and neither meets nor misses it."""
    assert answers("median reelect<=1s,median node kept:failed=0") == [
        "median reelect<=1s: 1.24 not asked",
        f"median node kept:failed=0: {failures('node kept')} not asked",
    ]
    (found,) = parse_objectives("median  gap<=2.2*election", {"election": 0.8})
    assert found == Objective("gap", "<=", 1.76, is_median=True)


def test_an_address_a_balancer_and_a_client_can_be_bounded() -> None:
    """Each from what the machines and the clients of the story told."""
    assert answers("out<=0.7s,split<=0.06s,cut=0,vip kept:client-gap<2s,overlap<10s") == [
        "out<=0.7s: 0.7 met",
        "split<=0.06s: 0.06 met",
        "cut=0: None unknown",
        f"vip kept:client-gap<2s: {waited('vip kept')} met",
        "overlap<10s: 6.0 met",
    ]


@pytest.mark.parametrize(
    ("begin", "end", "answer"),
    [
        (1.2, 1.7, Answer.UNKNOWN),
        (0.0, 1.7, Answer.UNKNOWN),
        (1.2, 1.5, Answer.MISSED),
        (2.0, 2.5, Answer.MISSED),
    ],
    ids=["within", "from before", "too short", "afterwards"],
)
def test_a_pause_of_this_computer_is_not_held_against_the_cluster(
    begin: float, end: float, answer: Answer
) -> None:
    """A gap of 1.0 s in which our own clients did not call for half of it: 0.6 s may be kept."""
    numbers = measure(story())
    gap, pause = gap_of(1.0, 2.0), gap_of(begin, end)
    numbers = replace(numbers, write_gap=gap, pauses=(pause,))
    for bound, wanted in (("gap<=0.6s", answer), ("gap<=1s", Answer.MET)):
        (found,) = evaluate(parse_objectives(bound), numbers, GOOD)
        assert found.answer is wanted


def gap_of(begin: float, end: float) -> Gap:
    return Gap(int(begin * SECOND), int(end * SECOND))


def test_a_pause_is_when_a_client_was_due_and_did_not_call() -> None:
    """Its connection was free; by a tenth of a second nobody notices."""
    told = story()
    kept = next(one for one in told.header.clients if one.connection is Connection.KEPT)
    mine = [one for one in told.of(Operation) if one.client == kept.name]
    last = max(one.returned for one in mine) + SECOND
    late = [
        replace(mine[0], due=last, called=last + delay, returned=last + delay + 1)
        for delay in (SECOND // 20, SECOND // 2)
    ]
    for one, pauses in zip(late, ((), (Gap(last, last + SECOND // 2),)), strict=True):
        assert measure(replace(told, records=(*told.records, one))).pauses == pauses
