"""Watches must live: what ends one is told from what ends it in order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backstay.drill.history import (
    SECOND,
    Client,
    Connection,
    History,
    Kind,
    Mark,
    Path,
    Stream,
    WatchTurn,
)
from backstay.drill.report.numbers import measure
from fakes.drill_stories import FAULT, story

OTHER = Client("watch-node", Path.NODE, Connection.KEPT, watches=True, host="cp-1")
HEADER = replace(story().header, clients=(*story().header.clients, OTHER))


def turn(second: float, what: Stream, error: str = "", *, client: str = "watch-vip") -> WatchTurn:
    """Something that happened to a watch so many seconds after the fault."""
    return WatchTurn(client, FAULT + int(second * SECOND), what, 1, error)


def cuts(*turns: WatchTurn | Mark) -> int | None:
    marks = tuple(one for one in story().of(Mark) if one.kind in {Kind.PHASE, Kind.FAULT})
    return measure(History(HEADER, (*marks, *turns))).watches_cut


def test_a_watch_that_an_error_ends_is_cut_once() -> None:
    """That it could not be opened again at once is the same cut."""
    opened = turn(-5, Stream.OPENED)
    broken = (turn(1, Stream.FAILED, "eof"), turn(1.1, Stream.FAILED, "refused"))
    assert cuts(opened, *broken) == 1
    assert cuts(opened, *broken, turn(2, Stream.OPENED), turn(3, Stream.FAILED, "reset")) == 2


def test_a_watch_that_ends_in_order_is_not_cut() -> None:
    """A server that goes away says so; a revision that is gone is told; others are not asked."""
    opened = turn(-5, Stream.OPENED)
    assert cuts(opened, turn(1, Stream.CLOSED)) == 0
    assert cuts(opened, turn(1, Stream.COMPACTED, "http 410")) == 0
    assert cuts(opened, turn(1, Stream.FAILED, "goaway")) == 0
    of_a_node = replace(opened, client="watch-node")
    assert cuts(opened, of_a_node, turn(1, Stream.FAILED, "eof", client="watch-node")) == 0


def test_what_was_cut_before_the_fault_does_not_count() -> None:
    """Nor does a watch that was not open."""
    assert cuts(turn(-5, Stream.OPENED), turn(-4, Stream.FAILED, "eof")) == 0
    assert cuts(turn(1, Stream.FAILED, "refused")) == 0


def test_nothing_is_known_of_watches_that_were_not_there() -> None:
    """None was cut, since there was none: that is no zero."""
    assert cuts() is None


def test_a_stream_on_which_nothing_is_sent_counts_as_well() -> None:
    """It has no revision and no events, only its marks."""
    opened = Mark(FAULT - SECOND, Kind.STREAM, "quiet watch", "opened")
    assert cuts(opened, replace(opened, at=FAULT + 1, state="closed")) == 0
    assert cuts(opened, replace(opened, at=FAULT + 1, state="failed", detail="reset")) == 1


@pytest.mark.parametrize("at", [(), (-5, -4), (1,), (1, 2)])
def test_nothing_is_known_of_a_quiet_stream_that_was_not_open(at: tuple[int, ...]) -> None:
    """Of one that ended before the fault came, or was opened after it, no cut proves nothing."""
    kept = Mark(FAULT - SECOND, Kind.STREAM, "quiet watch", "opened")
    states = zip(at, ("opened", "failed"), strict=False)
    other = [Mark(FAULT + n * SECOND, Kind.STREAM, "quiet exec", state) for n, state in states]
    assert cuts(kept, *other) == (None if at else 0)
