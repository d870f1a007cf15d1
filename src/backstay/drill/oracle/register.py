"""Whether an order exists in which a register's operations make sense: Wing, Gong and Lowe.

Each operation must take effect at one moment between its call and its return. The search tries
operations in the order of their calls, remembers which sets of them led to which state (Lowe,
"Testing for linearizability", 2017), and takes back the last choice when an operation returns that
has not taken effect.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

State = TypeVar("State", bound=Hashable)
Doing = TypeVar("Doing")

STEPS_BETWEEN_LOOKS = 4096
"""At the clock: a look costs as much as a few steps."""


class UndecidedError(Exception):
    """The time ran out before the search ended: nothing is proven either way."""


@dataclass(frozen=True, slots=True)
class Span(Generic[Doing]):
    """What was done between two moments; without a return it may happen later, or never."""

    called: int
    returned: int | None
    doing: Doing


Step = Callable[[State, Doing], tuple[bool, State]]
"""Says whether something can be done in a state, and which state it leaves."""


def is_linearizable(
    spans: Sequence[Span[Doing]],
    step: Step[State, Doing],
    state: State,
    *,
    expired: Callable[[], bool] = lambda: False,
) -> bool:
    """Return whether the spans can be put in order; raises UndecidedError."""
    search = _Chain(spans)
    bits = [1 << number for number in range(len(spans))]
    remaining = sum(one.returned is not None for one in spans)
    done, seen, steps = 0, set(), 0
    choices: list[tuple[int, State]] = []
    entry = search.first
    while remaining:
        steps += 1
        if steps % STEPS_BETWEEN_LOOKS == 0 and expired():
            raise UndecidedError
        if search.is_call(entry):
            number = search.span_of[entry]
            fits, after = step(state, spans[number].doing)
            if fits and (memory := (done | bits[number], after)) not in seen:
                seen.add(memory)
                choices.append((entry, state))
                state, done = after, done | bits[number]
                remaining -= spans[number].returned is not None
                search.lift(entry)
                entry = search.first
            else:
                entry = search.following[entry]
        else:
            if not choices:
                return False
            entry, state = choices.pop()
            number = search.span_of[entry]
            done &= ~bits[number]
            remaining += spans[number].returned is not None
            search.put_back(entry)
            entry = search.following[entry]
    return True


class _Chain:
    """Calls and returns in the order of time, as a list from which pairs are lifted and put back.

    Entry 0 stands before all others, the last after all: a return of nothing, never passed.
    """

    def __init__(self, spans: Sequence[Span[Doing]]) -> None:
        moments = sorted(
            (
                *((one.called, 0, number) for number, one in enumerate(spans)),
                *(
                    (one.returned, 1, number)
                    for number, one in enumerate(spans)
                    if one.returned is not None
                ),
            )
        )
        size = len(moments) + 2
        self.span_of = [-1, *(number for _, _, number in moments), -1]
        self.calls = [False, *(kind == 0 for _, kind, _ in moments), False]
        self.following = list(range(1, size + 1))
        self.before = list(range(-1, size - 1))
        self.return_of: dict[int, int] = {}
        ends = {number: place for place, (_, kind, number) in enumerate(moments, 1) if kind}
        for place, (_, kind, number) in enumerate(moments, 1):
            if kind == 0 and number in ends:
                self.return_of[place] = ends[number]

    @property
    def first(self) -> int:
        """The first entry that is still in the list."""
        return self.following[0]

    def is_call(self, entry: int) -> bool:
        """Return whether an entry is a call."""
        return self.calls[entry]

    def lift(self, entry: int) -> None:
        """Take a call out, and its return."""
        self._out(entry)
        if (end := self.return_of.get(entry)) is not None:
            self._out(end)

    def put_back(self, entry: int) -> None:
        """Undo the last lift."""
        if (end := self.return_of.get(entry)) is not None:
            self._back(end)
        self._back(entry)

    def _out(self, entry: int) -> None:
        before, following = self.before[entry], self.following[entry]
        self.following[before], self.before[following] = following, before

    def _back(self, entry: int) -> None:
        before, following = self.before[entry], self.following[entry]
        self.following[before], self.before[following] = entry, entry
