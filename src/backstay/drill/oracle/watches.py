"""What etcd promises of watches: ordered, unique, reliable, atomic, resumable, bookmarkable.

https://etcd.io/docs/v3.7/learning/api_guarantees/ names the properties; through the Kubernetes API
they hold for one type of object, atomicity trivially, since an update there is of one object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from backstay.drill.history import (
    SECOND,
    Change,
    Operation,
    Outcome,
    Stream,
    WatchEvent,
    WatchTurn,
)
from backstay.drill.oracle.stores import Store, first, told
from backstay.drill.oracle.verdict import Finding, Verdict

CHECK = "watches"

LATEST_SECONDS = 2.0
"""A watch that stands must have delivered whatever was acknowledged so long before its end."""

Watch = Sequence[WatchEvent | WatchTurn]


def check(store: Store, *, end: int | None) -> Finding:
    """Judge every watch of a store; `end` is when the clients were stopped."""
    evidence = first(_evidence(store, end), most=20)
    if evidence:
        return Finding(CHECK, Verdict.FAIL, f"{store.name}: a watch broke its promise", evidence)
    count = sum(isinstance(one, WatchEvent) for watch in store.watches.values() for one in watch)
    what = f"{store.name}: {len(store.watches)} watches, {count} events, all in order, none missing"
    return Finding(CHECK, Verdict.PASS, what)


def _evidence(store: Store, end: int | None) -> Iterator[str]:
    written = {
        one.modified: one
        for one in store.writes
        if one.outcome is Outcome.OK and one.modified is not None
    }
    for client, watch in sorted(store.watches.items()):
        yield from (f"{client}: {line}" for line in _order(watch))
        yield from (f"{client}: {line}" for line in _truth(watch, written))
        yield from (f"{client}: {line}" for line in _gaps(watch, written, end))


def _order(watch: Watch) -> Iterator[str]:
    """Yield what came out of order, twice, torn apart, or before a bookmark said it would not."""
    newest, batch = -1, -1
    bookmark = -1
    for one in watch:
        if isinstance(one, WatchTurn):
            batch = -1
            if one.turn is Stream.COMPACTED:
                newest = bookmark = -1
        elif one.change is Change.BOOKMARK:
            bookmark = max(bookmark, one.modified)
        else:
            if one.modified <= bookmark:
                yield f"{_said(one)} after a bookmark at {bookmark}"
            if one.modified < newest:
                yield f"{_said(one)} after {newest}: not in order"
            elif one.modified == newest and one.batch != batch:
                yield f"{_said(one)} again, or torn from its batch"
            newest, batch = max(newest, one.modified), one.batch


def _truth(watch: Watch, written: Mapping[int, Operation]) -> Iterator[str]:
    """Yield events that say something else than what was written at their revision."""
    for one in watch:
        if not isinstance(one, WatchEvent) or one.change is Change.BOOKMARK:
            continue
        write = written.get(one.modified)
        if write is not None and (write.key, write.value) != (one.key, one.value):
            yield f"{_said(one)}, but {told(write)}"


def _gaps(watch: Watch, written: Mapping[int, Operation], end: int | None) -> Iterator[str]:
    """Yield acknowledged writes that a watch never delivered although it went on past them."""
    seen = {one.modified for one in watch if isinstance(one, WatchEvent)}
    for low, high in _covered(watch, written, end):
        for revision in sorted(written):
            if low < revision <= high and revision not in seen:
                yield f"never heard of {told(written[revision])}"


def _covered(
    watch: Watch, written: Mapping[int, Operation], end: int | None
) -> Iterator[tuple[int, int]]:
    """Yield the ranges of revisions (the first exclusive) that a watch must have delivered.

    A turn resumes where the last one ended, unless that was compacted: then a new range begins.
    """
    low: int | None = None
    high = -1
    stands = False
    for one in watch:
        if isinstance(one, WatchEvent):
            high = max(high, one.modified)
        elif one.turn is Stream.OPENED:
            low = one.revision if low is None else low
            stands = True
        else:
            stands = False
            if one.turn is Stream.COMPACTED and low is not None:
                yield low, high
                low, high = None, -1
    if low is None:
        return
    if stands and end is not None:
        limit = end - LATEST_SECONDS * SECOND
        due = (revision for revision, one in written.items() if one.returned < limit)
        high = max(high, max(due, default=-1))
    yield low, high


def _said(one: WatchEvent) -> str:
    return f"{one.at / SECOND:.3f} s: {one.change} {one.key} = {one.value} at {one.modified}"
