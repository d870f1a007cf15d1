"""What the machines told, in numbers: who noticed, who led and held, what healed, and when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from backstay.drill.history import ACQUIRED, HOLDS, SECOND, Kind, Mark
from backstay.drill.report.times import Times

ENDED = frozenset({"exited", "inactive"})
"""Of a unit whose process is gone."""

OF_A_MACHINE = "the machine"
"""The end of the words for a fault that takes a whole machine, and its journal with it."""

FREEZE = "freeze"
"""The beginning of the words for a fault whose victim goes on where it was once it is undone."""

HEARD = frozenset({Kind.LEADER, Kind.VIP, Kind.READY, Kind.UNIT})
"""What comes from the journal of the machine that it is about."""


def first_after(times: Times, moments: Iterable[int]) -> float | None:
    """Return how many seconds after the fault the first of some moments was."""
    first = min(moments, default=None)
    return None if first is None else max(0.0, (first - times.fault) / SECOND)


def counted(marks: Iterable[Mark], kind: Kind, found: Iterable[int]) -> int | None:
    """Return how many there were; None if nobody told of such things at all."""
    return sum(1 for _ in found) if any(one.kind is kind for one in marks) else None


def _since(marks: Iterable[Mark], kind: Kind, times: Times) -> Iterator[Mark]:
    return (one for one in marks if one.kind is kind and one.at >= times.since)


def _is_up(mark: Mark) -> bool:
    return mark.state.startswith("up")


def detections(marks: Sequence[Mark], times: Times) -> Iterator[int]:
    """Yield when a balancer or a member noticed that something is gone."""
    yield from (one.at for one in _since(marks, Kind.READY, times) if not _is_up(one))
    yield from (one.at for one in _since(marks, Kind.LEADER, times) if not one.state)


def out(marks: Sequence[Mark], target: str, times: Times) -> float | None:
    """Return until when every balancer had left out the apiserver of a machine.

    None if one that reports at all never did; the balancer of a machine that is gone itself is
    not asked.
    """
    gone = _machines(marks)
    balancers = {one.subject for one in marks if one.kind in {Kind.READY, Kind.SESSIONS}} - gone
    first: dict[str, int] = {}
    for one in sorted(_since(marks, Kind.READY, times), key=lambda mark: mark.at):
        if not _is_up(one) and one.detail.partition(":")[0] == target:
            first.setdefault(one.subject, one.at)
    found = [first[balancer] for balancer in balancers & first.keys()]
    return first_after(times, [max(found)]) if found and len(found) == len(balancers) else None


def _machines(marks: Iterable[Mark]) -> frozenset[str]:
    """Return the machines that were taken as a whole."""
    found = (one for one in marks if one.kind is Kind.FAULT and one.detail.endswith(OF_A_MACHINE))
    return frozenset(one.subject for one in found)


def new_leaders(marks: Sequence[Mark], times: Times) -> Iterator[int]:
    """Yield when somebody first followed the leader of a later term.

    The same member may win again, and a member that starts follows the old leader anew. Where a
    term is not known, another leader is a new one.
    """
    leader, term = "", None
    for one in sorted(marks, key=lambda mark: mark.at):
        if one.kind is Kind.LEADER and one.state:
            its = int(one.detail) if one.detail.isdecimal() else None
            known = None not in (term, its)
            is_new = (its or 0) > (term or 0) if known else leader not in {"", one.state}
            if is_new and one.at >= times.since:
                yield one.at
            if is_new or not known:
                leader, term = one.state, its if its is not None else term


def moves(marks: Sequence[Mark], times: Times) -> Iterator[int]:
    """Yield when a machine took the virtual address."""
    return (one.at for one in _since(marks, Kind.VIP, times) if one.state == HOLDS)


def split(marks: Sequence[Mark], times: Times) -> float | None:
    """Return how long after the undoing more than one machine held the address; 0 if none did.

    None if nobody told of it, or if one that was gone as a machine did not say what it holds now.
    """
    turns = sorted((one for one in marks if one.kind is Kind.VIP), key=lambda mark: mark.at)
    told = {one.subject for one in turns if one.at > times.undone}
    states = list(_holders(turns, times.end))
    last = states[-1][2] if states else frozenset()
    if not turns or (len(last) > 1 and (last & _machines(marks)) - told):
        return None
    ends = (end for _, end, holders in states if len(holders) > 1)
    return max(0.0, (max(ends, default=times.undone) - times.undone) / SECOND)


def _holders(turns: Sequence[Mark], end: int) -> Iterator[tuple[int, int, frozenset[str]]]:
    """Yield from when to when which machines held the address."""
    holders: frozenset[str] = frozenset()
    for one, after in pairwise((*turns, None)):
        mine = frozenset({one.subject}) if one else frozenset()
        holders = holders | mine if one and one.state == HOLDS else holders - mine
        yield one.at if one else 0, after.at if after else end, holders


def acquisitions(marks: Sequence[Mark], times: Times) -> Iterator[Mark]:
    """Yield when somebody took a lease."""
    return (one for one in _since(marks, Kind.LEASE, times) if one.detail == ACQUIRED)


def lease_gaps(marks: Sequence[Mark], times: Times) -> Mapping[str, float]:
    """Return, for each lease that changed hands, when its next holder had it."""
    found: dict[str, list[int]] = defaultdict(list)
    for one in acquisitions(marks, times):
        found[one.subject].append(one.at)
    return {lease: first_after(times, at) or 0.0 for lease, at in sorted(found.items())}


def lease_overlaps(marks: Sequence[Mark], times: Times) -> Mapping[str, float]:
    """Return for each lease how long at most an old holder went on after the next one had it.

    A lease promises nothing better (client-go's leaderelection); it is 0 for one that had ended.
    One that was frozen did nothing until it was thawed, and one that then never ended went on.
    When a machine was not heard at all, as one that lost its power, there is nothing to say.
    """
    holders = {
        one.subject: one.state for one in marks if one.kind is Kind.LEASE and one.at < times.since
    }
    found: dict[str, float] = {}
    for one in acquisitions(marks, times):
        old = holders.get(one.subject)
        if old is not None and old != one.state:
            begin = max(one.at, times.undone) if _was_frozen(old, marks) else one.at
            if (end := _end_of(one.subject, old, marks, times)) is not None:
                beside = max(0.0, (end - begin) / SECOND)
                found[one.subject] = max(beside, found.get(one.subject, 0.0))
    return found


def _was_frozen(host: str, marks: Iterable[Mark]) -> bool:
    faults = (one for one in marks if one.kind is Kind.FAULT and one.subject == host)
    return any(one.detail.startswith(FREEZE) for one in faults)


def _end_of(unit: str, host: str, marks: Sequence[Mark], times: Times) -> int | None:
    """Return when the process of a unit ended there; None if that was not to be heard."""
    ends = [
        one.at
        for one in _since(marks, Kind.UNIT, times)
        if one.subject == host and one.detail.startswith(unit) and one.state in ENDED
    ]
    goes_on = _was_frozen(host, marks) and _spoke_after(times.undone, host, marks)
    return min(ends) if ends else times.end if goes_on else None


def _spoke_after(moment: int, host: str, marks: Iterable[Mark]) -> bool:
    """Return whether a machine's journal was heard after a moment."""
    return any(one.kind in HEARD and one.subject == host and one.at > moment for one in marks)


def not_ready(marks: Sequence[Mark], times: Times) -> tuple[str, ...]:
    """Return the nodes that were not Ready at some time."""
    found = (one.subject for one in _since(marks, Kind.NODE, times) if one.state != "True")
    return tuple(sorted(set(found)))


def renewal_gaps(marks: Sequence[Mark], times: Times) -> Mapping[str, float]:
    """Return, for each node, the longest time without a word of it that ends after the fault."""
    found: dict[str, list[int]] = defaultdict(list)
    for one in marks:
        if one.kind is Kind.RENEWAL:
            found[one.subject].append(one.at)
    return {node: _longest((*at, times.end), times) for node, at in sorted(found.items())}


def _longest(moments: Iterable[int], times: Times) -> float:
    spans = (pair for pair in pairwise(sorted(moments)) if pair[1] > times.since)
    return max((end - begin for begin, end in spans), default=0) / SECOND


def sessions(marks: Sequence[Mark], planes: Iterable[str]) -> Mapping[str, int]:
    """Return how many connections led from all balancers to each apiserver at the end.

    A balancer tells only of those that it has any to; where none tells, nothing is known.
    """
    counted = [one for one in marks if one.kind is Kind.SESSIONS and one.state.isdecimal()]
    count = dict.fromkeys(planes, 0) if counted else {}
    for one in counted:
        count[one.detail] = count.get(one.detail, 0) + int(one.state)
    return dict(sorted(count.items()))


_IS_WELL: Mapping[Kind, Callable[[Mark], bool]] = {
    Kind.LEADER: lambda mark: bool(mark.state),
    Kind.READY: _is_up,
    Kind.UNIT: lambda mark: mark.state == "active",
    Kind.NODE: lambda mark: mark.state == "True",
}
"""What a mark says of something that is as it should be."""


def recovered(marks: Iterable[Mark], times: Times) -> int | None:
    """Return when the last of what had fallen was up again; None if something was not."""
    latest: dict[tuple[Kind, str, str], Mark] = {}
    for one in sorted(marks, key=lambda mark: mark.at):
        if one.kind in _IS_WELL and one.at >= times.since:
            latest[one.kind, one.subject, _what(one)] = one
    if not all(_IS_WELL[one.kind](one) for one in latest.values()):
        return None
    return max((one.at for one in latest.values()), default=times.undone)


def _what(mark: Mark) -> str:
    """Return which apiserver or which unit it is about; there is one of all else."""
    return mark.detail.partition(":")[0] if mark.kind in {Kind.READY, Kind.UNIT} else ""
