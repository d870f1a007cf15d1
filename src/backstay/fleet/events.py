"""What happens during a run, as values: the fleet tells, whoever listens decides how to show it.

An event carries text that is already free of secrets, and times in seconds as numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostsRead:
    """So many of the machines that were asked have answered by now."""

    answered: int
    asked: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage of the plan begins; `steps` is the number of its steps."""

    name: str
    steps: int = 0


@dataclass(frozen=True, slots=True)
class StageDone:
    """All steps and gates of a stage are through."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step begins on a machine; `host` is empty for what concerns the whole cluster."""

    host: str
    what: str


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step ended well."""

    host: str
    what: str
    seconds: float


@dataclass(frozen=True, slots=True)
class GateWaiting:
    """A gate was asked and is not open yet; `answer` is what it said last."""

    gate: str
    answer: str
    elapsed: float
    host: str = ""


@dataclass(frozen=True, slots=True)
class GateDone:
    """A gate is open."""

    gate: str
    elapsed: float
    host: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for the reader, about one machine or about the run."""

    text: str
    host: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """A step or a gate ended badly; the error that is raised says it in full."""

    host: str
    what: str
    why: str


Event = (
    HostsRead
    | StageStarted
    | StageDone
    | StepStarted
    | StepDone
    | GateWaiting
    | GateDone
    | Note
    | Failed
)
Listener = Callable[[Event], None]


def nobody(event: Event) -> None:
    """Listen to nothing."""
    del event
