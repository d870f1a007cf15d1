"""What a history says in numbers: gaps, failures, and how long the cluster took for what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from backstay.drill.history import (
    SECOND,
    Action,
    Client,
    Connection,
    History,
    Kind,
    Mark,
    Operation,
    Outcome,
    Path,
)
from backstay.drill.oracle.clients import NOTICED_SECONDS, is_given_up, lateness
from backstay.drill.report import told
from backstay.drill.report.times import Gap, Times
from backstay.drill.report.watches import cuts, watch_gaps

ENDPOINT = frozenset({Path.VIP, Path.SERVICE})
"""The ways that ordinary clients go: whoever is bound to one machine falls with it."""

KEPT = f"{Path.VIP} {Connection.KEPT}"
"""The group of clients with a connection of their own through the virtual address."""

ASKED_AGAIN = frozenset({"reset", "eof", "connect reset", "ping timeout"})
"""Ends of a connection after which client-go asks again, if all it asked was to read: GET in
`isErrRetryableFunc` of its rest/request.go (0.37)."""


@dataclass(frozen=True, slots=True)
class Group:
    """Clients of one kind doing one thing since the fault; latencies of acknowledged ones, in ms.

    `failed` is certain not to have happened, `unknown` is not; both are failures to a caller.
    `held_back` could not be called in time because the one before had no answer yet.
    """

    name: str
    action: Action
    operations: int
    ok: int
    failed: int
    unknown: int
    told_to_retry: int
    held_back: int
    p50: float | None
    p99: float | None
    longest: float | None
    gap: Gap | None


@dataclass(frozen=True, slots=True)
class Numbers:
    """Everything that is measured; None is what was not seen. Times in seconds after the fault.

    `failed`, `told_to_retry` and `p99`, in milliseconds and of the slowest group, are of clients
    of the endpoint; `handed` are those failed that client-go does not ask again by itself, and
    `failed_before` the fault is none of its doing. `write_gap` and `read_gap` are
    of those that go through the virtual address: Services find their own way, and would hide that
    it was gone. They end when anybody is served; `client_gap` is the longest that any one client
    with a kept connection there had no answer, `client_gaps` of each group. `watch_gaps` are of
    each group too; `watches_cut` are those of the endpoint that an error ended, an `exec` too.
    `out` is until all balancers had left out an apiserver, `vip_split` how long two machines held
    the address once the fault was undone, and `healed` when the last failure or part that was down
    was over.
    `pauses` are when this computer did not let its clients call, though they were due.
    `sessions` are the balancers' connections to each apiserver, before the clients stopped, and
    `renewal_gaps` how long each node said nothing.
    """

    groups: tuple[Group, ...]
    operations: int
    acknowledged: int
    failed: int
    handed: int
    failed_before: int
    told_to_retry: int
    write_gap: Gap | None
    read_gap: Gap | None
    etcd_write_gap: Gap | None
    client_gap: Gap | None
    p99: float | None
    detected: float | None
    out: float | None
    reelected: float | None
    elections: int | None
    vip_moved: float | None
    vip_moves: int | None
    vip_split: float | None
    healed: float | None
    watches_cut: int | None = None
    client_gaps: Mapping[str, Gap] = field(default_factory=dict)
    watch_gaps: Mapping[str, Gap] = field(default_factory=dict)
    lease_gaps: Mapping[str, float] = field(default_factory=dict)
    lease_overlaps: Mapping[str, float] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    not_ready: tuple[str, ...] = ()
    errors: Mapping[str, int] = field(default_factory=dict)
    sessions: Mapping[str, int] = field(default_factory=dict)
    renewal_gaps: Mapping[str, float] = field(default_factory=dict)
    pauses: tuple[Gap, ...] = ()

    def of(self, group: str) -> Numbers:
        """Return the numbers with those of one group in the place of the endpoint's."""
        mine = tuple(one for one in self.groups if one.name == group)
        gaps = {one.action: one.gap for one in mine}
        return replace(
            self,
            groups=mine,
            failed=sum(one.failed + one.unknown for one in mine),
            told_to_retry=sum(one.told_to_retry for one in mine),
            write_gap=gaps.get(Action.WRITE),
            read_gap=gaps.get(Action.READ),
            client_gap=self.client_gaps.get(group),
            p99=_slowest(mine),
        )


def measure(history: History) -> Numbers:
    """Return the numbers of a history."""
    times = Times.of(history)
    clients = {one.name: one for one in history.header.clients}
    operations, marks = history.of(Operation), history.of(Mark)
    users = [one for one in operations if clients[one.client].path in ENDPOINT]
    through = [one for one in users if clients[one.client].path is Path.VIP]
    members = [one for one in operations if clients[one.client].path is Path.ETCD]
    before, during = _parted(users, times)
    groups = tuple(_groups(operations, clients, times))
    waits = _client_gaps(operations, clients, times)
    return Numbers(
        groups=groups,
        operations=len(operations),
        acknowledged=sum(one.outcome is Outcome.OK for one in operations),
        failed=_failures(during),
        handed=sum(_is_handed(one) for one in during),
        failed_before=_failures(before),
        told_to_retry=sum(one.told_to_retry for one in during),
        write_gap=_gap(through, times, Action.WRITE),
        read_gap=_gap(through, times, Action.READ),
        etcd_write_gap=_gap(members, times, Action.WRITE),
        client_gap=waits.get(KEPT),
        p99=_slowest(one for one in groups if one.name.startswith(tuple(ENDPOINT))),
        detected=told.first_after(times, told.detections(marks, times)),
        out=told.out(marks, _target(history), times),
        reelected=told.first_after(times, told.new_leaders(marks, times)),
        elections=told.counted(marks, Kind.LEADER, told.new_leaders(marks, times)),
        vip_moved=told.first_after(times, told.moves(marks, times)),
        vip_moves=told.counted(marks, Kind.VIP, told.moves(marks, times)),
        vip_split=told.split(marks, times) if times.is_undone else None,
        healed=_healed(users, marks, times),
        watch_gaps=watch_gaps(history, times),
        watches_cut=cuts(history, times),
        client_gaps=waits,
        lease_gaps=told.lease_gaps(marks, times),
        lease_overlaps=told.lease_overlaps(marks, times),
        nodes=tuple(sorted({one.subject for one in marks if one.kind is Kind.NODE})),
        not_ready=told.not_ready(marks, times),
        errors=_errors(during),
        sessions=told.sessions(marks, history.header.planes),
        renewal_gaps=told.renewal_gaps(marks, times),
        pauses=tuple(_pauses(history)),
    )


