"""Which timers fit the machines: measurements in, a proposal with its arithmetic out.

A timer that is too short takes a machine for lost that is only late. So each has a least value,
the sum of what may delay a sign of life, with room for what is rarer than one in a hundred. What
is proposed is the quickest profile, with each timer raised to its least value where that is more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from annotated_types import Le

from backstay.components.loadbalancer import FALL
from backstay.components.virtual_address import HIGHEST_PRIORITY
from backstay.errors import AnswerIsNoError
from backstay.planning.spread import Spread
from backstay.spec.model import Etcd, LoadBalancer
from backstay.spec.profiles import TIMERS, Profile, Timers

STEP = 10
"""Milliseconds; proposals are whole multiples, which is also what VRRP can count."""

HEARTBEATS = 5
"""Fewer in an election time-out, and etcd ends with an error (embed/config.go)."""

ADVERTS = 3
PRIORITIES = 256
"""An address moves after three silences and a skew of (256 - priority)/256 (RFC 9568)."""


class Quantity(StrEnum):
    """What is measured."""

    ROUND_TRIP = "round trip"
    FSYNC = "fsync"
    LATENESS = "lateness"
    READYZ = "/readyz"


class Source(StrEnum):
    """Who measured: etcd, ever since it started, or we, just now."""

    ETCD = "etcd"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Measured:
    """How long something takes on a machine, or from one machine to another."""

    quantity: Quantity
    host: str
    spread: Spread
    source: Source = Source.PROBE
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Least:
    """The least value of a timer in whole milliseconds, and the sum that it comes from."""

    milliseconds: int
    arithmetic: str


@dataclass(frozen=True, slots=True)
class Gaps:
    """How long clients wait at most, in milliseconds, for each thing that can be lost."""

    leader: float
    apiserver: float
    address: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """The timers proposed, with the profile that they are nearest to and what differs from it."""

    timers: Timers
    profile: Profile
    least: Mapping[str, Least]

    @property
    def own(self) -> Mapping[str, int]:
        """The timers that are not the profile's."""
        usual = TIMERS[self.profile].values()
        return {name: one for name, one in self.timers.values().items() if one != usual[name]}


def worst(measured: Iterable[Measured]) -> Mapping[Quantity, Measured]:
    """Return the slowest of each quantity: timers are the same on all machines."""
    found: dict[Quantity, Measured] = {}
    for one in measured:
        so_far = found.get(one.quantity)
        if so_far is None or one.spread.p99 > so_far.spread.p99:
            found[one.quantity] = one
    return found


def propose(measured: Iterable[Measured]) -> Proposal:
    """Return the proposal; AnswerIsNoError when no timers fit such machines."""
    least = dict(_least(worst(measured)))
    fast = TIMERS[Profile.FAST].values()
    raised = fast | {name: max(fast[name], one.milliseconds) for name, one in least.items()}
    for name, value in raised.items():
        if value > (most := _most(name)):
            raise AnswerIsNoError(
                "no timers fit these machines",
                why=f"{name} would have to be {value}, and can be {most} at most",
                next_move="backstay tune -o wide shows which of them is slow",
            )
    timers = Timers(**raised)
    profile = min(TIMERS, key=lambda one: _distance(timers, TIMERS[one]))
    return Proposal(timers, profile, least)


def fits(timers: Timers, least: Mapping[str, Least]) -> bool:
    """Return whether no timer is below its least value."""
    values = timers.values()
    return all(values[name] >= one.milliseconds for name, one in least.items())


def gaps(timers: Timers) -> Gaps:
    """Return what the timers imply.

    Raft waits for up to twice the time-out, at random. A balancer asks again sooner once a check
    has failed, and each check that a frozen apiserver accepts takes the whole time-out.
    """
    skew = (PRIORITIES - HIGHEST_PRIORITY) / PRIORITIES
    return Gaps(
        leader=2 * timers.election_milliseconds,
        apiserver=timers.check_interval_milliseconds
        + (FALL - 1) * timers.check_fast_interval_milliseconds
        + FALL * timers.check_timeout_milliseconds,
        address=(ADVERTS + skew) * timers.advert_interval_milliseconds,
    )


def _least(found: Mapping[Quantity, Measured]) -> Iterator[tuple[str, Least]]:
    """Yield the least value of each timer that what was measured says something about."""
    trip, fsync, late, ready = Quantity
    # etcd's tuning.md: a heartbeat as long as a round trip, up to one and a half times.
    heartbeat = _times(1.5, found, trip)
    yield "heartbeat_milliseconds", heartbeat
    # etcd's tuning.md: ten round trips. A leader that waits for its disk or for a processor is as
    # silent as one that is far away, and the slowest of 28,000 fsyncs in the lab took ten times
    # what 99 of 100 stayed below.
    beat = max(heartbeat.milliseconds, TIMERS[Profile.FAST].heartbeat_milliseconds)
    delays = _times(10, found, trip, fsync, late)
    yield (
        "election_milliseconds",
        max(
            Least(beat + delays.milliseconds, f"heartbeat {beat} ms + {delays.arithmetic}"),
            Least(HEARTBEATS * beat, f"{HEARTBEATS} × heartbeat {beat} ms: etcd refuses less"),
            key=lambda one: one.milliseconds,
        ),
    )
    # The address moves after three: nine times what delays one.
    yield "advert_interval_milliseconds", _times(3, found, trip, late)
    # Two checks in a row must fail, each over a connection of its own.
    yield "check_timeout_milliseconds", _times(3, found, ready)


def _times(factor: float, found: Mapping[Quantity, Measured], *quantities: Quantity) -> Least:
    """Return so many times the sum of what 99 of 100 stay below, rounded up; 0 of nothing."""
    known = [found[one] for one in quantities if one in found]
    total = factor * sum(one.spread.p99 for one in known)
    parts = " + ".join(f"{one.quantity} {one.spread.p99:.1f} ms" for one in known)
    summed = f"({parts})" if len(known) > 1 else parts
    return Least(STEP * ceil(total / STEP), f"{factor:g} × {summed or 'what was not measured'}")


def _distance(one: Timers, other: Timers) -> int:
    """Return how many timers differ."""
    usual = other.values()
    return sum(value != usual[name] for name, value in one.values().items())


def _most(name: str) -> int:
    """Return the largest value that `cluster.yaml` may have there."""
    fields = {**Etcd.model_fields, **LoadBalancer.model_fields}
    return next(int(str(one.le)) for one in fields[name].metadata if isinstance(one, Le))
