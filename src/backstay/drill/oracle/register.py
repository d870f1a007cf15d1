"""Whether an order exists in which a register's operations make sense: Wing, Gong and Lowe.

Each operation must take effect at one moment between its call and its return. The search tries
operations in the order of their calls, remembers which sets of them led to which state (Lowe,
"Testing for linearizability", 2017), and takes back the last choice when an operation returns that
has not taken effect.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import count
from math import inf
from typing import Generic, TypeVar

State = TypeVar("State", bound=Hashable)
Doing = TypeVar("Doing")

STEPS_BETWEEN_LOOKS = 4096
"""At the clock: a look costs as much as a few steps."""


class UndecidedError(Exception):
    """Steps or time ran out before the search ended: nothing is proven either way."""


@dataclass(frozen=True, slots=True)
class Span(Generic[Doing]):
    """What was done between two moments; without a return it may happen later, or never.

    A span does not return before it is called.
    """

    called: int
    returned: int | None
    doing: Doing


Step = Callable[[State, Doing], tuple[bool, State]]
"""Says whether something can be done in a state, and which state it leaves."""


def misfit(
    spans: Sequence[Span[Doing]],
    step: Step[State, Doing],
    state: State,
    *,
    most: float = inf,
    expired: Callable[[], bool] = lambda: False,
) -> int | None:
    """Return the number of the first span by whose return no order makes sense, None if one does.

    What had returned before it can be put in order, that and the span together cannot. Raises
    UndecidedError after about the `most` steps that it may take.
    """
    search = _Chain(spans)
    remaining = sum(one.returned is not None for one in spans)
    done, steps, furthest = 0, 0, 0
    seen: set[tuple[int, int, State]] = set()
    choices: list[tuple[int, State]] = []
    entry = search.first
    while remaining:
        steps += 1
        if steps % STEPS_BETWEEN_LOOKS == 0 and (steps >= most or expired()):
            raise UndecidedError
        if search.calls[entry]:
            number = search.span_of[entry]
            fits, after = step(state, spans[number].doing)
            left = remaining - (spans[number].returned is not None)
            if fits and (memory := (left, done ^ search.slots[number], after)) not in seen:
                seen.add(memory)
                choices.append((entry, state))
                remaining, done, state = memory
                search.lift(entry)
                entry = search.first
            else:
                entry = search.following[entry]
        else:
            furthest = max(furthest, entry)
            if not choices:
                return search.span_of[furthest]
            entry, state = choices.pop()
            number = search.span_of[entry]
            done ^= search.slots[number]
            remaining += spans[number].returned is not None
            search.put_back(entry)
            entry = search.following[entry]
    return None


class _Chain:
    """Calls and returns in the order of time, as a list from which pairs are lifted and put back.

    Entry 0 stands before all others.

    `slots` has one bit for each span. Spans that follow one another share a bit, so that what was
    done fits in as many bits as spans ever overlap, each telling whether the number of spans done
    in its slot is odd. With the number of returns among them that names the set: every slot is
    done up to some span, of which one at most has not returned by the first return still in the
    list. So of two sets the one that came further is behind by no more than one span in any slot,
    by none if the bits are the same, and ahead nowhere if as many returned.
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
        self.span_of = [-1, *(number for _, _, number in moments)]
        self.calls = [False, *(kind == 0 for _, kind, _ in moments)]
        self.following = list(range(1, len(moments) + 2))
        self.before = list(range(-1, len(moments) + 1))
        self.slots = [0] * len(spans)
        self.return_of: dict[int, int] = {}
        self._pair()

    def _pair(self) -> None:
        """Find the return of each call, and a slot for what is between them."""
        call_of: dict[int, int] = {}
        free: list[int] = []
        fresh = (1 << bit for bit in count())
        for entry, number in enumerate(self.span_of[1:], 1):
            if self.calls[entry]:
                call_of[number] = entry
                self.slots[number] = free.pop() if free else next(fresh)
            else:
                self.return_of[call_of[number]] = entry
                free.append(self.slots[number])

    @property
    def first(self) -> int:
        """The first entry that is still in the list."""
        return self.following[0]

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
