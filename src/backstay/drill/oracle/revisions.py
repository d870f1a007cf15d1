"""Revisions only grow: nobody reads an older store than somebody was told of before.

etcd orders all its writes, and since Kubernetes 1.35 resource versions of one type of object are
officially ordered too (KEP-5504); so that stale reads are found without any search.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from backstay.drill.history import Action, Operation
from backstay.drill.oracle.stores import Store, first, told
from backstay.drill.oracle.values import Values
from backstay.drill.oracle.verdict import Finding, Verdict

CHECK = "revisions"

Answer = tuple[Operation, int]
"""What was answered, from which revision of the store or of the key."""


def check(store: Store, values: Values) -> Finding:
    """Judge all acknowledged operations of a store."""
    evidence = first(_evidence(store, values))
    if evidence:
        what = f"{store.name}: somebody was answered from another or an older store than others"
        return Finding(CHECK, Verdict.FAIL, what, evidence)
    count = len(store.acknowledged)
    return Finding(CHECK, Verdict.PASS, f"{store.name}: revisions of {count} answers only grow")


def _evidence(store: Store, values: Values) -> Iterator[str]:
    for one in store.acknowledged:
        yield from values.against(one)
    whole: list[Answer] = []
    by_key: dict[str, list[Answer]] = defaultdict(list)
    for one in store.acknowledged:
        if (revision := _revision(one)) is not None:
            whole.append((one, revision))
        if one.modified is not None:
            by_key[one.key].append((one, one.modified))
    yield from _stale(whole)
    for _, answers in sorted(by_key.items()):
        yield from _stale(answers)


def _revision(one: Operation) -> int | None:
    """Return the store's revision at an answer; a write made the one that its key then has."""
    if one.revision is None and one.action is Action.WRITE:
        return one.modified
    return one.revision


def _stale(answers: Sequence[Answer]) -> Iterator[str]:
    """Yield answers older than one that had returned before they were called."""
    moments = sorted(
        moment
        for number, (one, _) in enumerate(answers)
        for moment in ((one.returned, 0, number), (one.called, 1, number))
    )
    newest: Answer | None = None
    floors: dict[int, Answer] = {}
    for _, calls, number in moments:
        one, revision = answers[number]
        if calls and newest is not None:
            floors[number] = newest
        elif not calls:
            if number in floors and floors[number][1] > revision:
                older, floor = floors[number]
                yield f"{told(one)}, from revision {revision}; from {floor} before: {told(older)}"
            if newest is None or newest[1] < revision:
                newest = one, revision
