"""What a drill says while it runs: a line for each event, and on a terminal its plot too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console as RichConsole
from rich.live import Live
from rich.text import Text

from backstay.cli.console import Console
from backstay.cli.settings import Progress
from backstay.drill.history import ACQUIRED, HOLDS, Header, Kind, Mark, Note, Record
from backstay.drill.oracle.notes import in_words
from backstay.drill.report.growing import Growing

if TYPE_CHECKING:
    from backstay.drill.run import Course
    from backstay.planning.look import Look

NANOSECONDS = 1e9
FRAMES_PER_SECOND = 2
"""Drawing takes the interpreter for two milliseconds, which clients of the same process wait."""

Tell = Callable[[Header | Record], None]


@contextmanager
def following(console: Console, course: Course | None = None) -> Iterator[Tell]:
    """Give who says what happens in a drill of this course, as it happens."""
    if console.settings.quiet or console.progress is not Progress.LIVE:
        is_told = console.progress is Progress.JSON and not console.settings.quiet
        yield _objects(console) if is_told else _lines(console.talk)
        return
    terminal = RichConsole(file=console.err, force_terminal=True, highlight=False)
    region = Region(console.look(console.err), Growing(lasting(course)))
    live = Live(
        get_renderable=region.__rich__,
        console=terminal,
        refresh_per_second=FRAMES_PER_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )

    def above(text: str) -> None:
        terminal.print(Text.from_ansi(text), soft_wrap=True, highlight=False)

    said = _lines(above)

    def tell(one: Header | Record) -> None:
        region.take(one)
        said(one)

    with live:
        yield tell


def lasting(course: Course | None) -> Mapping[str, float]:
    """Return how long each phase of a course lasts, as far as it can be known; healing at most."""
    if course is None:
        return {}
    return {
        "warm-up": course.warm_up,
        "fault": course.fault,
        "healed": course.settle,
        "settle": course.after,
    }


@dataclass(slots=True)
class Region:
    """The plot so far; taken by one thread, drawn by another.

    `zero` is when the drill's clock began on ours, which goes on when nothing happens.
    """

    look: Look
    growing: Growing = field(default_factory=Growing)
    clock: Callable[[], int] = time.monotonic_ns
    zero: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, one: Header | Record) -> None:
        """Take what a drill begins with, and whatever happens in it."""
        with self.lock:
            if isinstance(one, Header):
                self.growing.begin(one)
                self.zero = self.clock()
            else:
                self.growing.take(one)

    def __rich__(self) -> Text:
        """Draw the latest columns."""
        with self.lock:
            lines = list(self.growing.lines(self.look, self.clock() - self.zero))
        return Text.from_ansi("\n".join(lines), no_wrap=True, overflow="crop")


def _objects(console: Console) -> Tell:
    """Return who writes each mark as an object (docs/progress-json.md)."""

    def tell(one: Header | Record) -> None:
        if isinstance(one, Mark):
            fields = {"kind": one.kind.value, "subject": one.subject, "state": one.state}
            at = round(one.at / NANOSECONDS, 3)
            console.event("drill_mark", {"at_seconds": at, **fields, "detail": one.detail})

    return tell


def _lines(talk: Callable[[str], None]) -> Tell:
    def tell(one: Header | Record) -> None:
        if isinstance(one, Mark) and (words := _words(one)) is not None:
            talk(f"{one.at / NANOSECONDS:7.2f} s  {words}")

    return tell


def _words(mark: Mark) -> str | None:
    match mark.kind:
        case Kind.PHASE if mark.subject in {"warm-up", "settle", "final"}:
            return {"warm-up": "warm-up", "settle": "settled", "final": "last reads"}[mark.subject]
        case Kind.FAULT:
            return f"{mark.state}: {mark.detail} on {mark.subject}"
        case Kind.LEADER if mark.state and mark.state == mark.subject:
            return f"{mark.state} leads etcd"
        case Kind.VIP if mark.state == HOLDS:
            return f"{mark.subject} holds the virtual address"
        case Kind.LEASE if mark.detail == ACQUIRED:
            return f"{mark.state} has the lease of {mark.subject}"
        case Kind.NODE if mark.state != "True":
            return f"node {mark.subject} is not Ready"
        case Kind.NOTE if mark.subject == Note.STOPPING:
            return mark.state
        case Kind.NOTE:
            return in_words(mark)
        case _:
            return None
