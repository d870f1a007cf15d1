"""A region of a terminal that always shows what is under way, with what is done above it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console as RichConsole
from rich.live import Live
from rich.text import Text

from backstay.cli.console import Console
from backstay.cli.running import Doing, Running
from backstay.fleet import events
from backstay.planning.look import UNICODE, Look, Tone, shortened

FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
ASCII_FRAMES = "|/-\\"
FRAMES_PER_SECOND = 8
# More lines than this would push what is done off a small terminal.
MOST_LINES = 12
LOOKING = "looking"
_HOST_WIDTH = 10


@dataclass(slots=True)
class Region:
    """Keeps the run's state, and draws it whenever it is asked to."""

    terminal: RichConsole
    look: Look
    began: float
    running: Running = field(default_factory=Running)
    lock: threading.RLock = field(default_factory=threading.RLock)
    hosts: set[str] = field(default_factory=set)
    region: Live = field(init=False)

    def __post_init__(self) -> None:
        """Make the region, which draws what `__rich__` says until it is stopped."""
        self.region = Live(
            get_renderable=self.__rich__,
            console=self.terminal,
            refresh_per_second=FRAMES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def tell(self, event: object) -> None:
        """Take an event; ends of stages, notes and failures stay above the region."""
        with self.lock:
            lines = tuple(self._lasting(event))
            self.running.take(event)
            if isinstance(event, events.StageStarted):
                self.hosts = set()
            elif isinstance(event, events.StepStarted) and event.host:
                self.hosts.add(event.host)
        for line in lines:
            self.talk(line)

    def talk(self, text: str) -> None:
        """Write a line above the region."""
        self.terminal.print(Text.from_ansi(text), soft_wrap=True, highlight=False)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the region off the terminal for a while."""
        self.region.stop()
        try:
            yield
        finally:
            self.region.start(refresh=True)

    def summary(self, kind: str, fields: dict[str, object], text: str) -> None:
        """Write the text above the region."""
        del kind, fields
        self.talk(text)

    def finish(self) -> None:
        """Write the line of the stage that the run ended in."""
        with self.lock:
            lines = tuple(self._stage_end())
            self.running.stage = ""
            self.running.doing.clear()
        for line in lines:
            self.talk(line)

    def _lasting(self, event: object) -> Iterator[str]:
        paint = self.look.paint
        match event:
            case events.HostsRead(answered, asked, seconds) if answered == asked:
                yield self._done(f"read {asked} hosts", "", seconds)
            case events.StageStarted() | events.StageDone():
                yield from self._stage_end()
            case events.Note(said, host):
                yield f" {paint(Tone.FAINT, self.look.marks.dot)} {host} {said}".rstrip()
            case events.Failed(host, what, why):
                cross = paint(Tone.BAD, self.look.marks.cross)
                yield f" {cross} {what:<28} {host:<{_HOST_WIDTH}} {why}"
            case _:
                return

    def _stage_end(self) -> Iterator[str]:
        if self.running.stage and not self.running.doing:
            elapsed = self.running.clock() - self.running.stage_since
            yield self._done(self.running.stage, " ".join(sorted(self.hosts)), elapsed)

    def _done(self, what: str, who: str, seconds: float) -> str:
        tick = self.look.paint(Tone.GOOD, self.look.marks.tick)
        return f" {tick} {what:<28} {who:<40} {seconds:6.1f}s"

    def __rich__(self) -> Text:
        """Draw what is under way."""
        with self.lock:
            doing = list(self.running.doing.values())
            stage = self.running.stage
        lines = [self._doing(one) for one in doing[:MOST_LINES]]
        if len(doing) > MOST_LINES:
            lines.append(f"   and {len(doing) - MOST_LINES} more")
        elapsed = int(time.monotonic() - self.began)
        rest = f"   {elapsed // 60:02}:{elapsed % 60:02}  {stage or LOOKING}"
        return Text.from_ansi("\n".join((*lines, self.look.paint(Tone.FAINT, rest))))

    def _doing(self, one: Doing) -> str:
        frames = FRAMES if self.look.marks is UNICODE else ASCII_FRAMES
        frame = frames[int(time.monotonic() * FRAMES_PER_SECOND) % len(frames)]
        what = f"gate: {one.what}" if one.is_gate else one.what
        answer = f"  {one.answer}" if one.answer else ""
        line = f"{one.host:<{_HOST_WIDTH}} {what}{answer}"
        room = max(self.terminal.width - 14, 20)
        return f" {frame} {shortened(line, room, self.look.marks)} {self.running.elapsed(one):.0f}s"


@contextmanager
def live(console: Console) -> Iterator[Region]:
    """Follow a run in a live region on standard error; it is gone when the run is over."""
    look = console.look(console.err)
    terminal = RichConsole(file=console.err, force_terminal=True, highlight=False)
    region = Region(terminal, look, time.monotonic())
    with region.region:
        yield region
        region.finish()
