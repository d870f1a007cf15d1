"""All operations as columns of small integers, for a page that draws a hundred thousand of them.

Times are microseconds; a column named `…_steps` holds the differences from one row to the next.
A store's revisions begin at 1, so that 0 stands for none.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from backstay.drill.history import SECOND, Action, History, Kind, Operation, Outcome
from backstay.drill.report.lanes import lanes
from backstay.drill.report.numbers import Numbers
from backstay.drill.report.plot import Event, events
from backstay.drill.report.times import Times

MICROSECOND = 1_000
"""Nanoseconds."""

MOST_ROWS = 120
"""Of the table that tells the same without a picture."""

T = TypeVar("T", bound=Hashable)


def timeline(history: History, numbers: Numbers) -> dict[str, object]:
    """Return what the page's script draws, as plain values."""
    times = Times.of(history)
    return {
        "began": history.header.started,
        "end": _micro(times.end),
        "fault": _micro(times.fault),
        "undone": _micro(times.undone),
        "clients": [[one.name, one.group] for one in history.header.clients],
        "operations": _columns(history),
        "lanes": [
            {
                "name": lane.name,
                "spans": [
                    [_micro(one.begin), _micro(one.end), one.text, one.tone.value]
                    for one in lane.spans
                ],
            }
            for lane in lanes(history)
        ],
        "turns": [[_micro(one.at), _short(one), one.words] for one in _turns(history)],
        "gaps": list(_gaps(numbers)),
    }


def _micro(moment: int) -> int:
    return moment // MICROSECOND


def _columns(history: History) -> dict[str, object]:
    found = sorted(history.of(Operation), key=lambda one: one.called)
    numbers = {one.name: number for number, one in enumerate(history.header.clients)}
    keys, of_key = _indexed(found, lambda one: one.key)
    errors, of_error = _indexed(found, lambda one: one.error)
    called = [_micro(one.called) for one in found]
    revisions = [0 if one.revision is None else one.revision for one in found]
    return {
        "called_steps": _steps(called),
        "lasted": [_micro(one.returned) - _micro(one.called) for one in found],
        "client": [numbers[one.client] for one in found],
        "kind": [_ACTIONS.index(one.action) + 2 * _OUTCOMES.index(one.outcome) for one in found],
        "retried": [one.told_to_retry for one in found],
        "revision_steps": _steps(revisions),
        "key": of_key,
        "error": of_error,
        "keys": keys,
        "errors": errors,
    }


_ACTIONS = tuple(Action)
_OUTCOMES = tuple(Outcome)


def _steps(values: Sequence[int]) -> list[int]:
    return [after - before for before, after in pairwise((0, *values))]


def _indexed(found: Iterable[Operation], of: Callable[[Operation], T]) -> tuple[list[T], list[int]]:
    """Return the different values in the order of their first use, and the number of each row's."""
    places: dict[T, int] = {}
    column = [places.setdefault(of(one), len(places)) for one in found]
    return list(places), column


def _turns(history: History) -> Iterator[Event]:
    """Yield when another one began to lead or to hold."""
    return (one for one in events(history) if one.kind in {Kind.LEADER, Kind.VIP, Kind.LEASE})


def _short(one: Event) -> str:
    """Return an election or a hand-over in two words."""
    match one.kind:
        case Kind.LEADER:
            return f"leader {one.who}"
        case Kind.VIP:
            return f"address {one.who}"
        case _:
            return f"{one.subject.removeprefix('kube-')} {one.who}"


def _gaps(numbers: Numbers) -> Iterator[list[object]]:
    for gap, what in ((numbers.write_gap, "write"), (numbers.read_gap, "read")):
        if gap is not None:
            words = f"no {what} acknowledged for {gap.seconds:.2f} s"
            yield [_micro(gap.begin), _micro(gap.end), words, f"no {what} {gap.seconds:.2f} s"]


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice of the drill's time in a few numbers; `longest` is in milliseconds."""

    begin: int
    end: int
    acknowledged: int
    failed: int
    unknown: int
    longest: float | None
    events: tuple[str, ...]


def slices(history: History) -> tuple[Slice, ...]:
    """Return the timeline as at most some 120 rows, of one second each if that is enough."""
    end = Times.of(history).end
    step = SECOND * (1 + end // (SECOND * MOST_ROWS))
    rows: list[list[Operation]] = [[] for _ in range(end // step + 1)]
    told: list[list[str]] = [[] for _ in rows]
    for one in history.of(Operation):
        rows[min(max(one.returned // step, 0), len(rows) - 1)].append(one)
    for event in events(history):
        if event.at <= end:
            told[max(event.at // step, 0)].append(event.words)
    return tuple(
        _slice(number * step, step, found, texts)
        for number, (found, texts) in enumerate(zip(rows, told, strict=True))
    )


def _slice(begin: int, step: int, found: Sequence[Operation], texts: Sequence[str]) -> Slice:
    answered = [one for one in found if one.outcome is Outcome.OK]
    return Slice(
        begin,
        begin + step,
        len(answered),
        sum(one.outcome is Outcome.FAIL for one in found),
        sum(one.outcome is Outcome.UNKNOWN for one in found),
        max(((one.returned - one.called) / 1e6 for one in answered), default=None),
        tuple(texts),
    )
