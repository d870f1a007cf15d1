"""A drill as a few lines of a terminal: latency over time, and what happened when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log10

from backstay.drill.history import (
    SECOND,
    Action,
    History,
    Kind,
    Mark,
    Operation,
    Outcome,
)
from backstay.drill.report.numbers import ENDPOINT
from backstay.drill.report.times import Times
from backstay.planning.look import ASCII, Look, Tone, shortened

BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.-=+*%#"
LOWEST_MILLISECONDS = 1.0
HIGHEST_MILLISECONDS = 1000.0

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
    """Return the slowest answer in each column, for all writes and reads of the endpoint's users.

    A column in which somebody was refused or got no answer shows a cross, and one in which
    nothing was acknowledged is empty but for it.
    """
    clients = {one.name: one for one in history.header.clients}
    users = [one for one in history.of(Operation) if clients[one.client].path in ENDPOINT]
    if not users:
        return ""
    times = Times.of(history)
    scale = Scale(0, times.end, max(look.width - LABEL - 1, 20))
    lines = [f"{'latency':<{LABEL}}{_legend(look)}"]
    for action in Action:
        found = [one for one in users if one.action is action]
        lines.append(f"{f'{action}s':<{LABEL}}{_bars(found, scale, look)}")
    lines += _marks(history, scale, look)
    return "\n".join(lines)


def _legend(look: Look) -> str:
    bars = _characters(look)
    scale = f"{bars[0]} up to 1 ms, a log scale to {bars[-1]} 1 s and more; "
    return look.paint(Tone.FAINT, f"{scale}{look.marks.times} failed or without an answer")


def _characters(look: Look) -> str:
    return ASCII_BARS if look.marks == ASCII else BARS


def _bars(found: Sequence[Operation], scale: Scale, look: Look) -> str:
    slowest = [0.0] * scale.columns
    crossed = [False] * scale.columns
    for one in found:
        column = scale.column(one.returned)
        if one.outcome is Outcome.OK:
            slowest[column] = max(slowest[column], (one.returned - one.called) / 1e6)
        else:
            for place in range(scale.column(one.called), column + 1):
                crossed[place] = True
    cells = (
        look.paint(Tone.BAD, look.marks.times) if cross else _bar(milliseconds, look)
        for milliseconds, cross in zip(slowest, crossed, strict=True)
    )
    return "".join(cells)


def _bar(milliseconds: float, look: Look) -> str:
    if not milliseconds:
        return " "
    bars = _characters(look)
    span = log10(HIGHEST_MILLISECONDS / LOWEST_MILLISECONDS)
    height = log10(max(milliseconds, LOWEST_MILLISECONDS) / LOWEST_MILLISECONDS) / span
    return bars[min(int(height * len(bars)), len(bars) - 1)]


def _marks(history: History, scale: Scale, look: Look) -> Iterator[str]:
    """Yield one line for each event worth a word, under the column where it happened."""
    sign = "^" if look.marks == ASCII else "↑"
    for at, text in events(history):
        column = scale.column(at)
        words = f"{sign} {at / SECOND:.2f} s  {text}"
        if column + len(words) > scale.columns:
            words = f"{at / SECOND:.2f} s  {text} {sign}"
            yield " " * LABEL + shortened(words, scale.columns, look.marks).rjust(column + 1)
        else:
            yield " " * (LABEL + column) + words


def events(history: History) -> Iterator[tuple[int, str]]:
    """Yield what happened after the fault began, in words, in the order of time."""
    since = Times.of(history).fault
    leader, marks = "", sorted(history.of(Mark), key=lambda one: one.at)
    for one in marks:
        match one.kind:
            case Kind.FAULT:
                what = f"{one.detail} on {one.subject}"
                yield one.at, what if one.state == "injected" else f"{one.state}: {what}"
            case Kind.LEADER if one.state and one.state != leader:
                if leader and one.at >= since:
                    yield one.at, f"etcd follows {one.state}"
                leader = one.state
            case Kind.VIP if one.state == "holds" and one.at >= since:
                yield one.at, f"{one.subject} holds the virtual address"
            case Kind.LEASE if one.detail == "acquired" and one.at >= since:
                yield one.at, f"{one.state} has the lease of {one.subject}"
            case Kind.NODE if one.state != "True" and one.at >= since:
                yield one.at, f"node {one.subject} is not Ready"
            case Kind.NOTE if one.at >= since:
                yield one.at, f"{one.subject}: {one.state}"
            case _:
                pass
