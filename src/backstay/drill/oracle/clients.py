"""Whether clients kept their own time: what their computer delays looks like the cluster's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from backstay.drill.history import SECOND, Connection, History, Operation
from backstay.drill.oracle.stores import first, phases, told
from backstay.drill.oracle.verdict import Finding, Verdict

CHECK = "clients"

LATEST_SECONDS = 0.6
"""How late a client may be by itself: a computer that is away for as long as the shortest time that
any client waits for an answer makes a failure of a good one.

In good drills with 275 operations per second, on a computer of two cores that ran the machines too
and other work at a low priority, the worst was 0.45 s: time-outs found while all failed at once.
"""

NOTICED_SECONDS = 0.1
"""A time-out that is found so much later than it was due is told of."""

TIMEOUT = "timeout_seconds"
"""The key of Header.load that says how long a client waits."""

TIMEOUTS = frozenset({"timeout", "connect timeout"})

Late = tuple[float, Operation]
"""By how many seconds an operation was late, and which."""


def check(history: History) -> Finding:
    """Say whether clients were in time from the fault on, until all had settled."""
    began = phases(history)
    begin, end = began.get("fault", 0), began.get("settle", inf)
    late = [one for one in lateness(history) if begin <= one[1].called < end]
    if not late:
        return Finding(CHECK, Verdict.INCONCLUSIVE, "nobody called while the fault stood")
    seconds, one = max(late, key=lambda pair: pair[0])
    what = f"{one.client} at {one.called / SECOND:.3f} s, by {max(0.0, seconds) * 1000:.0f} ms"
    if seconds > LATEST_SECONDS:
        said = f"this computer was too busy for its clients, and late for {what}"
        return Finding(CHECK, Verdict.INCONCLUSIVE, said, first(_given_up_late(late)))
    said = f"no client was late by itself; most of all {what}"
    return Finding(CHECK, Verdict.PASS, said, first(_given_up_late(late)))


def lateness(history: History) -> Iterator[Late]:
    """Yield by how much each client was late by itself, whatever the cluster did.

    It calls when that is due, or when the one before has returned; and it gives up in time. One
    that opens a connection for each call has to close the last before it.
    """
    kept = {one.name for one in history.header.clients if one.connection is Connection.KEPT}
    limit = history.header.load.get(TIMEOUT)
    free: dict[str, int] = {}
    for one in sorted(history.of(Operation), key=lambda one: one.called):
        if one.client in kept and one.due is not None:
            yield (one.called - max(one.due, free.get(one.client, 0))) / SECOND, one
        free[one.client] = one.returned
        if limit is not None and is_given_up(one):
            yield (one.returned - one.called) / SECOND - limit, one


def is_given_up(one: Operation) -> bool:
    """Return whether a client's only attempt had no answer in time."""
    return one.error in TIMEOUTS and not one.told_to_retry


def _given_up_late(late: Iterable[Late]) -> Iterator[str]:
    for seconds, one in late:
        if is_given_up(one) and seconds > NOTICED_SECONDS:
            yield f"{told(one)}, given up {seconds * 1000:.0f} ms late"
