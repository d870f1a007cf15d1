"""Every kind of known-bad history fails for its own reason, with the evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from backstay.drill.history import (
    SECOND,
    Action,
    Change,
    FinalHash,
    FinalRead,
    LogLine,
    Operation,
    Outcome,
    Record,
    Stream,
    WatchEvent,
    WatchTurn,
)
from backstay.drill.oracle.judge import judge
from backstay.drill.oracle.stores import told
from backstay.drill.oracle.verdict import Verdict
from fakes.drill_histories import BEGINNING, history

WATCH = "watch-etcd-0"


Spoiling = Callable[[list[Record]], None]


def put(records: list[Record], old: Record, *new: Record) -> None:
    place = records.index(old)
    records[place : place + 1] = new


def operations(records: list[Record], store: str = "etcd") -> list[Operation]:
    return [one for one in records if isinstance(one, Operation) and one.client.startswith(store)]


def writes(records: list[Record], store: str = "etcd") -> list[Operation]:
    """The acknowledged writes."""
    return [
        one
        for one in operations(records, store)
        if one.action is Action.WRITE and one.outcome is Outcome.OK
    ]


def finals(records: list[Record], store: str = "etcd") -> list[FinalRead]:
    return [one for one in records if isinstance(one, FinalRead) and one.source.startswith(store)]


def last_write(records: list[Record], store: str = "etcd") -> Operation:
    """An acknowledged write that its key has at the end."""
    there = {one.value for one in finals(records, store)}
    return next(one for one in reversed(writes(records, store)) if one.value in there)


def last_of(records: list[Record], key: str) -> Operation:
    """The write on a key that was called last."""
    return max((one for one in writes(records) if one.key == key), key=lambda one: one.called)


def forgotten_write(records: list[Record]) -> Operation:
    """An acknowledged write that only a watch saw."""
    seen = {one.value for one in finals(records)} | {
        one.value for one in operations(records) if one.action is Action.READ
    }
    heard = {one.value for one in events(records)}
    return next(one for one in writes(records) if one.value in heard - seen)


def lose_a_write(records: list[Record]) -> None:
    key = last_write(records).key
    for one in [one for one in finals(records) if one.key == key]:
        put(records, one, replace(one, value=None, modified=None))


def lose_a_write_on_one_member(records: list[Record]) -> None:
    key = last_write(records).key
    final = next(one for one in finals(records) if one.key == key)
    put(records, final, replace(final, value=None, modified=None))


def overwritten(records: list[Record], store: str = "etcd") -> tuple[Operation, Operation]:
    """Two acknowledged writes on one key, one after the other."""
    return next(
        (one, other)
        for one in writes(records, store)
        for other in writes(records, store)
        if one.key == other.key and one.returned < other.called
    )


def go_back_to_an_older_write(records: list[Record]) -> None:
    older, _ = overwritten(records)
    for one in [one for one in finals(records) if one.key == older.key]:
        put(records, one, replace(one, value=older.value, modified=older.modified))


def go_back_without_revisions(records: list[Record]) -> None:
    go_back_to_an_older_write(records)
    forget_revisions(records)


def apply_an_unknown_write_on_one_member(records: list[Record]) -> None:
    write = replace(last_write(records), outcome=Outcome.UNKNOWN, value="late", modified=None)
    final = next(one for one in finals(records) if one.key == write.key)
    records.append(write)
    put(records, final, replace(final, value="late", modified=5000))


def read_afterwards(records: list[Record], read: Operation) -> None:
    """Add an operation after all others."""
    end = max(one.returned for one in operations(records, "")) + 1
    records.append(replace(read, action=Action.READ, called=end, returned=end + 1))


def read_an_older_store(records: list[Record]) -> None:
    """Though the last answer before it, being slow, was from an older one yet."""
    newest = max(one.revision or 0 for one in operations(records))
    read = replace(last_write(records), key="z", value=None, modified=None)
    read_afterwards(records, replace(read, revision=BEGINNING))
    records[-1] = replace(records[-1], called=0)
    read_afterwards(records, replace(read, revision=newest - 1))


def read_an_older_value(records: list[Record]) -> None:
    """Through the API, whose answers do not say the store's revision."""
    older, _ = overwritten(records, "apiserver")
    read_afterwards(records, older)


def forget_revisions(records: list[Record]) -> None:
    """Leave only values, so that nothing but an order can tell."""
    for number, one in enumerate(records):
        if isinstance(one, Operation):
            records[number] = replace(one, revision=None, modified=None)
        elif isinstance(one, FinalRead):
            records[number] = replace(one, modified=None)


