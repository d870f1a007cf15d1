"""How a run is followed: which follower, and what all of them must know of the run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from backstay.cli.console import Console
from backstay.cli.settings import Progress
from backstay.fleet import events

# Long enough not to drown a log, short enough that nobody takes a run for dead.
HEARTBEAT_SECONDS = 10.0


class Follower(Protocol):
    """Someone who is told what happens and shows it."""

    def tell(self, event: object) -> None:
        """Take an event; what is no event of ours is passed over."""

    def talk(self, text: str) -> None:
        """Say a sentence of the program's own."""

    def aside(self) -> AbstractContextManager[object]:
        """Give the terminal away for a while, so that a question can be asked."""

    def summary(self, kind: str, fields: dict[str, object], text: str) -> None:
        """Say something that programs get as an object of `kind`, people as text."""


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


@dataclass(frozen=True, slots=True)
class Silent:
    """Shows nothing: `--quiet`."""

    console: Console

    def tell(self, event: object) -> None:
        """Pass the event over."""

    def talk(self, text: str) -> None:
        """Say it, unless the console is quiet too."""
        self.console.talk(text)

    def aside(self) -> AbstractContextManager[object]:
        """Nothing of ours is on the terminal."""
        return nullcontext()

    def summary(self, kind: str, fields: dict[str, object], text: str) -> None:
        """Pass it over."""


@contextmanager
def following(console: Console) -> Iterator[Follower]:
    """Follow a run in the way that the settings and the terminal ask for."""
    with _follower(console) as follower:
        yield follower


def _follower(console: Console) -> AbstractContextManager[Follower]:
    # Each way of following loads what it alone needs: rich is a tenth of a second.
    if console.settings.quiet:
        return nullcontext(Silent(console))
    match console.progress:
        case Progress.LIVE:
            from backstay.cli.progress_live import live

            return live(console)
        case Progress.JSON:
            from backstay.cli.progress_json import ndjson

            return ndjson(console)
        case Progress.PLAIN | Progress.AUTO:
            from backstay.cli.progress_plain import plain

            return plain(console)
