"""What is under way in a run, and that it is alive: what every way of following shows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from backstay.fleet import events

# Long enough not to drown a log, short enough that nobody takes a run for dead.
HEARTBEAT_SECONDS = 10.0


@dataclass(slots=True)
class Doing:
    """Something that is under way: since when (seconds of `clock`), and its last answer."""

    host: str
    what: str
    since: float
    answer: str = ""
    is_gate: bool = False


@dataclass(slots=True)
class Running:
    """What is under way in a run, kept from its events."""

    clock: Callable[[], float] = time.monotonic
    stage: str = ""
    stage_since: float = 0.0
    doing: dict[tuple[str, str], Doing] = field(default_factory=dict)

    def take(self, event: object) -> None:
        """Change with an event."""
        match event:
            case events.StageStarted(name):
                self.stage, self.stage_since = name, self.clock()
                self.doing.clear()
            case events.StageDone():
                self.stage = ""
                self.doing.clear()
            case events.StepStarted(host, what):
                self.doing[host, what] = Doing(host, what, self.clock())
            case events.GateWaiting(gate, answer, _, host):
                found = self.doing.setdefault(
                    (host, gate), Doing(host, gate, self.clock(), is_gate=True)
                )
                found.answer = answer or found.answer
            case events.StepDone(host, what) | events.Failed(host, what):
                self.doing.pop((host, what), None)
            case events.GateDone(gate, _, host):
                self.doing.pop((host, gate), None)
            case _:
                pass

    def elapsed(self, doing: Doing) -> float:
        """Return for how many seconds something has been under way."""
        return self.clock() - doing.since


@contextmanager
def heartbeat(beat: Callable[[], None], *, seconds: float = HEARTBEAT_SECONDS) -> Iterator[None]:
    """Call `beat` every so often from a thread, so that even a busy event loop shows life."""
    ended = threading.Event()

    def keep_beating() -> None:
        while not ended.wait(seconds):
            beat()

    thread = threading.Thread(target=keep_beating, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
