"""The moments and spans that a drill's numbers are measured between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backstay.drill.history import SECOND, History, Kind, Mark, Operation
from backstay.drill.oracle.stores import is_whole, phases


@dataclass(frozen=True, slots=True)
class Gap:
    """The longest time without an acknowledged operation, from its begin to its end."""

    begin: int
    end: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.begin) / SECOND

    def without(self, pauses: Iterable[Gap]) -> float:
        """How long it is at least, in seconds: without the longest of the pauses within it."""
        within = (min(self.end, one.end) - max(self.begin, one.begin) for one in pauses)
        return self.seconds - max((0, *within)) / SECOND


@dataclass(frozen=True, slots=True)
class Times:
    """When the fault began and ended, when a client last called, and when all had returned.

    `since` is from when on whatever happens may be its doing: the sign that it began takes its
    way from the machine to us, and may arrive after its first consequences. In a drill that was
    cut short before its fault nothing is: it begins after everything. `is_undone` is false where
    a drill was cut short while its fault stood.
    """

    fault: int
    undone: int
    called: int
    end: int
    since: int
    is_undone: bool

    @property
    def has_fault(self) -> bool:
        """Whether the drill came to its fault."""
        return self.since <= self.end

    @classmethod
    def of(cls, history: History) -> Times:
        """Read them off the marks; a history without any begins with its fault."""
        marks, operations = history.of(Mark), history.of(Operation)
        known = phases(history)
        moments = (*(one.at for one in marks), *(one.returned for one in operations))
        last = max(moments, default=0)
        begun = _turns(marks, "injected")
        fault = min(begun, default=known.get("fault", last + 1 if marks else 0))
        healed = [known["healed"]] if "healed" in known else []
        undone = _turns(marks, "undone") or healed
        return cls(
            fault,
            max(undone, default=fault if is_whole(history) else max(fault, last)),
            max((one.called for one in operations), default=fault),
            known.get("final", last),
            min(known.get("fault", fault), fault),
            bool(undone) or is_whole(history),
        )


def _turns(marks: Iterable[Mark], state: str) -> Sequence[int]:
    """Return when a fault was injected, or undone, on each machine."""
    return [one.at for one in marks if one.kind is Kind.FAULT and one.state == state]