def read_nothing_without_revisions(records: list[Record]) -> None:
    read_afterwards(records, replace(last_write(records), value=None))
    forget_revisions(records)


def read_a_later_value_without_revisions(records: list[Record]) -> None:
    """A read before the write that it saw."""
    write = last_write(records)
    early = replace(write, action=Action.READ, called=write.called - 2, returned=write.called - 1)
    put(records, write, replace(early, revision=None, modified=None), write)


def read_what_had_failed(records: list[Record]) -> None:
    write = replace(last_write(records), key="z", modified=None, outcome=Outcome.FAIL)
    records.append(write)
    read_afterwards(records, replace(write, outcome=Outcome.OK, revision=None))


def bring_back_what_had_failed(records: list[Record]) -> None:
    write = last_write(records)
    put(records, write, replace(write, outcome=Outcome.FAIL, modified=None, revision=None))


def hear_of_what_had_failed(records: list[Record]) -> None:
    write = forgotten_write(records)
    put(records, write, replace(write, outcome=Outcome.FAIL, modified=None, revision=None))


def invent_a_value(records: list[Record]) -> None:
    final = finals(records)[0]
    put(records, final, replace(final, value="from nowhere"))


def give_a_value_another_revision(records: list[Record]) -> None:
    for one in [one for one in finals(records) if one.modified is not None]:
        put(records, one, replace(one, modified=one.modified + 1000))


def give_two_writes_one_revision(records: list[Record]) -> None:
    one, other, *_ = writes(records)
    put(records, one, replace(one, modified=other.modified))


def write_behind_an_earlier_write(records: list[Record]) -> None:
    """Through the API: revisions of different keys, which nobody else saw."""
    end = max(one.returned for one in operations(records, ""))
    write = replace(writes(records, "apiserver")[0], key="z", value="z", modified=1)
    records.append(replace(write, called=end + 1, returned=end + 2))


def events(records: list[Record], client: str = WATCH) -> list[WatchEvent]:
    return [
        one
        for one in records
        if isinstance(one, WatchEvent) and one.client == client and one.change is Change.PUT
    ]


def turns(records: list[Record]) -> list[WatchTurn]:
    return [one for one in records if isinstance(one, WatchTurn) and one.client == WATCH]


def inner_event(records: list[Record]) -> WatchEvent:
    """An event of an acknowledged write, between two others of one turn."""
    sure = {one.modified for one in writes(records)}
    mine = [
        one for one in records if isinstance(one, WatchEvent | WatchTurn) and one.client == WATCH
    ]
    return next(
        one
        for before, one, after in zip(mine, mine[1:], mine[2:], strict=False)
        if all(isinstance(each, WatchEvent) for each in (before, one, after))
        and before.change is one.change is after.change is Change.PUT
        and one.modified in sure
    )


def lose_an_event(records: list[Record]) -> None:
    records.remove(inner_event(records))


def lose_an_event_at_a_bookmark(records: list[Record]) -> None:
    one = inner_event(records)
    put(records, one, replace(one, change=Change.BOOKMARK, key="", value=None))


def lose_an_event_of_an_unknown_write(records: list[Record]) -> None:
    """One that another watch heard of, though its own client never did."""
    event = inner_event(records)
    write = next(one for one in writes(records) if one.modified == event.modified)
    # The other may have been compacted.
    assume(any(one.modified == event.modified for one in events(records, "watch-etcd-1")))
    put(records, write, replace(write, outcome=Outcome.UNKNOWN, modified=None, revision=None))
    records.remove(event)


def lose_an_event_between_turns(records: list[Record]) -> None:
    one = inner_event(records)
    closed = WatchTurn(WATCH, one.at, Stream.FAILED, one.modified, "reset")
    put(records, one, closed, WatchTurn(WATCH, one.at, Stream.OPENED, one.modified))


def lose_the_last_events(records: list[Record]) -> None:
    last = max(one.modified for one in writes(records))
    missed = [one for one in events(records) if one.modified >= last]
    # Nobody can say what a watch that was compacted at the very end should have heard.
    compacted = max((one.at for one in turns(records) if one.turn is Stream.COMPACTED), default=0)
    assume(missed and missed[0].modified == last and missed[0].at > compacted)
    for one in missed:
        records.remove(one)


def begin_anew(one: WatchEvent) -> list[Record]:
    """What a watch says that learned from a list what was there by then."""
    gone = WatchTurn(WATCH, one.at, Stream.COMPACTED, 0, "http 410")
    listed = replace(gone, turn=Stream.LISTED, revision=one.modified, error="")
    return [gone, listed, replace(listed, turn=Stream.OPENED)]