def _parted(
    found: Iterable[Operation], times: Times
) -> tuple[Sequence[Operation], Sequence[Operation]]:
    """Return what returned before the fault could have had to do with it, and what came after."""
    both: tuple[list[Operation], list[Operation]] = [], []
    for one in found:
        both[one.returned >= times.since].append(one)
    return both


def _failures(found: Iterable[Operation]) -> int:
    return sum(one.outcome is not Outcome.OK for one in found)


def _is_handed(one: Operation) -> bool:
    is_asked_again = one.action is Action.READ and one.error in ASKED_AGAIN
    return one.outcome is not Outcome.OK and not is_asked_again


def _groups(
    operations: Iterable[Operation], clients: Mapping[str, Client], times: Times
) -> Iterator[Group]:
    """Yield each group of clients that did something; gaps may begin before the fault."""
    found: dict[tuple[str, Action], list[Operation]] = defaultdict(list)
    for one in operations:
        found[clients[one.client].group, one.action].append(one)
    for (name, action), mine in sorted(found.items()):
        yield _group(name, action, _parted(mine, times)[1], _gap(mine, times, action))


def _group(name: str, action: Action, found: Sequence[Operation], gap: Gap | None) -> Group:
    ok = sorted((one.returned - one.called) / 1e6 for one in found if one.outcome is Outcome.OK)
    return Group(
        name=name,
        action=action,
        operations=len(found),
        ok=len(ok),
        failed=sum(one.outcome is Outcome.FAIL for one in found),
        unknown=sum(one.outcome is Outcome.UNKNOWN for one in found),
        told_to_retry=sum(one.told_to_retry for one in found),
        held_back=sum(_is_held_back(one) for one in found),
        p50=_percentile(ok, 50),
        p99=_percentile(ok, 99),
        longest=ok[-1] if ok else None,
        gap=gap,
    )


LATE = SECOND // 10
"""An operation called so much later than it was due was held back by the one before it."""


def _is_held_back(one: Operation) -> bool:
    return one.due is not None and one.called - one.due > LATE


def _slowest(groups: Iterable[Group]) -> float | None:
    return max((one.p99 for one in groups if one.p99 is not None), default=None)


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] if ordered else None


def _gap(found: Iterable[Operation], times: Times, action: Action | None = None) -> Gap | None:
    """Return the longest gap that ends after the fault's beginning; None if nobody tried.

    It begins with the last answer, before the fault too, and with the fault if there was none yet.
    The last one ends with the last call of any client: after it nobody asked.
    """
    mine = [one for one in found if action in {None, one.action}]
    if not mine:
        return None
    answered = sorted(one.returned for one in mine if one.outcome is Outcome.OK)
    first = [] if answered and answered[0] <= times.fault else [times.fault]
    moments = sorted((*first, *answered, times.called))
    spans = [Gap(*pair) for pair in pairwise(moments) if pair[1] > times.fault]
    return max(spans, key=lambda one: one.seconds, default=None)


def _client_gaps(
    operations: Iterable[Operation], clients: Mapping[str, Client], times: Times
) -> dict[str, Gap]:
    """Return, for each group, the longest time that one of its clients had no answer at all."""
    mine: dict[str, list[Operation]] = defaultdict(list)
    for one in operations:
        mine[one.client].append(one)
    found: dict[str, Gap] = {}
    for client, each in sorted(mine.items()):
        gap, group = _gap(each, times), clients[client].group
        if gap is not None and (group not in found or gap.seconds > found[group].seconds):
            found[group] = gap
    return found


def _pauses(history: History) -> Iterator[Gap]:
    for seconds, one in lateness(history):
        if seconds > NOTICED_SECONDS and not is_given_up(one):
            yield Gap(one.called - int(seconds * SECOND), one.called)


def _target(history: History) -> str:
    """Return the one target, if it is one, and has an apiserver; of several each has its time."""
    targets = history.header.targets
    return targets[0] if len(targets) == 1 and targets[0] in history.header.planes else ""


def _healed(users: Sequence[Operation], marks: Sequence[Mark], times: Times) -> float | None:
    """Return how long after the undoing the last failure of a client, or of a part, was over.

    0 if there was none; None if something was still down when the clients stopped, or if it was
    never undone.
    """
    failures = (one.returned for one in users if one.outcome is not Outcome.OK)
    if (up := told.recovered(marks, times)) is None or not times.is_undone:
        return None
    return (max(times.undone, up, *failures) - times.undone) / SECOND


def _errors(found: Iterable[Operation]) -> Mapping[str, int]:
    count: dict[str, int] = defaultdict(int)
    for one in found:
        if one.outcome is not Outcome.OK:
            count[one.error] += 1
    return dict(sorted(count.items(), key=lambda pair: (-pair[1], pair[0])))
