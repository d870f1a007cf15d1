"""Good histories pass, and every kind of known-bad one fails for its own reason."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.drill.history import (
    Action,
    Change,
    FinalHash,
    FinalRead,
    History,
    Kind,
    LogLine,
    Mark,
    Operation,
    Outcome,
    Record,
    Stream,
    WatchEvent,
    WatchTurn,
)
from backstay.drill.oracle.judge import judge
from backstay.drill.oracle.verdict import Judgement, Verdict
from fakes.drill_histories import history

SEED = 7


def verdicts(found: Judgement) -> dict[str, Verdict]:
    return {one.check: one.verdict for one in found.findings}


def judged(found: History) -> Judgement:
    return judge(found, now=lambda: 0.0)


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_a_store_that_keeps_its_promises_passes(seed: int) -> None:
    """Overlapping, failed and unknown operations alone are no reason to doubt."""
    found = judged(history(seed))
    assert found.verdict is Verdict.PASS, found.findings


Spoiling = Callable[[list[Record]], None]


def last_write(records: list[Record]) -> Operation:
    """The acknowledged write that its key has at the end."""
    finals = {one.value for one in records if isinstance(one, FinalRead)}
    return next(
        one
        for one in reversed(records)
        if isinstance(one, Operation)
        and one.outcome is Outcome.OK
        and one.value in finals
        and one.action is Action.WRITE
    )


def put(records: list[Record], old: Record, *new: Record) -> None:
    place = records.index(old)
    records[place : place + 1] = new


def lose_a_write(records: list[Record]) -> None:
    key = last_write(records).key
    for one in [one for one in records if isinstance(one, FinalRead) and one.key == key]:
        put(records, one, replace(one, value=None, modified=None))


def lose_a_write_on_one_member(records: list[Record]) -> None:
    key = last_write(records).key
    final = next(one for one in records if isinstance(one, FinalRead) and one.key == key)
    put(records, final, replace(final, value=None, modified=None))


def read_a_stale_value(records: list[Record]) -> None:
    write = last_write(records)
    end = max(one.returned for one in records if isinstance(one, Operation))
    stale = replace(write, action=Action.READ, value=None, modified=None, revision=1)
    records.append(replace(stale, called=end + 1, returned=end + 2))


def read_a_stale_value_without_revisions(records: list[Record]) -> None:
    read_a_stale_value(records)
    records[:] = [
        replace(one, revision=None, modified=None) if isinstance(one, Operation) else one
        for one in records
    ]


def bring_back_what_had_failed(records: list[Record]) -> None:
    write = last_write(records)
    put(records, write, replace(write, outcome=Outcome.FAIL, modified=None, revision=None))


def invent_a_value(records: list[Record]) -> None:
    final = next(one for one in records if isinstance(one, FinalRead))
    put(records, final, replace(final, value="from nowhere"))


def give_two_writes_one_revision(records: list[Record]) -> None:
    one, other, *_ = (
        one
        for one in records
        if isinstance(one, Operation) and one.action is Action.WRITE and one.outcome is Outcome.OK
    )
    put(records, one, replace(one, modified=other.modified))


def events(records: list[Record]) -> list[WatchEvent]:
    return [one for one in records if isinstance(one, WatchEvent)]


def acknowledged_event(records: list[Record]) -> WatchEvent:
    """An event in the middle whose write was acknowledged."""
    sure = {
        one.modified
        for one in records
        if isinstance(one, Operation) and one.action is Action.WRITE and one.outcome is Outcome.OK
    }
    return next(one for one in events(records)[2:-2] if one.modified in sure)


def lose_an_event(records: list[Record]) -> None:
    records.remove(acknowledged_event(records))


def lose_the_last_events(records: list[Record]) -> None:
    for one in events(records)[-6:]:
        records.remove(one)


def repeat_an_event(records: list[Record]) -> None:
    one = events(records)[3]
    put(records, one, one, replace(one, batch=one.batch + 1000))


def repeat_after_resuming(records: list[Record]) -> None:
    one = events(records)[3]
    closed = WatchTurn("watch", one.at, Stream.CLOSED, one.modified)
    opened = WatchTurn("watch", one.at, Stream.OPENED, one.modified - 1)
    put(records, one, one, closed, opened, one)


def swap_two_events(records: list[Record]) -> None:
    one, other = events(records)[3:5]
    first, second = records.index(one), records.index(other)
    records[first], records[second] = other, one


def change_an_events_value(records: list[Record]) -> None:
    one = acknowledged_event(records)
    put(records, one, replace(one, value="another"))


def tear_a_batch(records: list[Record]) -> None:
    one = events(records)[3]
    put(records, one, one, replace(one, key="z", value="same transaction", batch=one.batch + 1000))


def send_an_event_after_its_bookmark(records: list[Record]) -> None:
    one = events(records)[3]
    bookmark = WatchEvent("watch", one.at, Change.BOOKMARK, one.modified, batch=one.batch)
    put(records, one, bookmark, one)


def let_a_member_diverge(records: list[Record]) -> None:
    one = next(one for one in records if isinstance(one, FinalHash))
    put(records, one, replace(one, hash=1))


def panic(records: list[Record]) -> None:
    records.append(LogLine("cp-1", "etcd", "panic: assertion failed"))


BAD: dict[Spoiling, str] = {
    lose_a_write: "lost writes",
    lose_a_write_on_one_member: "lost writes",
    bring_back_what_had_failed: "lost writes",
    invent_a_value: "lost writes",
    read_a_stale_value: "revisions",
    give_two_writes_one_revision: "revisions",
    read_a_stale_value_without_revisions: "linearizability",
    lose_an_event: "watches",
    lose_the_last_events: "watches",
    repeat_an_event: "watches",
    repeat_after_resuming: "watches",
    swap_two_events: "watches",
    change_an_events_value: "watches",
    tear_a_batch: "watches",
    send_an_event_after_its_bookmark: "watches",
    let_a_member_diverge: "hashes",
    panic: "logs",
}


@pytest.mark.parametrize(
    ("spoil", "check"), BAD.items(), ids=lambda one: getattr(one, "__name__", one)
)
@pytest.mark.parametrize("seed", [SEED, SEED + 1, SEED + 2])
def test_a_broken_promise_is_found_with_evidence(spoil: Spoiling, check: str, seed: int) -> None:
    """Each known-bad history fails the check that is about it, and says where."""
    good = history(seed)
    records = list(good.records)
    spoil(records)
    found = judged(replace(good, records=tuple(records)))
    failed = [one for one in found.findings if one.verdict is Verdict.FAIL]
    assert check in {one.check for one in failed}
    assert all(one.evidence for one in failed)
    assert found.verdict is Verdict.FAIL


def without(found: History, unwanted: Callable[[Record], bool]) -> History:
    return replace(found, records=tuple(one for one in found.records if not unwanted(one)))


@pytest.mark.parametrize(
    ("unwanted", "check"),
    [
        (lambda one: isinstance(one, FinalRead), "lost writes"),
        (lambda one: isinstance(one, FinalHash) and one.member == "cp-2", "hashes"),
        (lambda one: isinstance(one, FinalHash), "hashes"),
        (lambda one: isinstance(one, Mark) and one.kind is Kind.PHASE, "load"),
        (lambda one: isinstance(one, Operation) and one.outcome is Outcome.OK, "load"),
    ],
)
def test_what_was_not_looked_at_is_not_proven(
    unwanted: Callable[[Record], bool], check: str
) -> None:
    """A drill that could not read at the end, or had no load, is inconclusive, never a pass."""
    found = judged(without(history(SEED), unwanted))
    assert verdicts(found)[check] is Verdict.INCONCLUSIVE
    assert found.verdict is not Verdict.PASS


def test_a_search_without_time_is_inconclusive() -> None:
    """What cannot be decided within the limit is said to be undecided."""
    clock = itertools.count(0, 30.0)
    good = history(SEED, clients=8, each=2000)
    found = judge(good, now=lambda: float(next(clock)))
    assert verdicts(found)["linearizability"] is Verdict.INCONCLUSIVE


def test_the_same_history_has_the_same_judgement() -> None:
    """Judging is a function: the file can be judged again by anyone."""
    assert judged(history(SEED)) == judged(history(SEED))
