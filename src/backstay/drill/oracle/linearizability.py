"""Every key by itself is a register that behaves as if there were only one of it."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from backstay.drill.history import Action, Operation, Outcome
from backstay.drill.oracle.register import Span, UndecidedError, misfit
from backstay.drill.oracle.stores import Store, told
from backstay.drill.oracle.verdict import Finding, Verdict

CHECK = "linearizability"

BEFORE = 12
"""How many operations are told of before the one that makes no sense."""


def check(store: Store, *, expired: Callable[[], bool]) -> Finding:
    """Judge every key of a store; one that breaks its promise weighs more than any undecided."""
    registers = _registers(store)
    undecided = []
    for key, spans in registers.items():
        try:
            number = misfit(spans, step, None, expired=expired)
        except UndecidedError:
            undecided.append(key)
            continue
        if number is not None:
            return _broken(store, key, [one.doing for one in spans], number)
    if undecided:
        key = undecided[0]
        what = f"{key} with {len(registers[key])} operations could not be decided in time"
        evidence = tuple(f"{key}: {len(registers[key])} operations" for key in undecided)
        return Finding(CHECK, Verdict.INCONCLUSIVE, f"{store.name}: {what}", evidence)
    what = f"{len(registers)} registers, {len(store.operations)} operations"
    return Finding(CHECK, Verdict.PASS, f"{store.name}: {what} have an order that makes sense")


def step(state: str | None, one: Operation) -> tuple[bool, str | None]:
    """Return whether this can happen to a register in that state, and its state afterwards."""
    if one.action is Action.WRITE:
        return True, one.value
    return state == one.value, state


def _registers(store: Store) -> Mapping[str, Sequence[Span[Operation]]]:
    """Return what must be put in order for each key.

    A write of which nobody knows whether it happened is there only if its value was seen. If it
    was, it had happened by then. If it was not, it can be left out: in whatever order, another
    write followed before anybody looked, so that the same order without it is as good.
    """
    answered = (*store.acknowledged, *_finals(store))
    seen: dict[tuple[str, str | None], int] = {}
    for key, value, moment in (
        *((one.key, one.value, one.returned) for one in answered if one.action is Action.READ),
        *((one.key, one.value, one.at) for one in store.events),
    ):
        seen[key, value] = min(moment, seen.get((key, value), moment))
    spans: dict[str, list[Span[Operation]]] = defaultdict(list)
    for one in answered:
        spans[one.key].append(Span(one.called, max(one.called, one.returned), one))
    for one in store.writes:
        if one.outcome is Outcome.UNKNOWN and (one.key, one.value) in seen:
            happened = max(one.called, seen[one.key, one.value])
            spans[one.key].append(Span(one.called, happened, one))
    return dict(sorted(spans.items()))


def _finals(store: Store) -> Iterator[Operation]:
    """Yield the reads at the end as such: after everything else."""
    returned = (one.returned for one in store.operations)
    end = 1 + max((*returned, *(one.at for one in store.events)), default=0)
    read, ok = Action.READ, Outcome.OK
    for one in store.finals:
        at = one.modified
        yield Operation(one.source, read, one.key, end, end + 1, ok, one.value, modified=at)


def _broken(store: Store, key: str, operations: Sequence[Operation], number: int) -> Finding:
    """Tell of the operation that makes no sense, and of the last called before its return."""
    wrong = operations[number]
    ordered = sorted(operations, key=lambda one: one.called)
    last = bisect_right(ordered, wrong.returned, key=lambda one: one.called)
    before = (one for one in ordered[max(0, last - BEFORE) : last] if one is not wrong)
    lines = (f"makes no sense: {told(wrong)}", *(f"before: {told(one)}" for one in before))
    what = f"{store.name}: no order of the operations on {key} makes sense"
    return Finding(CHECK, Verdict.FAIL, what, lines)
