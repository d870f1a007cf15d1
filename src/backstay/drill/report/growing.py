"""A drill that is under way: its latest seconds as a plot, and its numbers so far beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from backstay.drill.history import (
    HOLDS,
    SECOND,
    Action,
    Header,
    Kind,
    Mark,
    Operation,
    Outcome,
    Record,
)
from backstay.drill.report.plot import LABEL, arrow, cell, legend
from backstay.drill.report.wording import count, seconds
from backstay.planning.look import Look, Tone

COLUMN = SECOND // 4
KEPT = 512
"""More columns than a terminal has."""

FEWEST = 8
"""Columns of the plot, however narrow the terminal is."""

LEGEND = 73
"""Columns of the legend, and one that stays free."""

PHASES = {
    "warm-up": "warm-up",
    "fault": "fault",
    "healed": "healing",
    "settle": "settled",
    "final": "last reads",
}
"""The phases of a drill that take time, in words."""

ENDED = frozenset({"final", "end"})
"""The phases in which no client calls any more."""


@dataclass(slots=True)
class Column:
    """What returned in a quarter of a second: the slowest good answer, and whether any failed."""

    milliseconds: float | None = None
    crossed: bool = False


@dataclass(slots=True)
class Group:
    """A group of clients so far; `answered` is when it last was, of each action."""

    columns: dict[int, Column] = field(default_factory=dict)
    asked: int = 0
    failed: int = 0
    longest: int = 0
    answered: dict[Action, int] = field(default_factory=dict)

    def take(self, one: Operation) -> None:
        """Take an operation; one that failed crosses all columns that its caller waited through."""
        self.asked += 1
        last = one.returned // COLUMN
        if one.outcome is Outcome.OK:
            column = self.columns.setdefault(last, Column())
            waited = (one.returned - one.called) / 1e6
            column.milliseconds = max(column.milliseconds or 0.0, waited)
            self._answer(one)
        else:
            self.failed += 1
            for place in range(max(one.called // COLUMN, last - KEPT), last + 1):
                self.columns.setdefault(place, Column()).crossed = True
        self.columns.pop(last - KEPT, None)

    def _answer(self, one: Operation) -> None:
        before = self.answered.get(one.action, one.returned)
        self.longest = max(self.longest, one.returned - before)
        self.answered[one.action] = max(before, one.returned)

    def begin(self, at: int) -> None:
        """Count gaps from now on, as the numbers of the whole drill do from the fault."""
        self.longest = 0
        self.answered = dict.fromkeys(self.answered, at)

    def gap(self, now: int) -> float | None:
        """Return the longest time without an answer to one action in seconds, also if it lasts."""
        if not self.answered:
            return None
        return max(self.longest, now - min(self.answered.values())) / SECOND


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that is marked under its column."""

    column: int
    words: str
    tone: Tone