def lose_an_event_in_a_list(records: list[Record]) -> None:
    one = inner_event(records)
    put(records, one, *begin_anew(one))


def repeat_an_event(records: list[Record]) -> None:
    one = inner_event(records)
    put(records, one, one, replace(one, batch=one.batch + 1000))


def repeat_an_event_in_its_batch(records: list[Record]) -> None:
    one = inner_event(records)
    put(records, one, one, one)


def repeat_after_resuming(records: list[Record]) -> None:
    one = inner_event(records)
    closed = WatchTurn(WATCH, one.at, Stream.CLOSED, one.modified)
    put(records, one, one, closed, replace(closed, turn=Stream.OPENED), one)


def hear_of_what_was_before(records: list[Record]) -> None:
    opened = next(
        one for one in records if isinstance(one, WatchTurn) and one.turn is Stream.OPENED
    )
    put(records, opened, replace(opened, revision=BEGINNING + 500))


def swap_two_events(records: list[Record]) -> None:
    one = inner_event(records)
    other = events(records)[events(records).index(one) + 1]
    first, second = records.index(one), records.index(other)
    records[first], records[second] = other, one


def change_an_events_value(records: list[Record]) -> None:
    one = inner_event(records)
    put(records, one, replace(one, value="another"))


def swap_the_values_of_events(records: list[Record]) -> None:
    one = inner_event(records)
    other = events(records)[events(records).index(one) + 1]
    put(records, one, replace(one, key=other.key, value=other.value))


def remove_a_key(records: list[Record]) -> None:
    one = inner_event(records)
    put(records, one, replace(one, change=Change.DELETE, value=None))


def tear_a_batch(records: list[Record]) -> None:
    one = inner_event(records)
    put(records, one, one, replace(one, key="z", batch=one.batch + 1000))


def send_an_event_after_its_bookmark(records: list[Record]) -> None:
    one = inner_event(records)
    bookmark = WatchEvent(WATCH, one.at, Change.BOOKMARK, one.modified, batch=one.batch)
    put(records, one, bookmark, one)


def let_a_member_diverge(records: list[Record]) -> None:
    one = next(one for one in records if isinstance(one, FinalHash))
    put(records, one, replace(one, hash=1))


def let_a_member_diverge_while_one_is_silent(records: list[Record]) -> None:
    let_a_member_diverge(records)
    records[:] = [
        one for one in records if not (isinstance(one, FinalHash) and one.member == "cp-2")
    ]


def panic(records: list[Record]) -> None:
    records.append(LogLine("cp-1", "etcd", "panic: assertion failed"))


BAD: dict[Spoiling, tuple[str, str]] = {
    lose_a_write: ("lost writes", "lost: "),
    lose_a_write_on_one_member: ("lost writes", "lost: "),
    go_back_to_an_older_write: ("lost writes", "lost: "),
    bring_back_what_had_failed: ("lost writes", "whose write had failed"),
    invent_a_value: ("lost writes", "which nobody wrote"),
    give_a_value_another_revision: ("lost writes", "but "),
    apply_an_unknown_write_on_one_member: ("lost writes", ", but at the end: etcd cp-1 has"),
    read_an_older_store: ("revisions", "z = nothing ok, from revision "),
    read_an_older_value: ("revisions", "from revision "),
    give_two_writes_one_revision: ("revisions", "but "),
    write_behind_an_earlier_write: ("revisions", "from revision 1; from "),
    go_back_without_revisions: ("linearizability", "makes no sense: "),
    read_what_had_failed: ("linearizability", "makes no sense: "),
    read_nothing_without_revisions: ("linearizability", "makes no sense: "),
    read_a_later_value_without_revisions: ("linearizability", "makes no sense: "),
    lose_an_event: ("watches", "never heard of "),
    lose_an_event_at_a_bookmark: ("watches", "never heard of "),
    lose_an_event_of_an_unknown_write: ("watches", "never heard of "),
    lose_an_event_between_turns: ("watches", "never heard of "),
    lose_the_last_events: ("watches", "never heard of "),
    lose_an_event_in_a_list: ("watches", "began anew without "),
    repeat_an_event: ("watches", "twice: "),
    repeat_an_event_in_its_batch: ("watches", "twice: "),
    repeat_after_resuming: ("watches", "twice: "),
    hear_of_what_was_before: ("watches", f"revision {BEGINNING + 500} had passed"),
    swap_two_events: ("watches", "not in order: "),
    change_an_events_value: ("watches", "which nobody wrote"),
    swap_the_values_of_events: ("watches", "but "),
    hear_of_what_had_failed: ("watches", "whose write had failed"),
    remove_a_key: ("watches", "though nobody removes a key"),
    tear_a_batch: ("watches", "torn from its batch: "),
    send_an_event_after_its_bookmark: ("watches", "had passed before: "),
    let_a_member_diverge: ("hashes", "cp-1: 0x00000001 at revision"),
    let_a_member_diverge_while_one_is_silent: ("hashes", "cp-1: 0x00000001 at revision"),
    panic: ("logs", "cp-1 etcd: panic: assertion failed"),
}


