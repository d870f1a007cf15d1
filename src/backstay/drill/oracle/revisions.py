"""Revisions only grow: nobody reads an older store than somebody was told of before.

etcd orders all its writes, and since Kubernetes 1.35 resource versions of one type of object are
officially ordered too (KEP-5504); so that stale reads are found without any search.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from backstay.drill.history import Action, Operation
from backstay.drill.oracle.stores import Store, first, told
from backstay.drill.oracle.verdict import Finding, Verdict

CHECK = "revisions"


def check(store: Store) -> Finding:
    """Judge all acknowledged operations of a store."""
    evidence = first(_evidence(store))
    if evidence:
        what = f"{store.name}: somebody was answered from an older store than others before"
        return Finding(CHECK, Verdict.FAIL, what, evidence)
    count = len(store.acknowledged)
    return Finding(CHECK, Verdict.PASS, f"{store.name}: revisions of {count} answers only grow")


def _evidence(store: Store) -> Iterator[str]:
    yield from _shared(store)
    yield from _stale(
        ((one, one.revision) for one in store.acknowledged if one.revision is not None), "store"
    )
    by_key: dict[str, list[Operation]] = defaultdict(list)
    for one in store.acknowledged:
        if one.modified is not None:
            by_key[one.key].append(one)
    for key, operations in sorted(by_key.items()):
        pairs = ((one, one.modified) for one in operations if one.modified is not None)
        yield from _stale(pairs, f"key {key}")


def _shared(store: Store) -> Iterator[str]:
    """Yield pairs of acknowledged writes that have one revision."""
    seen: dict[int, Operation] = {}
    for one in store.acknowledged:
        if one.action is Action.WRITE and one.modified is not None:
            other = seen.setdefault(one.modified, one)
            if other is not one:
                yield f"{told(other)}; and so has {told(one)}"


def _stale(pairs: Iterable[tuple[Operation, int]], of: str) -> Iterator[str]:
    """Yield answers older than one that had returned before they were called."""
    known = list(pairs)
    moments = sorted(
        (
            *((one.returned, 0, number) for number, (one, _) in enumerate(known)),
            *((one.called, 1, number) for number, (one, _) in enumerate(known)),
        )
    )
    newest: tuple[int, int] | None = None
    floors: dict[int, tuple[int, int]] = {}
    for _, kind, number in moments:
        one, revision = known[number]
        if kind and newest is not None:
            floors[number] = newest
        elif not kind:
            if number in floors and floors[number][0] > revision:
                older = told(known[floors[number][1]][0])
                yield f"{of}: {told(one)}, after {older}"
            newest = max(newest or (revision, number), (revision, number))