@dataclass(slots=True)
class Growing:
    """Keeps a few hundred columns for each group of clients, whatever a drill lasts.

    `lasting` is how many seconds a phase lasts, where that is known before.
    """

    lasting: Mapping[str, float] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    current: dict[Kind, str] = field(default_factory=dict)
    phase: str = ""
    began: int = 0
    latest: int = 0

    def begin(self, header: Header) -> None:
        """Take the clients of a drill; watches send nothing that could be slow."""
        asking = [one for one in header.clients if not one.watches]
        self.names = {one.name: one.group for one in asking}
        self.groups = {one.group: Group() for one in asking}
        self.moments, self.current, self.phase = [], {}, ""
        self.began = self.latest = 0

    def take(self, record: Record) -> None:
        """Take whatever happens."""
        if isinstance(record, Operation) and record.client in self.names:
            self.latest = max(self.latest, record.returned)
            self.groups[self.names[record.client]].take(record)
        elif isinstance(record, Mark):
            self._mark(record)

    def _mark(self, one: Mark) -> None:
        match one.kind:
            case Kind.PHASE:
                self.phase, self.began = one.subject, one.at
            case Kind.FAULT:
                self._fault(one)
            case Kind.LEADER if one.state:
                self._turn(one, one.state, f"{one.state} leads")
            case Kind.VIP if one.state == HOLDS:
                self._turn(one, one.subject, f"{one.subject} holds")
            case _:
                pass

    def _fault(self, one: Mark) -> None:
        """Mark a fault; gaps, and the time that it stands, count from its first injection."""
        if one.state == "injected" and Kind.FAULT not in self.current:
            self.current[Kind.FAULT] = one.subject
            self.began = one.at
            for group in self.groups.values():
                group.begin(one.at)
        words = "fault" if one.state == "injected" else one.state
        self._moment(one, words, Tone.GOOD if one.state == "undone" else Tone.BAD)

    def _turn(self, one: Mark, who: str, words: str) -> None:
        """Mark that another one leads or holds; the first of all is nothing new."""
        before = self.current.get(one.kind)
        self.current[one.kind] = who
        if before is not None and before != who:
            self._moment(one, words, Tone.WARNING)

    def _moment(self, one: Mark, words: str, tone: Tone) -> None:
        self.latest = max(self.latest, one.at)
        self.moments = [*self.moments[-KEPT:], Moment(one.at // COLUMN, words, tone)]

    def lines(self, look: Look, now: int | None = None) -> Iterator[str]:
        """Yield the phase with its clock, a line for each group that was asked, and the marks."""
        drawn = {name: one for name, one in self.groups.items() if one.columns}
        room = max(look.width - LABEL - len(HEAD) - 1, FEWEST)
        now = self.latest if now is None else now
        clock = self._clock(now)
        if not drawn:
            yield from filter(None, (clock,))
            return
        yield f"{look.paint(Tone.STRONG, clock)}{HEAD.rjust(LABEL + room + len(HEAD) - len(clock))}"
        for name, one in drawn.items():
            yield f"{name:<{LABEL}}{self._bars(one, room, look)}{self._numbers(one, now, look)}"
        yield f"{'':<{LABEL}}{self._marks(room, look)}".rstrip()
        yield f"{' ' * min(LABEL, max(look.width - LEGEND, 0))}{legend(look)}"

    def _clock(self, now: int) -> str:
        """Return the phase with how long it lasts already, and how long it will."""
        if self.phase not in PHASES:
            return ""
        passed = max(now - self.began, 0) // SECOND
        whole = self.lasting.get(self.phase)
        if whole is None or passed > whole:
            return f"{PHASES[self.phase]}  {passed} s"
        most = " at most" if self.phase == "healed" else ""
        return f"{PHASES[self.phase]}  {passed} of {whole:g} s{most}"

    def _first(self, room: int) -> int:
        return max(0, self.latest // COLUMN - room + 1)

    def _bars(self, group: Group, room: int, look: Look) -> str:
        places = range(self._first(room), self._first(room) + room)
        found = (group.columns.get(place, _NOTHING) for place in places)
        return "".join(cell(one.milliseconds, look, is_crossed=one.crossed) for one in found)

    def _numbers(self, group: Group, now: int, look: Look) -> str:
        failed = f"{count(group.failed):>{FAILED}}"
        asked_until = self.latest if self.phase in ENDED else now
        gap = seconds(group.gap(asked_until), dash=look.marks.dash)
        bad = look.paint(Tone.BAD, failed) if group.failed else failed
        return f"{count(group.asked):>{ASKED}}{bad}{gap:>{GAP}}"

    def _marks(self, room: int, look: Look) -> str:
        """Return an arrow under each column where something happened, with its word if it fits."""
        first, line, written = self._first(room), "", 0
        shown = {one.column - first: one for one in reversed(self.moments) if one.column >= first}
        for place, following in pairwise((*sorted(shown), room)):
            text = f"{arrow(look)} {shown[place].words}"
            text = text if len(text) < following - place else arrow(look)
            line += " " * (place - written) + look.paint(shown[place].tone, text)
            written = place + len(text)
        return line


_NOTHING = Column()
ASKED, FAILED, GAP = 9, 8, 13
HEAD = f"{'ASKED':>{ASKED}}{'FAILED':>{FAILED}}{'LONGEST GAP':>{GAP}}"
"""Of the table beside the plot; the gap is of writes or reads, whichever waited longer."""
