"""What a history says in numbers: gaps, failures, and how long the cluster took for what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from backstay.drill.history import (
    SECOND,
    Action,
    History,
    Kind,
    Mark,
    Operation,
    Outcome,
    Path,
)
from backstay.drill.report.times import Gap, Times
from backstay.drill.report.watches import watch_gaps

ENDPOINT = frozenset({Path.VIP, Path.SERVICE})
"""The ways that ordinary clients go: whoever is bound to one machine falls with it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Clients of one kind doing one thing; latencies in milliseconds, of acknowledged ones.

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
    of the endpoint. `write_gap` and `read_gap` are of those that go through the virtual address:
    Services find their own way, and would hide that it was gone. `watch_gaps` are of each group.
    `sessions` are the balancers' connections to each apiserver, before the clients stopped.
    """

    groups: tuple[Group, ...]
    operations: int
    acknowledged: int
    failed: int
    told_to_retry: int
    write_gap: Gap | None
    read_gap: Gap | None
    etcd_write_gap: Gap | None
    p99: float | None
    detected: float | None
    reelected: float | None
    elections: int | None
    vip_moved: float | None
    vip_moves: int | None
    healed: float | None
    watch_gaps: Mapping[str, Gap] = field(default_factory=dict)
    lease_gaps: Mapping[str, float] = field(default_factory=dict)
    lease_overlaps: Mapping[str, float] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    not_ready: tuple[str, ...] = ()
    errors: Mapping[str, int] = field(default_factory=dict)
    sessions: Mapping[str, int] = field(default_factory=dict)

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
            p99=_slowest(mine),
        )


def measure(history: History) -> Numbers:
    """Return the numbers of a history."""
    times = Times.of(history)
    by_group: dict[tuple[str, Action], list[Operation]] = defaultdict(list)
    clients = {one.name: one for one in history.header.clients}
    for one in history.of(Operation):
        by_group[clients[one.client].group, one.action].append(one)
    users = [one for one in history.of(Operation) if clients[one.client].path in ENDPOINT]
    through = [one for one in users if clients[one.client].path is Path.VIP]
    members = [one for one in history.of(Operation) if clients[one.client].path is Path.ETCD]
    marks = history.of(Mark)
    groups = tuple(
        _group(name, action, found, times) for (name, action), found in sorted(by_group.items())
    )
    return Numbers(
        groups=groups,
        operations=len(history.of(Operation)),
        acknowledged=sum(one.outcome is Outcome.OK for one in history.of(Operation)),
        failed=sum(one.outcome is not Outcome.OK for one in users),
        told_to_retry=sum(one.told_to_retry for one in users),
        write_gap=_gap(through, times, Action.WRITE),
        read_gap=_gap(through, times, Action.READ),
        etcd_write_gap=_gap(members, times, Action.WRITE),
        p99=_slowest(one for one in groups if one.name.startswith(tuple(ENDPOINT))),
        detected=_after(times, _detections(marks, times)),
        reelected=_after(times, _new_leaders(marks, times)),
        elections=_counted(marks, Kind.LEADER, _new_leaders(marks, times)),
        vip_moved=_after(times, _moves(marks, times)),
        vip_moves=_counted(marks, Kind.VIP, _moves(marks, times)),
        healed=_healed(users, times),
        watch_gaps=watch_gaps(history, times),
        lease_gaps=dict(_lease_gaps(marks, times)),
        lease_overlaps=dict(_lease_overlaps(marks, times)),
        nodes=tuple(sorted({one.subject for one in marks if one.kind is Kind.NODE})),
        not_ready=_not_ready(marks, times),
        errors=_errors(users),
        sessions=_sessions(marks),
    )


def _group(name: str, action: Action, found: Sequence[Operation], times: Times) -> Group:
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
        gap=_gap(found, times, action),
    )


LATE = SECOND // 10
"""An operation called so much later than it was due was held back by the one before it."""


def _is_held_back(one: Operation) -> bool:
    return one.due is not None and one.called - one.due > LATE


def _slowest(groups: Iterable[Group]) -> float | None:
    return max((one.p99 for one in groups if one.p99 is not None), default=None)


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] if ordered else None


def _gap(found: Iterable[Operation], times: Times, action: Action) -> Gap | None:
    """Return the longest gap that ends after the fault's beginning; None if nobody tried.

    The last one ends with the last call of any client: after it nobody asked.
    """
    mine = [one for one in found if one.action is action]
    if not mine:
        return None
    answered = sorted(one.returned for one in mine if one.outcome is Outcome.OK)
    moments = (times.fault, *answered, times.called)
    spans = [Gap(*pair) for pair in pairwise(sorted(moments)) if pair[1] > times.fault]
    return max(spans, key=lambda one: one.end - one.begin, default=None)


def _after(times: Times, moments: Iterable[int]) -> float | None:
    first = min(moments, default=None)
    return None if first is None else (first - times.fault) / SECOND


def _counted(marks: Iterable[Mark], kind: Kind, found: Iterable[int]) -> int | None:
    """Return how many there were; None if nobody told of such things at all."""
    return sum(1 for _ in found) if any(one.kind is kind for one in marks) else None


def _since(marks: Iterable[Mark], kind: Kind, times: Times) -> Iterator[Mark]:
    return (one for one in marks if one.kind is kind and one.at >= times.fault)


def _detections(marks: Sequence[Mark], times: Times) -> Iterator[int]:
    """Yield when a balancer or a member noticed that something is gone."""
    for one in _since(marks, Kind.READY, times):
        if not one.state.startswith("up"):
            yield one.at
    for one in _since(marks, Kind.LEADER, times):
        if not one.state:
            yield one.at


def _new_leaders(marks: Sequence[Mark], times: Times) -> Iterator[int]:
    """Yield when somebody first followed another leader than the last one."""
    known = ""
    for one in sorted(marks, key=lambda mark: mark.at):
        if one.kind is Kind.LEADER and one.state and one.state != known:
            if known and one.at >= times.fault:
                yield one.at
            known = one.state


def _moves(marks: Sequence[Mark], times: Times) -> Iterator[int]:
    return (one.at for one in _since(marks, Kind.VIP, times) if one.state == "holds")


def _healed(users: Sequence[Operation], times: Times) -> float | None:
    """Return how long after the undoing the last failure of a client returned; 0 for none."""
    late = [one.returned for one in users if one.outcome is not Outcome.OK]
    last = max((one for one in late if one > times.undone), default=times.undone)
    return (last - times.undone) / SECOND


def _acquisitions(marks: Sequence[Mark], times: Times) -> Iterator[Mark]:
    return (one for one in _since(marks, Kind.LEASE, times) if one.detail == "acquired")


def _lease_gaps(marks: Sequence[Mark], times: Times) -> Iterator[tuple[str, float]]:
    """Yield, for each lease that changed hands, when its next holder had it."""
    found: dict[str, int] = {}
    for one in _acquisitions(marks, times):
        found[one.subject] = min(one.at, found.get(one.subject, one.at))
    for lease, at in sorted(found.items()):
        yield lease, (at - times.fault) / SECOND


def _lease_overlaps(marks: Sequence[Mark], times: Times) -> Iterator[tuple[str, float]]:
    """Yield how long an old holder's process went on after the next one had the lease.

    A lease promises nothing better (client-go's leaderelection); it is 0 for one that had ended.
    When an end was not heard of, as of a machine that lost its power, there is nothing to say.
    """
    holders = {
        one.subject: one.state for one in marks if one.kind is Kind.LEASE and one.at < times.fault
    }
    for one in _acquisitions(marks, times):
        old = holders.get(one.subject)
        ends = [
            mark.at
            for mark in _since(marks, Kind.UNIT, times)
            if mark.subject == old and mark.detail.startswith(one.subject)
            if mark.state in {"exited", "inactive"}
        ]
        if ends and old != one.state:
            yield one.subject, max(0.0, (min(ends) - one.at) / SECOND)


def _not_ready(marks: Sequence[Mark], times: Times) -> tuple[str, ...]:
    found = (one.subject for one in _since(marks, Kind.NODE, times) if one.state != "True")
    return tuple(sorted(set(found)))


def _sessions(marks: Sequence[Mark]) -> Mapping[str, int]:
    """Return how many connections led from all balancers to each apiserver at the end."""
    count: dict[str, int] = defaultdict(int)
    for one in marks:
        if one.kind is Kind.SESSIONS and one.state.isdecimal():
            count[one.detail] += int(one.state)
    return dict(sorted(count.items()))


def _errors(found: Iterable[Operation]) -> Mapping[str, int]:
    count: dict[str, int] = defaultdict(int)
    for one in found:
        if one.outcome is not Outcome.OK:
            count[one.error] += 1
    return dict(sorted(count.items(), key=lambda pair: (-pair[1], pair[0])))
