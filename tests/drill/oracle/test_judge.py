"""Good histories pass, and every kind of known-bad one fails for its own reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.drill.history import (
    SECOND,
    FinalHash,
    FinalRead,
    History,
    Mark,
    Operation,
    Outcome,
    Record,
    WatchEvent,
    WatchTurn,
    header_line,
    read_history,
    record_line,
)
from backstay.drill.oracle.judge import RATE, judge
from backstay.drill.oracle.stores import phases
from backstay.drill.oracle.verdict import Finding, Judgement, Verdict
from fakes.any_histories import HISTORIES
from fakes.drill_histories import history, moment

SEED = 7
SEEDS = st.integers(0, 10_000)
WATCH = "watch-etcd-0"


def judged(found: History) -> Judgement:
    return judge(found, now=lambda: 0.0)


def with_verdict(found: Judgement, verdict: Verdict) -> list[Finding]:
    return [one for one in found.findings if one.verdict is verdict]


@given(SEEDS)
@settings(max_examples=25)
def test_a_store_that_keeps_its_promises_passes(seed: int) -> None:
    """Overlapping, failed, unknown and late operations, and watches that end, are no doubt."""
    found = judged(history(seed))
    assert found.verdict is Verdict.PASS, found.findings


def without(found: History, unwanted: Callable[[Record], bool]) -> History:
    return replace(found, records=tuple(one for one in found.records if not unwanted(one)))


@pytest.mark.parametrize(
    ("unwanted", "check", "said"),
    [
        (lambda one: isinstance(one, FinalRead), "lost writes", "nothing was read"),
        (
            lambda one: isinstance(one, FinalRead) and one.source == "etcd cp-2",
            "lost writes",
            "not everything was read",
        ),
        (
            lambda one: isinstance(one, FinalRead) and one.key == "a",
            "lost writes",
            "not everything was read",
        ),
        (
            lambda one: isinstance(one, WatchEvent | WatchTurn) and one.client == WATCH,
            "watches",
            f"never opened: {WATCH}",
        ),
        (lambda one: isinstance(one, FinalHash) and one.member == "cp-2", "hashes", "cp-2"),
        (lambda one: isinstance(one, FinalHash), "hashes", "cp-1, cp-2, cp-3"),
        (lambda one: isinstance(one, Mark) and one.subject == "warm-up", "load", "no warm-up"),
        (lambda one: isinstance(one, Mark) and one.subject == "fault", "load", "no warm-up"),
        (
            lambda one: isinstance(one, Operation) and one.outcome is Outcome.OK,
            "load",
            "0 of 1 operations",
        ),
    ],
)
def test_what_was_not_looked_at_is_not_proven(
    unwanted: Callable[[Record], bool], check: str, said: str
) -> None:
    """A drill that could not read at the end, or had no load, is inconclusive, never a pass."""
    found = judged(without(history(SEED), unwanted))
    doubts = with_verdict(found, Verdict.INCONCLUSIVE)
    assert any(one.check == check and said in one.what for one in doubts)
    assert found.verdict is not Verdict.PASS


def test_hashes_of_different_revisions_prove_nothing() -> None:
    """Stores that differ because one is further are no divergence."""
    good = history(SEED)
    ahead = FinalHash("cp-1", good.of(FinalHash)[0].revision + 1, 1)
    found = judged(replace(good, records=(*good.records, ahead)))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert [one.check for one in with_verdict(found, Verdict.INCONCLUSIVE)] == ["hashes"]


def test_too_little_load_proves_nothing() -> None:
    """Half of the asked rate is the least that a warm-up must reach."""
    good = history(SEED)
    began, ended = (phases(good)[one] for one in ("warm-up", "fault"))
    answered = sum(
        one.outcome is Outcome.OK and began <= one.returned < ended
        for one in good.records
        if isinstance(one, Operation)
    )
    rate = answered / ((ended - began) / SECOND)
    verdicts = [
        judged(replace(good, header=replace(good.header, load={RATE: rate * asked}))).verdict
        for asked in (1.99, 2.01)
    ]
    assert verdicts == [Verdict.PASS, Verdict.INCONCLUSIVE]


@given(SEEDS, st.floats(0, 1))
@settings(max_examples=25)
def test_a_history_cut_short_proves_nothing(seed: int, part: float) -> None:
    """What was under way when a drill was killed is missing: no promise was broken by that."""
    good = history(seed)
    whole = tuple(one for one in good.records if moment(one))
    cut = replace(good, records=whole[: int(part * len(whole))])
    assert judged(cut).verdict is Verdict.INCONCLUSIVE


def test_the_same_history_has_the_same_judgement() -> None:
    """Judging is a function: the file can be judged again by anyone."""
    good = history(SEED)
    lines = [header_line(good.header), *(record_line(one) for one in good.records)]
    assert judged(read_history(f"{one}\n" for one in lines)) == judged(good)


@given(HISTORIES)
@settings(max_examples=50)
def test_any_history_can_be_judged(found: History) -> None:
    """However little sense a file makes, its judgement is one of three."""
    assert judged(found).verdict in Verdict
