"""The moments and spans that a drill's numbers are measured between."""

from __future__ import annotations

from dataclasses import dataclass

from backstay.drill.history import SECOND, History, Kind, Mark, Operation


@dataclass(frozen=True, slots=True)
class Gap:
    """The longest time without an acknowledged operation, from its begin to its end."""

    begin: int
    end: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.begin) / SECOND


@dataclass(frozen=True, slots=True)
class Times:
    """When the fault began and ended, and when the clients were stopped."""

    fault: int
    undone: int
    end: int

    @classmethod
    def of(cls, history: History) -> Times:
        """Read them off the marks; a history without any begins with its fault."""
        phases = {one.subject: one.at for one in history.of(Mark) if one.kind is Kind.PHASE}
        faults = [one for one in history.of(Mark) if one.kind is Kind.FAULT]
        last = max((one.returned for one in history.of(Operation)), default=0)
        begun = (one.at for one in faults if one.state == "injected")
        undone = (one.at for one in faults if one.state == "undone")
        fault = min(begun, default=phases.get("fault", 0))
        return cls(
            fault,
            max(undone, default=phases.get("healed", fault)),
            phases.get("final", last),
        )
