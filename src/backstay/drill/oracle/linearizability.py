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


FIRST_STEPS = 49_152
"""That every key may take at first; twice as many in each round that follows."""

MOST_STEPS = 13_000_000
"""That all keys together may take: hardly more than ten seconds, and 300 MB.

So that a history has the same verdict on every computer; time is the last resort of a slow one.
"""

Place = tuple[str, str]
"""A store and a key of it."""

Spans = Sequence[Span[Operation]]


def check(found: Sequence[Store], *, expired: Callable[[], bool]) -> Mapping[str, Finding]:
    """Judge every key of every store, by store; a broken promise weighs more than any doubt."""
    registers = {
        (store.name, key): spans for store in found for key, spans in _registers(store).items()
    }
    broken, undecided = _searched(registers, expired)
    findings = {}
    for store in found:
        mine = {key: spans for (name, key), spans in registers.items() if name == store.name}
        if store.name in broken:
            findings[store.name] = broken[store.name]
        elif open_keys := [key for name, key in undecided if name == store.name]:
            findings[store.name] = _undecided(store.name, {key: mine[key] for key in open_keys})
        else:
            findings[store.name] = _passed(store, len(mine))
    return findings


def _searched(
    registers: Mapping[Place, Spans], expired: Callable[[], bool]
) -> tuple[Mapping[str, Finding], Sequence[Place]]:
    """Return what is broken by store, and the keys that could not be decided.

    The search goes in rounds: what is soon found is found, whatever other keys there are.
    """
    broken: dict[str, Finding] = {}
    left, steps, spent = list(registers), FIRST_STEPS, 0
    while left:
        undecided = []
        for store, key in left:
            if store in broken:
                continue
            spans = registers[store, key]
            try:
                number = misfit(spans, step, None, most=steps, expired=expired)
            except UndecidedError:
                undecided.append((store, key))
                continue
            if number is not None:
                broken[store] = _broken(store, key, [one.doing for one in spans], number)
        left, spent, steps = undecided, spent + steps * len(undecided), 2 * steps
        if expired() or spent + steps * len(left) > MOST_STEPS:
            break
    return broken, left


def _undecided(store: str, registers: Mapping[str, Spans]) -> Finding:
    evidence = tuple(f"{key}: {len(spans)} operations" for key, spans in registers.items())
    key, spans = next(iter(registers.items()))
    what = f"{store}: {key} with {len(spans)} operations could not be decided in time"
    return Finding(CHECK, Verdict.INCONCLUSIVE, what, evidence)


def _passed(store: Store, registers: int) -> Finding:
    what = f"{registers} registers, {len(store.operations)} operations"
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


def _broken(store: str, key: str, operations: Sequence[Operation], number: int) -> Finding:
    """Tell of the operation that makes no sense, and of the last called before its return."""
    wrong = operations[number]
    ordered = sorted(operations, key=lambda one: one.called)
    last = bisect_right(ordered, wrong.returned, key=lambda one: one.called)
    before = (one for one in ordered[max(0, last - BEFORE) : last] if one is not wrong)
    lines = (f"makes no sense: {told(wrong)}", *(f"before: {told(one)}" for one in before))
    what = f"{store}: no order of the operations on {key} makes sense"
    return Finding(CHECK, Verdict.FAIL, what, lines)