@pytest.mark.parametrize(
    ("spoil", "check", "said"),
    [(spoil, *why) for spoil, why in BAD.items()],
    ids=lambda one: getattr(one, "__name__", ""),
)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=5)
def test_a_broken_promise_is_found_with_evidence(
    spoil: Spoiling, check: str, said: str, seed: int
) -> None:
    """Each known-bad history fails the check that is about it, and says where."""
    good = history(seed)
    records = list(good.records)
    spoil(records)
    found = judge(replace(good, records=tuple(records)), now=lambda: 0.0)
    failed = (one for one in found.findings if one.verdict is Verdict.FAIL)
    evidence = {one.check: one.evidence for one in failed}
    assert any(said in line for line in evidence.get(check, ()))
    assert all(evidence.values())
    assert found.verdict is Verdict.FAIL


def test_what_a_watch_missed_is_told_by_its_writer() -> None:
    """Whoever reads a value first, the line of evidence is that of its write."""
    good = history(1)
    records = list(good.records)
    event = inner_event(records)
    write = next(one for one in writes(records) if one.modified == event.modified)
    put(records, write, replace(write, action=Action.READ), write)
    records.remove(event)
    found = judge(replace(good, records=tuple(records)), now=lambda: 0.0)
    (lines,) = (one.evidence for one in found.findings if one.verdict is Verdict.FAIL)
    assert lines == (f"{WATCH} never heard of {told(write)}",)


def test_a_watch_that_does_not_stand_at_the_end_proves_nothing() -> None:
    """It owes nothing, since it may be opened again after the drill: so it is told of with why."""
    good = history(1)
    records = list(good.records)
    last = events(records)[-3]
    broken = WatchTurn(WATCH, last.at, Stream.FAILED, last.modified - 1, "reset")
    ended = [
        one
        for one in records
        if not isinstance(one, WatchEvent | WatchTurn) or one.client != WATCH or one.at < last.at
    ]
    found = judge(replace(good, records=(*ended, broken)), now=lambda: 0.0)
    (doubt,) = (one for one in found.findings if one.verdict is not Verdict.PASS)
    assert (doubt.check, doubt.verdict) == ("watches", Verdict.INCONCLUSIVE)
    assert doubt.what == f"etcd: down at the end: {WATCH}"
    assert doubt.evidence == (f"{last.at / SECOND:.3f} s: {WATCH} failed: reset",)


def written_twice(records: list[Record]) -> tuple[WatchEvent, WatchEvent]:
    """Two events of a watch on one key, one after the other."""
    mine = [one for one in records if getattr(one, "client", "") == WATCH]
    return next(
        (one, after)
        for one, after in pairwise(mine)
        if isinstance(one, WatchEvent) and isinstance(after, WatchEvent)
        if one.key == after.key and one.modified < after.modified
    )


def test_a_list_tells_the_newest_of_each_key_alone() -> None:
    """What was overwritten before a watch began anew is not asked for; that it did is told."""
    good = history(1)
    records = list(good.records)
    older, newer = written_twice(records)
    gone, *anew = begin_anew(newer)
    put(records, newer, newer, *anew)
    put(records, older, gone)
    found = judge(replace(good, records=tuple(records)), now=lambda: 0.0)
    assert found.verdict is Verdict.PASS, found.findings
    (said,) = (one.what for one in found.findings if one.what.startswith("etcd: 2 watches"))
    assert "watches began anew (410) 3 times" in said


def test_the_operation_that_makes_no_sense_is_told_of_first() -> None:
    """Not the first few of thousands, but the one that fits nowhere and those before it."""
    good = history(1)
    records = list(good.records)
    read_nothing_without_revisions(records)
    found = judge(replace(good, records=tuple(records)), now=lambda: 0.0)
    (lines,) = (one.evidence for one in found.findings if "no order" in one.what)
    wrong = records[-1]
    assert isinstance(wrong, Operation)
    assert lines[0] == f"makes no sense: {told(wrong)}"
    assert f"before: {told(last_of(records, wrong.key))}" in lines
