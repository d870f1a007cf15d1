"""A drill as a few lines of a terminal: latency over time, and what happened when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log10

from backstay.drill.history import (
    ACQUIRED,
    HOLDS,
    SECOND,
    History,
    Kind,
    Mark,
    Operation,
    Outcome,
)
from backstay.drill.oracle.notes import in_words
from backstay.drill.report.times import Times
from backstay.planning.look import ASCII, Look, Tone, shortened

BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.-=+*%#"
LOWEST_MILLISECONDS = 1.0
HIGHEST_MILLISECONDS = 1000.0

SOME = "!"
"""Stands where some requests failed, and others did not."""

LABEL = 13
"""Columns before each line of bars."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A span of time over a number of columns."""

    begin: int
    end: int
    columns: int

    def column(self, moment: int) -> int:
        """Return the column that a moment falls into."""
        span = max(self.end - self.begin, 1)
        place = (moment - self.begin) * self.columns // span
        return min(max(place, 0), self.columns - 1)


def plot(history: History, look: Look) -> str:
    """Return a line for each group of clients: its slowest answer in each column of time.

    A cross stands where requests ended and none was acknowledged, an exclamation mark where some
    were not; what lasted beyond its column marks all columns that it lasted through.
    """
    groups: dict[str, list[Operation]] = {
        one.group: [] for one in history.header.clients if not one.watches
    }
    names = {one.name: one.group for one in history.header.clients}
    for one in history.of(Operation):
        groups[names[one.client]].append(one)
    if not any(groups.values()):
        return ""
    scale = Scale(0, Times.of(history).end, max(look.width - LABEL - 1, 20))
    lines = [f"{'latency':<{LABEL}}{legend(look)}"]
    lines += (
        f"{name:<{LABEL}}{_bars(found, scale, look)}".rstrip()
        for name, found in groups.items()
        if found
    )
    return "\n".join((*lines, *_marks(history, scale, look)))


def legend(look: Look) -> str:
    """Return what the characters mean."""
    bars = _characters(look)
    words = f"{bars[0]} 1 ms … {bars[-1]} 1 s, log scale"
    crosses = f"{look.marks.times} nothing acknowledged   {SOME} some failed"
    return look.paint(Tone.FAINT, f"{words.replace('…', look.marks.ellipsis)}   {crosses}")


def arrow(look: Look) -> str:
    """Return what points at a column from below."""
    return "^" if look.marks == ASCII else "↑"


def _characters(look: Look) -> str:
    return ASCII_BARS if look.marks == ASCII else BARS


def _bars(found: Sequence[Operation], scale: Scale, look: Look) -> str:
    slowest: list[float | None] = [None] * scale.columns
    crossed = [False] * scale.columns
    for one in found:
        column = scale.column(one.returned)
        if one.outcome is Outcome.OK:
            slowest[column] = max(slowest[column] or 0.0, (one.returned - one.called) / 1e6)
        else:
            for place in range(scale.column(one.called), column + 1):
                crossed[place] = True
    return "".join(
        cell(milliseconds, look, is_crossed=cross)
        for milliseconds, cross in zip(slowest, crossed, strict=True)
    )


def cell(milliseconds: float | None, look: Look, *, is_crossed: bool) -> str:
    """Return the character of a column, from its slowest good answer and whether any failed."""
    if is_crossed:
        if milliseconds is None:
            return look.paint(Tone.BAD, look.marks.times)
        return look.paint(Tone.WARNING, SOME)
    return " " if milliseconds is None else _bar(milliseconds, look)


def _bar(milliseconds: float, look: Look) -> str:
    bars = _characters(look)
    span = log10(HIGHEST_MILLISECONDS / LOWEST_MILLISECONDS)
    height = log10(max(milliseconds, LOWEST_MILLISECONDS) / LOWEST_MILLISECONDS) / span
    return bars[min(int(height * len(bars)), len(bars) - 1)]


def _marks(history: History, scale: Scale, look: Look) -> Iterator[str]:
    """Yield one line for each event worth a word, under the column where it happened."""
    sign = arrow(look)
    for one in events(history):
        column = scale.column(one.at)
        words = f"{one.at / SECOND:.2f} s  {one.words}"
        after, before = scale.columns - column, column + 1
        if len(words) + 2 <= after or after >= before:
            yield " " * (LABEL + column) + shortened(f"{sign} {words}", after, look.marks)
        else:
            told = f"{shortened(words, before - 2, look.marks)} {sign}"
            yield " " * LABEL + told.rjust(before)


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth a word: when, about what, who it is now, and all of it in words."""

    at: int
    kind: Kind
    subject: str
    who: str
    words: str


def events(history: History) -> Iterator[Event]:
    """Yield what happened after the fault began, in the order of time."""
    since = Times.of(history).fault
    leader, marks = "", sorted(history.of(Mark), key=lambda one: one.at)
    for one in marks:
        if one.kind is Kind.LEADER and one.state:
            if leader not in {"", one.state} and one.at >= since:
                yield _event(one, one.state, f"etcd follows {one.state}")
            leader = one.state
        elif one.kind is Kind.FAULT or one.at >= since:
            yield from _told(one)


def _told(one: Mark) -> Iterator[Event]:
    match one.kind:
        case Kind.FAULT:
            what = f"{one.detail} on {one.subject}"
            words = what if one.state == "injected" else f"{one.state}: {what}"
            yield _event(one, one.subject, words)
        case Kind.VIP if one.state == HOLDS:
            yield _event(one, one.subject, f"{one.subject} holds the virtual address")
        case Kind.LEASE if one.detail == ACQUIRED:
            yield _event(one, one.state, f"{one.state} has the lease of {one.subject}")
        case Kind.NODE if one.state != "True":
            yield _event(one, one.subject, f"node {one.subject} is not Ready")
        case Kind.NOTE:
            yield _event(one, one.subject, in_words(one))
        case _:
            pass


def _event(one: Mark, who: str, words: str) -> Event:
    return Event(one.at, one.kind, one.subject, who, words)
