"""What was acknowledged must be there at the end, everywhere, and nothing that was refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from backstay.drill.history import FinalRead, Operation, Outcome
from backstay.drill.oracle.stores import Store, first, told
from backstay.drill.oracle.verdict import Finding, Verdict

CHECK = "lost writes"


def check(store: Store) -> Finding:
    """Compare the final reads of every source with all writes, and with one another."""
    if not store.finals:
        what = f"{store.name}: nothing was read at the end"
        return Finding(CHECK, Verdict.INCONCLUSIVE, what)
    evidence = first(_evidence(store), most=20)
    if evidence:
        what = f"{store.name}: what is there at the end is not what was acknowledged"
        return Finding(CHECK, Verdict.FAIL, what, evidence)
    sources = len({one.source for one in store.finals})
    count = sum(one.outcome is Outcome.OK for one in store.writes)
    what = f"{store.name}: none of {count} acknowledged writes is lost, by {sources} sources"
    return Finding(CHECK, Verdict.PASS, what)


def _evidence(store: Store) -> Iterator[str]:
    newest: dict[str, Operation] = {}
    values: dict[str, dict[str | None, Operation]] = defaultdict(dict)
    for one in store.writes:
        values[one.key][one.value] = one
        if one.outcome is Outcome.OK and one.modified is not None:
            known = newest.get(one.key)
            if known is None or (known.modified or 0) < one.modified:
                newest[one.key] = one
    agreed: dict[str, FinalRead] = {}
    for final in store.finals:
        yield from _of_source(final, newest.get(final.key), values[final.key])
        other = agreed.setdefault(final.key, final)
        if (other.value, other.modified) != (final.value, final.modified):
            yield f"{_said(final)}, but {_said(other)}"


def _of_source(
    final: FinalRead, newest: Operation | None, values: dict[str | None, Operation]
) -> Iterator[str]:
    written = values.get(final.value)
    if final.value is not None and written is None:
        yield f"{_said(final)}, which nobody wrote"
    elif written is not None and written.outcome is Outcome.FAIL:
        yield f"{_said(final)}, whose write had failed: {told(written)}"
    if newest is None:
        return
    if final.value is None:
        yield f"{_said(final)}; lost: {told(newest)}"
    elif final.modified is not None and final.modified < (newest.modified or 0):
        yield f"{_said(final)} at revision {final.modified}; lost: {told(newest)}"


def _said(final: FinalRead) -> str:
    return f"{final.source} has {final.value or 'nothing'} for {final.key}"
