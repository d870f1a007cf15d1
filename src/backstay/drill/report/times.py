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
    """When the fault began and ended, when a client last called, and when all had returned.

    `since` is from when on whatever happens may be its doing: the sign that it began takes its
    way from the machine to us, and may arrive after its first consequences.
    """

    fault: int
    undone: int
    called: int
    end: int
    since: int

    @classmethod
    def of(cls, history: History) -> Times:
        """Read them off the marks; a history without any begins with its fault."""
        marks, operations = history.of(Mark), history.of(Operation)
        phases = {one.subject: one.at for one in marks if one.kind is Kind.PHASE}
        faults = [one for one in marks if one.kind is Kind.FAULT]
        begun = (one.at for one in faults if one.state == "injected")
        undone = (one.at for one in faults if one.state == "undone")
        fault = min(begun, default=phases.get("fault", 0))
        moments = (*(one.at for one in marks), *(one.returned for one in operations))
        return cls(
            fault,
            max(undone, default=phases.get("healed", fault)),
            max((one.called for one in operations), default=fault),
            phases.get("final", max(moments, default=0)),
            min(phases.get("fault", fault), fault),
        )
