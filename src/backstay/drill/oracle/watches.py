"""What etcd promises of watches: ordered, unique, reliable, atomic, resumable, bookmarkable.

https://etcd.io/docs/v3.7/learning/api_guarantees/ names the properties; through the Kubernetes API
they hold for one type of object, atomicity trivially, since an update there is of one object.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from backstay.drill.history import SECOND, Change, Stream, WatchEvent, WatchTurn
from backstay.drill.oracle.stores import Store, Watch, first, told
from backstay.drill.oracle.values import Values
from backstay.drill.oracle.verdict import Finding, Verdict
from backstay.drill.report.wording import plural

CHECK = "watches"

LATEST_SECONDS = 2.0
"""A watch that stands must have delivered whatever was acknowledged so long before its end."""


def check(store: Store, values: Values, *, end: int | None) -> Finding:
    """Judge every watch of a store; `end` is when the clients were stopped."""
    if evidence := first(_evidence(store, values, end), most=20):
        return Finding(CHECK, Verdict.FAIL, f"{store.name}: a watch broke its promise", evidence)
    turns = {client: _turns(watch) for client, watch in store.watches.items()}
    if down := [client for client, found in turns.items() if not _stands(found)]:
        never = [client for client in down if not any(map(_opens, turns[client]))]
        said = (
            f"never opened: {', '.join(never)}" if never else f"down at the end: {', '.join(down)}"
        )
        evidence = tuple(_last(client, turns[client]) for client in down)
        return Finding(CHECK, Verdict.INCONCLUSIVE, f"{store.name}: {said}", evidence)
    what = f"{len(store.watches)} watches, {len(store.events)} events, all in order, none missing"
    return Finding(CHECK, Verdict.PASS, f"{store.name}: {what}{_anew(turns)}")


def _turns(watch: Watch) -> Sequence[WatchTurn]:
    return [one for one in watch if isinstance(one, WatchTurn)]


def _opens(one: WatchTurn) -> bool:
    return one.turn is Stream.OPENED


def _stands(turns: Sequence[WatchTurn]) -> bool:
    """Return whether a watch stood when the clients stopped: else nothing is asked of it."""
    return bool(turns) and _opens(turns[-1])


def _last(client: str, turns: Sequence[WatchTurn]) -> str:
    """Tell of a watch that is down how it came to be."""
    if not turns:
        return f"{client}: nothing was heard of it"
    return f"{turns[-1].at / SECOND:.3f} s: {client} {turns[-1].turn}: {turns[-1].error}".rstrip(
        " :"
    )


def _anew(turns: Mapping[str, Sequence[WatchTurn]]) -> str:
    """Say how often a watch had to begin anew: it is asked for less of what it then missed."""
    count = sum(one.turn is Stream.COMPACTED for found in turns.values() for one in found)
    return f"; watches began anew (410) {plural(count, 'time')}" if count else ""


def _evidence(store: Store, values: Values, end: int | None) -> Iterator[str]:
    revisions = sorted(values.at)
    due = _due(store, end)
    for client, watch in store.watches.items():
        yield from _order(watch)
        yield from _passed(watch)
        yield from _truth(watch, values)
        heard = {one.modified for one in _changes(watch)}
        for low, high in _covered(watch, due):
            part = slice(bisect_right(revisions, low), bisect_right(revisions, high))
            missing = (one for one in revisions[part] if one not in heard)
            yield from (f"{client} never heard of {told(values.at[one])}" for one in missing)
        for low, high in _listed(watch):
            part = slice(bisect_right(revisions, low), bisect_right(revisions, high))
            newest = {values.at[one].key: one for one in revisions[part]}
            missing = (one for one in newest.values() if one not in heard)
            yield from (f"{client} began anew without {told(values.at[one])}" for one in missing)


def _changes(watch: Watch) -> Iterator[WatchEvent]:
    """Yield what happened to keys; a bookmark, even at that revision, says nothing of it."""
    for one in watch:
        if isinstance(one, WatchEvent) and one.change is not Change.BOOKMARK:
            yield one


def _due(store: Store, end: int | None) -> int:
    """Return the revision that whoever watches until the end must have reached."""
    limit = -1 if end is None else end - LATEST_SECONDS * SECOND
    answered = (one for one in store.acknowledged if one.returned < limit)
    return max((one.modified for one in answered if one.modified is not None), default=-1)


def _order(watch: Watch) -> Iterator[str]:
    """Yield what came out of order, twice, or torn from the rest of its revision."""
    last: WatchEvent | None = None
    keys: set[str] = set()
    for one in _changes(watch):
        if last is None or one.modified > last.modified:
            keys = set()
        elif one.modified < last.modified:
            yield f"not in order: {told(one)}, after {told(last)}"
        elif one.key in keys:
            yield f"twice: {told(one)}"
        elif one.batch != last.batch:
            yield f"torn from its batch: {told(one)}, after {told(last)}"
        keys.add(one.key)
        last = one


def _passed(watch: Watch) -> Iterator[str]:
    """Yield events no later than what a watch was opened after, or a bookmark said was reached."""
    passed = -1
    for one in watch:
        if isinstance(one, WatchTurn):
            if one.turn is Stream.OPENED and one.revision is not None:
                passed = max(passed, one.revision)
        elif one.change is Change.BOOKMARK:
            passed = max(passed, one.modified)
        elif one.modified <= passed:
            yield f"revision {passed} had passed before: {told(one)}"


def _truth(watch: Watch, values: Values) -> Iterator[str]:
    """Yield events that say something else than what was written at their revision."""
    for one in _changes(watch):
        if one.change is Change.DELETE:
            yield f"{told(one)}, though nobody removes a key"
        yield from values.against(one)


def _listed(watch: Watch) -> Iterator[tuple[int, int]]:
    """Yield the ranges of revisions (the first exclusive) of which a list told the newest."""
    low: int | None = None
    for one in watch:
        if isinstance(one, WatchTurn):
            if one.turn is Stream.COMPACTED:
                low = one.revision if low is None else low
            elif one.turn is Stream.LISTED and low is not None and one.revision is not None:
                yield low, one.revision
                low = None


def _covered(watch: Watch, due: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of revisions (the first exclusive) that a watch must have delivered.

    A turn resumes where the last one ended, unless that was compacted: then a new range begins, and
    of what is between the two a list told the newest alone.
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
    if low is not None:
        yield low, max(high, due) if stands else high
