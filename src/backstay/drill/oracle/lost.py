"""What was acknowledged must be there at the end, everywhere, and nothing that was refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from backstay.drill.history import FinalRead, Operation, Outcome
from backstay.drill.oracle.stores import Store, first, told
from backstay.drill.oracle.values import Values
from backstay.drill.oracle.verdict import Finding, Verdict
from backstay.drill.typed import LARGEST

CHECK = "lost writes"


def check(store: Store, values: Values) -> Finding:
    """Compare the final reads of every source with all writes, and with one another."""
    newest = _newest(store)
    if evidence := first(_evidence(store, values, newest), most=20):
        what = f"{store.name}: what is there at the end is not what was acknowledged"
        return Finding(CHECK, Verdict.FAIL, what, evidence, max(1, _count(store)))
    if not store.finals:
        what = f"{store.name}: nothing was read at the end"
        return Finding(CHECK, Verdict.INCONCLUSIVE, what)
    if unread := first(_unread(store, newest)):
        what = f"{store.name}: not everything was read at the end"
        return Finding(CHECK, Verdict.INCONCLUSIVE, what, unread)
    sources = len({one.source for one in store.finals})
    count = sum(one.outcome is Outcome.OK for one in store.writes)
    if not count:
        what = f"{store.name}: no write was acknowledged: there was nothing to lose"
        return Finding(CHECK, Verdict.INCONCLUSIVE, what)
    what = f"{store.name}: none of {count} acknowledged writes is lost, by {sources} sources"
    return Finding(CHECK, Verdict.PASS, what)


def _count(store: Store) -> int:
    """Return how many acknowledged writes are newer than what some source has of their key."""
    least: dict[str, int] = {}
    for one in store.finals:
        has = -1 if one.value is None else one.modified
        if has is not None:
            least[one.key] = min(has, least.get(one.key, has))
    acknowledged = (one for one in store.writes if one.outcome is Outcome.OK)
    return sum((one.modified or 0) > least.get(one.key, LARGEST) for one in acknowledged)


def _newest(store: Store) -> Mapping[str, Operation]:
    """Return the acknowledged write of each key that has the largest revision."""
    acknowledged = (one for one in store.writes if one.outcome is Outcome.OK)
    return {one.key: one for one in sorted(acknowledged, key=lambda one: one.modified or 0)}


def _evidence(store: Store, values: Values, newest: Mapping[str, Operation]) -> Iterator[str]:
    agreed: dict[str, FinalRead] = {}
    for one in store.finals:
        yield from values.against(one)
        write = newest.get(one.key)
        if write is not None and _is_older(one, write):
            yield f"{told(one)}; lost: {told(write)}"
        other = agreed.setdefault(one.key, one)
        if (other.value, other.modified) != (one.value, one.modified):
            yield f"{told(one)}, but {told(other)}"


def _is_older(one: FinalRead, write: Operation) -> bool:
    """Return whether a key has less at the end than what was acknowledged."""
    if one.value is None:
        return True
    return one.modified is not None and one.modified < (write.modified or 0)


def _unread(store: Store, newest: Mapping[str, Operation]) -> Iterator[str]:
    """Yield what nobody can say of a source that must say it."""
    read = {(one.source, one.key) for one in store.finals}
    for source in sorted({*store.sources, *(one.source for one in store.finals)}):
        unread = [key for key in sorted(newest) if (source, key) not in read]
        if unread:
            yield f"{source} did not say what it has for {len(unread)} keys, such as {unread[0]}"
