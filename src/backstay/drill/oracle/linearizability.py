"""Every key by itself is a register that behaves as if there were only one of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from backstay.drill.history import Action, FinalRead, Operation, Outcome, WatchEvent
from backstay.drill.oracle.register import Span, UndecidedError, is_linearizable
from backstay.drill.oracle.stores import Store, first, told
from backstay.drill.oracle.verdict import Finding, Verdict

CHECK = "linearizability"


@dataclass(frozen=True, slots=True)
class Access:
    """A read or a write of a register, with what was read or written."""

    writes: bool
    value: str | None


def step(state: str | None, access: Access) -> tuple[bool, str | None]:
    """Return whether a register in that state can be accessed so, and its state afterwards."""
    if access.writes:
        return True, access.value
    return state == access.value, state


def check(store: Store, *, expired: Callable[[], bool]) -> Finding:
    """Judge every key of a store."""
    by_key: dict[str, list[Operation]] = defaultdict(list)
    for one in store.operations:
        by_key[one.key].append(one)
    observed = _observed(store)
    for key, operations in sorted(by_key.items()):
        spans = tuple(_spans(operations, observed, _last(store.finals, key)))
        try:
            if not is_linearizable(spans, step, None, expired=expired):
                return _broken(store, key, operations)
        except UndecidedError:
            what = f"{store.name}: {key} with {len(spans)} operations could not be decided in time"
            return Finding(CHECK, Verdict.INCONCLUSIVE, what)
    what = f"{store.name}: {len(by_key)} registers, {len(store.operations)} operations"
    return Finding(CHECK, Verdict.PASS, f"{what} have an order that makes sense")


def _observed(store: Store) -> frozenset[str | None]:
    """Return every value that anybody saw."""
    reads = (one.value for one in store.acknowledged if one.action is Action.READ)
    events = (
        one.value
        for watch in store.watches.values()
        for one in watch
        if isinstance(one, WatchEvent)
    )
    return frozenset((*reads, *events, *(one.value for one in store.finals)))


def _last(finals: Sequence[FinalRead], key: str) -> tuple[FinalRead, ...]:
    return tuple(one for one in finals if one.key == key)


def _spans(
    operations: Sequence[Operation],
    observed: frozenset[str | None],
    finals: Sequence[FinalRead],
) -> Iterator[Span[Access]]:
    """Yield what must be put in order.

    An unknown write that nobody ever saw can be left out: where it took effect, the next write
    followed before anybody looked, so that the same order without it is as good.
    """
    for one in operations:
        access = Access(one.action is Action.WRITE, one.value)
        if one.outcome is Outcome.OK:
            yield Span(one.called, one.returned, access)
        elif one.outcome is Outcome.UNKNOWN and access.writes and one.value in observed:
            yield Span(one.called, None, access)
    end = max((one.returned for one in operations), default=0) + 1
    for number, final in enumerate(finals):
        yield Span(end + 2 * number, end + 2 * number + 1, Access(writes=False, value=final.value))


def _broken(store: Store, key: str, operations: Sequence[Operation]) -> Finding:
    ordered = sorted(operations, key=lambda one: one.called)
    what = f"{store.name}: no order of the operations on {key} makes sense"
    return Finding(CHECK, Verdict.FAIL, what, first((told(one) for one in ordered), most=40))
