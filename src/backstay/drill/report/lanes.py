"""Who led, who held and what was down, as spans of time: the lanes below the timeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from backstay.drill.faults.kinds import BreakUnit, Harm, Unit, said
from backstay.drill.history import HOLDS, History, Kind, Mark
from backstay.drill.report.times import Times
from backstay.drill.report.told import ENDED, OF_A_MACHINE

NOBODY = "nobody"
FROZEN = said(BreakUnit(Unit.ETCD, Harm.FREEZE))


class Tone(StrEnum):
    """How a span is to be taken."""

    PLAIN = "plain"
    BAD = "bad"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Span:
    """Something that held from one moment to another, in nanoseconds of the drill's clock."""

    begin: int
    end: int
    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Lane:
    """Spans of one subject in the order of time; they do not overlap."""

    name: str
    spans: tuple[Span, ...]


Turn = tuple[int, str, bool]
"""When, what, and whether it began or ended."""


def lanes(history: History) -> tuple[Lane, ...]:
    """Return what the marks of a history tell, without the lanes that would be empty."""
    marks = sorted(history.of(Mark), key=lambda one: one.at)
    end = Times.of(history).end
    found = (
        Lane("fault", _sets(_faults(marks), end, Tone.FAULT)),
        Lane("etcd leader", _values(_leaders(marks, _members(history)), end)),
        Lane("virtual address", _values(_holders(marks), end)),
        *_leases(marks, end),
        Lane("marked down", _sets(_out(marks), end, Tone.BAD)),
        Lane("processes down", _sets(_down(marks), end, Tone.BAD)),
        Lane("nodes not Ready", _sets(_not_ready(marks), end, Tone.BAD)),
    )
    return tuple(one for one in found if one.spans)


def _values(changes: Iterable[tuple[int, str, Tone]], end: int) -> tuple[Span, ...]:
    """Return what was the case from each change to the next."""
    found: list[Span] = []
    for at, text, tone in changes:
        if found and found[-1].text == text:
            continue
        if found:
            found[-1] = replace(found[-1], end=min(at, end))
        found.append(Span(at, end, text, tone))
    return tuple(one for one in found if one.end > one.begin)


def _sets(turns: Iterable[Turn], end: int, tone: Tone) -> tuple[Span, ...]:
    """Return what was going on at the same time; nothing at all is no span."""
    changes = ((at, ", ".join(sorted(current)), tone) for at, current in _current(turns))
    return tuple(one for one in _values(changes, end) if one.text)


def _current(turns: Iterable[Turn]) -> Iterator[tuple[int, frozenset[str]]]:
    current: frozenset[str] = frozenset()
    for at, what, begins in turns:
        current = current | {what} if begins else current - {what}
        yield at, current


def _faults(marks: Sequence[Mark]) -> Iterator[Turn]:
    for one in marks:
        if one.kind is Kind.FAULT and one.state in {"injected", "undone"}:
            yield one.at, f"{one.detail} on {one.subject}", one.state == "injected"


def _members(history: History) -> frozenset[str]:
    speakers = (one.subject for one in history.of(Mark) if one.kind is Kind.LEADER)
    return frozenset((*history.header.members, *speakers))


def _leaders(marks: Sequence[Mark], members: frozenset[str]) -> Iterator[tuple[int, str, Tone]]:
    """Yield who leads etcd; nobody does when too few members are left that follow, for a quorum.

    Who alone loses sight of the leader is cut off itself, and the others go on. Whom one follows
    in a new term leads at once: a quorum has voted.
    """
    lost: frozenset[str] = frozenset()
    for one in marks:
        follows = _follows(one)
        if follows is None or one.subject not in members:
            continue
        lost = lost - {one.subject} if follows else lost | {one.subject}
        if one.kind is Kind.LEADER and one.state:
            yield one.at, one.state, Tone.PLAIN
        elif len(lost) > (len(members) - 1) // 2:
            yield one.at, NOBODY, Tone.BAD


def _follows(one: Mark) -> bool | None:
    """Return whether a member follows a leader from a mark on, None if that says nothing of it.

    The last words of one that has ended, or is frozen, say nothing of whom it follows now.
    """
    match one.kind:
        case Kind.LEADER:
            return bool(one.state)
        case Kind.UNIT if one.detail.partition(":")[0] == Unit.ETCD:
            return False if one.state in ENDED else None
        case Kind.FAULT if one.detail == FROZEN or one.detail.endswith(OF_A_MACHINE):
            return {"injected": False, "undone": True}.get(one.state)
        case _:
            return None


def _holders(marks: Sequence[Mark]) -> Iterator[tuple[int, str, Tone]]:
    """Yield who holds the address; nobody, or two at once, is what it is there to prevent."""
    turns = ((one.at, one.subject, one.state == HOLDS) for one in marks if one.kind is Kind.VIP)
    for at, current in _current(turns):
        tone = Tone.PLAIN if len(current) == 1 else Tone.BAD
        yield at, ", ".join(sorted(current)) or NOBODY, tone


def _leases(marks: Sequence[Mark], end: int) -> Iterator[Lane]:
    found = [one for one in marks if one.kind is Kind.LEASE]
    for name in sorted({one.subject for one in found}):
        mine = ((one.at, one.state, Tone.PLAIN) for one in found if one.subject == name)
        yield Lane(f"lease {name.removeprefix('kube-')}", _values(mine, end))


def _out(marks: Sequence[Mark]) -> Iterator[Turn]:
    for one in marks:
        if one.kind is Kind.READY:
            server = one.detail.partition(":")[0]
            yield one.at, f"{server} by {one.subject}", not one.state.startswith("up")


def _down(marks: Sequence[Mark]) -> Iterator[Turn]:
    for one in marks:
        if one.kind is Kind.UNIT:
            unit = one.detail.partition(":")[0]
            yield one.at, f"{unit} on {one.subject}", one.state != "active"


def _not_ready(marks: Sequence[Mark]) -> Iterator[Turn]:
    for one in marks:
        if one.kind is Kind.NODE:
            yield one.at, one.subject, one.state != "True"
