"""Good histories pass, and every kind of known-bad one fails for its own reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.drill.history import (
    SECOND,
    Connection,
    FinalHash,
    FinalRead,
    History,
    Kind,
    Mark,
    Note,
    Operation,
    Outcome,
    Record,
    WatchEvent,
    WatchTurn,
)
from backstay.drill.history_file import header_line, read_history, record_line
from backstay.drill.oracle.clients import TIMEOUT
from backstay.drill.oracle.judge import RATE, judge
from backstay.drill.oracle.stores import phases, told
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
    enough, low = (
        judged(replace(good, header=replace(good.header, load={RATE: rate * asked})))
        for asked in (1.99, 2.01)
    )
    assert (enough.verdict, low.verdict) == (Verdict.PASS, Verdict.INCONCLUSIVE)
    (doubt,) = with_verdict(low, Verdict.INCONCLUSIVE)
    assert f"and {rate * 2.01 / 2:.0f} are needed" in doubt.what
    assert "busy, so drill again, or with --scale 0.5" in doubt.what


def with_rate(found: History, client: str, rate: float) -> History:
    """The history, in which so much was asked of a client, over a way of its own."""
    clients = tuple(
        replace(one, rate=rate, connection=Connection.NEW) if one.name == client else one
        for one in found.header.clients
    )
    return replace(found, header=replace(found.header, clients=clients))


def test_too_little_load_of_one_kind_proves_nothing() -> None:
    """Many answers of some clients do not stand for those that others never had."""
    good = history(SEED)
    began, ended = (phases(good)[one] for one in ("warm-up", "fault"))
    answered = sum(
        one.outcome is Outcome.OK and began <= one.returned < ended and one.client == "etcd-0"
        for one in good.of(Operation)
    )
    rate = answered / ((ended - began) / SECOND)
    assert judged(with_rate(good, "etcd-0", 1.9 * rate)).verdict is Verdict.PASS
    (doubt,) = with_verdict(judged(with_rate(good, "etcd-0", 4 * rate)), Verdict.INCONCLUSIVE)
    assert doubt.check == "load"
    needed = ceil(4 * answered / 3)
    said = f"{answered} of {4 * answered} operations were answered, {needed} needed"
    assert doubt.evidence == (f"etcd new: {said}",)
    assert "one kind of client had few; this computer or the cluster is busy" in doubt.what


def test_a_store_that_took_no_write_proves_nothing() -> None:
    """None of no acknowledged writes is lost, whatever was read."""
    good = history(SEED)
    records = tuple(
        replace(one, outcome=Outcome.UNKNOWN)
        if isinstance(one, Operation) and one.client.startswith("etcd")
        else one
        for one in good.records
    )
    doubts = with_verdict(judged(replace(good, records=records)), Verdict.INCONCLUSIVE)
    assert any(one.what.startswith("etcd: no write was acknowledged") for one in doubts)


NOTED = {
    Note.NOT_SETTLED: ("settled", "not all clients were answered again"),
    Note.NOT_WELL: ("settled", "the cluster did not get well again"),
    Note.WATCHER_FAILED: ("settled", "not everything was watched to the end"),
    Note.DEAF: ("settled", "not every journal was heard to its end"),
    Note.MOVED: ("fault", "the target was not what it was chosen for any more"),
    Note.GONE: ("fault", "the fault stood no more when it was undone"),
}


@pytest.mark.parametrize("subject", NOTED)
def test_what_was_noted_leaves_a_doubt(subject: str) -> None:
    """Nothing was broken that anybody saw, but not everything was seen, or as it is told."""
    good = history(SEED)
    note = Mark(2 * SECOND, Kind.NOTE, subject, "cp-1", "why")
    found = judged(replace(good, records=(*good.records, note)))
    assert found.verdict is Verdict.INCONCLUSIVE
    check, what = NOTED[subject]
    (doubt,) = (one for one in found.findings if one.check == check)
    assert (doubt.verdict, doubt.what) == (Verdict.INCONCLUSIVE, what)
    assert doubt.evidence == (f"2.000 s: {subject}: cp-1 why",)


def test_a_machine_that_was_not_heard_may_have_panicked() -> None:
    """No line of a panic from a journal that nobody read to its end says nothing."""
    good = history(SEED)
    found = judged(replace(good, records=(*good.records, Mark(0, Kind.NOTE, Note.DEAF, "cp-2"))))
    (logs,) = (one for one in found.findings if one.check == "logs")
    assert (logs.verdict, "cp-2" in logs.what) == (Verdict.INCONCLUSIVE, True)


def test_a_note_of_another_kind_is_no_doubt() -> None:
    """What an operator did, or what was seen in passing, speaks for itself."""
    good = history(SEED)
    note = Mark(0, Kind.NOTE, "stopping", "by SIGTERM")
    assert judged(replace(good, records=(*good.records, note))).verdict is Verdict.PASS


def late(found: History, **changes: int) -> tuple[History, Operation]:
    """The history whose last operation had no answer, changed by milliseconds."""
    one = max(found.of(Operation), key=lambda one: one.called)
    moved = {name: getattr(one, name) + by * SECOND // 1000 for name, by in changes.items()}
    other = replace(one, **moved, outcome=Outcome.UNKNOWN, error="timeout")
    records = tuple(other if known is one else known for known in found.records)
    header = replace(found.header, load={**found.header.load, TIMEOUT: 0.03})
    return replace(found, header=header, records=records), other


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"due": -300}, Verdict.PASS),
        ({"called": 590, "returned": 590}, Verdict.PASS),
        ({"called": 610, "returned": 610}, Verdict.INCONCLUSIVE),
        ({"returned": 590}, Verdict.PASS),
        ({"returned": 700}, Verdict.INCONCLUSIVE),
    ],
)
def test_clients_that_this_computer_kept_waiting_prove_nothing(
    changes: dict[str, int], verdict: Verdict
) -> None:
    """Late by the one before is the cluster's; called late, or given up late, is our own."""
    found, _ = late(history(SEED), **changes)
    (clients,) = (one for one in judged(found).findings if one.check == "clients")
    assert clients.verdict is verdict, clients


def test_a_time_out_that_was_found_late_is_told_of() -> None:
    """It may be no failure of the cluster's, and the reader sees which it is."""
    found, operation = late(history(SEED), returned=200)
    (clients,) = (one for one in judged(found).findings if one.check == "clients")
    assert clients.verdict is Verdict.PASS
    assert clients.evidence[0].startswith(f"{told(operation)}, given up ")


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
