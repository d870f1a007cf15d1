"""How far watches were behind what was written, and how many of them were cut."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate

from backstay.drill.history import (
    Action,
    Client,
    History,
    Kind,
    Mark,
    Operation,
    Outcome,
    Path,
    Stream,
    WatchEvent,
    WatchTurn,
)
from backstay.drill.report.times import Gap, Times

ORDERLY = "goaway"
"""An error that is none: a server that goes away says so, and its client goes on with another."""


def watch_gaps(history: History, times: Times) -> dict[str, Gap]:
    """Return, for each group of watches, the longest time that one of them was behind.

    Only writes that were acknowledged after the fault count. What was never told of was not told
    of until the clients were stopped.
    """
    events: dict[str, list[WatchEvent]] = defaultdict(list)
    for one in history.of(WatchEvent):
        events[one.client].append(one)
    found: dict[str, Gap] = {}
    for client in history.header.clients:
        if client.watches:
            for gap in _gaps(client, events[client.name], history, times):
                longest = found.get(client.group)
                if longest is None or gap.seconds > longest.seconds:
                    found[client.group] = gap
    return found


def _gaps(
    client: Client, events: Sequence[WatchEvent], history: History, times: Times
) -> Iterator[Gap]:
    """Yield how long each write took to arrive; one that came before its answer took nothing."""
    ordered = sorted(events, key=lambda one: one.at)
    known = list(accumulate((one.modified for one in ordered), max))
    stores = {one.name: one.store for one in history.header.clients}
    for write in history.of(Operation):
        if stores[write.client] == client.store and _counts(write, times):
            place = bisect_left(known, write.modified or 0)
            told = ordered[place].at if place < len(ordered) else times.end
            yield Gap(write.returned, max(told, write.returned))


def _counts(one: Operation, times: Times) -> bool:
    is_write = one.action is Action.WRITE and one.outcome is Outcome.OK
    return is_write and one.modified is not None and times.fault <= one.returned <= times.end


def cuts(history: History, times: Times) -> int | None:
    """Return how many streams through the endpoint an error ended; None if there were none.

    These are the watches, and the quiet streams that nothing is sent on. One that cannot be opened
    again is cut once; of a quiet stream that was not open when the fault came nothing is known.
    """
    watches = (one for one in history.header.clients if one.watches)
    clients = {one.name for one in watches if one.path in {Path.VIP, Path.SERVICE}}
    turns: list[WatchTurn | Mark] = [
        *(one for one in history.of(WatchTurn) if one.client in clients),
        *(one for one in history.of(Mark) if one.kind is Kind.STREAM),
    ]
    ordered = sorted(turns, key=lambda one: one.at)
    if not turns or _is_any_closed(ordered, times):
        return None
    return sum(at >= times.since for at in _cut(ordered))


def _is_any_closed(turns: Sequence[WatchTurn | Mark], times: Times) -> bool:
    """Return whether a quiet stream was not open right before the fault."""
    quiet = [one for one in turns if isinstance(one, Mark)]
    states = {one.subject: one.state for one in quiet if one.at < times.since}
    return any(states.get(one.subject) != Stream.OPENED for one in quiet)


def _cut(turns: Sequence[WatchTurn | Mark]) -> Iterator[int]:
    """Yield when a stream that was open failed."""
    is_open: dict[str, bool] = {}
    for one in turns:
        name, turn, error = _turn(one)
        if turn == Stream.FAILED and is_open.get(name) and error != ORDERLY:
            yield one.at
        is_open[name] = turn == Stream.OPENED


def _turn(one: WatchTurn | Mark) -> tuple[str, str, str]:
    """Return of which stream it is, what happened to it, and the error."""
    if isinstance(one, Mark):
        return one.subject, one.state, one.detail
    return one.client, one.turn, one.error
