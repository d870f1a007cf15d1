"""One JSON object per event and line: for programs (docs/progress-json.md)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime

from backstay import __version__
from backstay.cli.console import Console
from backstay.cli.running import HEARTBEAT_SECONDS, Running, heartbeat
from backstay.fleet import events


@dataclass(slots=True)
class Ndjson:
    """Writes objects whose `type` is one of a fixed list of names."""

    say: Callable[[str], None]
    now: Callable[[], datetime]
    running: Running = field(default_factory=Running)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def tell(self, event: object) -> None:
        """Write the event's object."""
        with self.lock:
            self.running.take(event)
            if found := shape(event):
                self._write(*found)

    def talk(self, text: str) -> None:
        """Write the program's own sentence as a diagnostic."""
        with self.lock:
            self._write("diagnostic", {"severity": "info", "summary": text})

    def aside(self) -> AbstractContextManager[object]:
        """Nothing of ours stays on the terminal."""
        return nullcontext()

    def summary(self, kind: str, fields: dict[str, object], text: str = "") -> None:
        """Write an object of the program's own."""
        del text
        with self.lock:
            self._write(kind, fields)

    def beat(self) -> None:
        """Write what is still under way."""
        with self.lock:
            for doing in self.running.doing.values():
                part = "gate" if doing.is_gate else "step"
                elapsed = round(self.running.elapsed(doing), 1)
                fields = {"host": doing.host, part: doing.what, "answer": doing.answer}
                self._write("apply_progress", {**fields, "elapsed_seconds": elapsed})

    def _write(self, kind: str, fields: dict[str, object]) -> None:
        head = {"type": kind, "time": self.now().isoformat(timespec="milliseconds")}
        stage = {"stage": self.running.stage} if self.running.stage else {}
        self.say(json.dumps({**head, **stage, **fields}, ensure_ascii=False))


def shape(event: object) -> tuple[str, dict[str, object]] | None:
    """Return an event's type and fields; None for what is no event of ours."""
    match event:
        case events.HostsRead(answered, asked, seconds):
            kind = "refresh_complete" if answered == asked else "refresh_progress"
            elapsed = round(seconds, 3)
            return kind, {"answered": answered, "asked": asked, "elapsed_seconds": elapsed}
        case events.StageStarted(name):
            return "stage_start", {"stage": name}
        case events.StageDone(name, seconds):
            return "stage_complete", {"stage": name, "elapsed_seconds": round(seconds, 3)}
        case events.StepStarted(host, what):
            return "apply_start", {"host": host, "step": what}
        case events.StepDone(host, what, seconds):
            elapsed = round(seconds, 3)
            return "apply_complete", {"host": host, "step": what, "elapsed_seconds": elapsed}
        case events.Failed(host, what, why):
            return "apply_errored", {"host": host, "step": what, "why": why}
        case events.Note(said, host):
            return "diagnostic", {"severity": "info", "summary": said, "host": host}
        case _:
            return _gate(event)


def _gate(event: object) -> tuple[str, dict[str, object]] | None:
    match event:
        case events.GateWaiting(gate, answer, elapsed, host):
            fields: dict[str, object] = {"host": host, "gate": gate, "passed": False}
            return "apply_progress", fields | {
                "answer": answer,
                "elapsed_seconds": round(elapsed, 3),
            }
        case events.GateDone(gate, elapsed, host):
            fields = {"host": host, "gate": gate, "passed": True}
            return "apply_progress", fields | {"elapsed_seconds": round(elapsed, 3)}
        case _:
            return None


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@contextmanager
def ndjson(console: Console, *, seconds: float = HEARTBEAT_SECONDS) -> Iterator[Ndjson]:
    """Follow a run by JSON lines on standard error; the first one says the version."""
    follower = Ndjson(console.say, utc_now)
    follower.summary("version", {"backstay": __version__, "format": 1})
    with heartbeat(follower.beat, seconds=seconds):
        yield follower
