"""One line per event with time and host, and a heartbeat: for logs and simple terminals."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from backstay.cli.console import Console
from backstay.cli.running import HEARTBEAT_SECONDS, Running, heartbeat
from backstay.fleet import events
from backstay.planning.look import Look, Tone


@dataclass(slots=True)
class Plain:
    """Writes lines such as `18:42:07 cp-3 14 changes: ok 2.1s`."""

    say: Callable[[str], None]
    look: Look
    now: Callable[[], datetime]
    running: Running = field(default_factory=Running)
    lock: threading.RLock = field(default_factory=threading.RLock)
    spoke: bool = False

    def tell(self, event: object) -> None:
        """Write the event's line, if it has one."""
        with self.lock:
            self.running.take(event)
            if line := self._line(event):
                self._write(line)
                self.spoke = True

    def talk(self, text: str) -> None:
        """Write the program's own sentence as it is."""
        with self.lock:
            self.say(text)
            self.spoke = True

    def aside(self) -> AbstractContextManager[object]:
        """Hold the heartbeat's tongue while a question is open."""
        return self.lock

    def summary(self, kind: str, fields: dict[str, object], text: str) -> None:
        """Write the text."""
        del kind, fields
        self.talk(text)

    def beat(self) -> None:
        """Say what is still under way, when nothing was said since the last beat."""
        with self.lock:
            if not self.spoke:
                for doing in self.running.doing.values():
                    answer = f" {doing.answer}" if doing.answer else ""
                    waited = f"elapsed={self.running.elapsed(doing):.0f}s"
                    self._write(f"{_on(doing.host)}{doing.what}: {waited}{answer}")
            self.spoke = False

    def _write(self, line: str) -> None:
        self.say(f"{self.look.paint(Tone.FAINT, f'{self.now():%H:%M:%S}')} {line}")

    def _line(self, event: object) -> str:
        match event:
            case events.HostsRead(answered, asked, seconds) if answered == asked:
                return f"read {asked} hosts in {seconds:.1f}s"
            case events.StageStarted(name):
                return self.look.paint(Tone.STRONG, f"stage {name}")
            case events.StepStarted(host, what):
                return f"{_on(host)}{what}: start"
            case events.StepDone(host, what, seconds):
                return f"{_on(host)}{what}: {self._ok()} {seconds:.1f}s"
            case events.GateDone(gate, elapsed, host):
                return f"{_on(host)}gate {gate}: {self._ok()} {elapsed:.1f}s"
            case events.Note(said, host):
                return f"{_on(host)}{said}"
            case events.Failed(host, what, why):
                failed = self.look.paint(Tone.BAD, "failed")
                return f"{_on(host)}{what}: {failed}, {why}"
            case _:
                return ""

    def _ok(self) -> str:
        return self.look.paint(Tone.GOOD, "ok")


def _on(host: str) -> str:
    return f"{host} " if host else ""


def local_now() -> datetime:
    """Return the time on this computer's wall."""
    return datetime.now(UTC).astimezone()


@contextmanager
def plain(console: Console, *, seconds: float = HEARTBEAT_SECONDS) -> Iterator[Plain]:
    """Follow a run line by line on standard error."""
    follower = Plain(console.say, console.look(console.err), local_now)
    with heartbeat(follower.beat, seconds=seconds):
        yield follower
