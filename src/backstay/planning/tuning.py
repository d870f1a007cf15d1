"""Which timers fit the machines: measurements in, a proposal with its arithmetic out.

A timer that is too short takes a machine for lost that is only late. So each has a least value,
the sum of what may delay a sign of life, with room for what is rarer than one in a hundred. What
is proposed is the quickest profile, with each timer raised to its least value where that is more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from annotated_types import Le

from backstay.components.loadbalancer import FALL
from backstay.components.virtual_address import NEXT_PRIORITY
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
    balancer: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """The timers that fit, None where cluster.yaml may have none that would; and why.

    `missing` is what ought to have been measured, and was not measured anywhere.
    """

    timers: Timers | None
    least: Mapping[str, Least]
    missing: tuple[Quantity, ...] = ()

    @property
    def profile(self) -> Profile | None:
        """The profile that the timers are nearest to."""
        timers = self.timers
        if timers is None:
            return None
        return min(TIMERS, key=lambda one: _distance(timers, TIMERS[one]))

    @property
    def own(self) -> Mapping[str, int]:
        """The timers that are not the profile's."""
        if self.timers is None or self.profile is None:
            return {}
        usual = TIMERS[self.profile].values()
        return {name: one for name, one in self.timers.values().items() if one != usual[name]}

    @property
    def beyond(self) -> Mapping[str, Least]:
        """The timers that would have to be longer than cluster.yaml may have them."""
        return {name: one for name, one in self.least.items() if one.milliseconds > most(name)}

    def fits(self, timers: Timers) -> bool | None:
        """Return whether no timer is too quick; None if too little was measured to say so."""
        if self.too_quick(timers):
            return False
        return None if self.missing else True

    def too_quick(self, timers: Timers) -> Mapping[str, Least]:
        """Return the timers that are below their least value, with that."""
        values = timers.values()
        return {name: one for name, one in self.least.items() if values[name] < one.milliseconds}

    def because(self, name: str) -> str:
        """Return the sum that the least value of a timer comes from, or what a profile's gives."""
        if name in self.least:
            return self.least[name].arithmetic
        if name in RULED_BY:
            said = _unmeasured(name, self.missing) or "there is nothing to outlast"
        else:
            said = _until_out(name, self.timers or TIMERS[Profile.FAST])
        return f"{Profile.FAST}'s own: {said}"


def worst(measured: Iterable[Measured]) -> Mapping[Quantity, Measured]:
    """Return the slowest of each quantity: timers are the same on all machines."""
    found: dict[Quantity, Measured] = {}
    for one in measured:
        so_far = found.get(one.quantity)
        if so_far is None or one.spread.p99 > so_far.spread.p99:
            found[one.quantity] = one
    return found


def propose(
    measured: Iterable[Measured], *, wanted: Collection[Quantity] = tuple(Quantity)
) -> Proposal:
    """Return the proposal; `wanted` is what there is to measure in such a cluster."""
    found = worst(measured)
    missing = tuple(one for one in Quantity if one in wanted and one not in found)
    least = dict(_least(found, missing))
    fast = TIMERS[Profile.FAST].values()
    raised = fast | {name: max(fast[name], one.milliseconds) for name, one in least.items()}
    is_possible = all(value <= most(name) for name, value in raised.items())
    return Proposal(Timers(**raised) if is_possible else None, least, missing)


def gaps(timers: Timers) -> Gaps:
    """Return what the timers imply.

    Raft waits for up to twice the time-out, at random. A balancer asks again sooner once a check
    has failed, and each check that a frozen apiserver accepts takes the whole time-out. Who gives
    the address up says so, and the next waits for its skew alone.
    """
    skew = (PRIORITIES - NEXT_PRIORITY) / PRIORITIES * timers.advert_interval_milliseconds
    return Gaps(
        leader=2 * timers.election_milliseconds,
        apiserver=timers.check_interval_milliseconds
        + (FALL - 1) * timers.check_fast_interval_milliseconds
        + FALL * timers.check_timeout_milliseconds,
        address=ADVERTS * timers.advert_interval_milliseconds + skew,
        balancer=timers.address_check_interval_milliseconds
        + timers.address_check_timeout_milliseconds
        + skew,
    )


HEARTBEAT, ELECTION = "heartbeat_milliseconds", "election_milliseconds"
ADVERT, TIMEOUT = "advert_interval_milliseconds", "check_timeout_milliseconds"
ASK, ANSWER = "address_check_interval_milliseconds", "address_check_timeout_milliseconds"

RULED_BY: Mapping[str, tuple[Quantity, ...]] = {
    HEARTBEAT: (Quantity.ROUND_TRIP,),
    ELECTION: (Quantity.ROUND_TRIP, Quantity.FSYNC, Quantity.LATENESS),
    ADVERT: (Quantity.ROUND_TRIP, Quantity.LATENESS),
    TIMEOUT: (Quantity.READYZ,),
    ANSWER: (Quantity.LATENESS,),
}
"""What each timer has to outlast; an interval between checks may have any length."""

FACTORS: Mapping[str, float] = {
    # etcd's tuning.md: as long as a round trip, up to one and a half times.
    HEARTBEAT: 1.5,
    # etcd's tuning.md: ten round trips. A leader that waits for its disk or for a processor is as
    # silent as one that is far away, and the slowest of 28,000 fsyncs in the lab took ten times
    # what 99 of 100 stayed below.
    ELECTION: 10,
    # The address moves after three: nine times what delays one.
    ADVERT: 3,
    # Two checks in a row must fail, each over a connection of its own.
    TIMEOUT: 3,
    # One answer that is late moves the address: as often as for ADVERT, all at once.
    ANSWER: 9,
}


def _least(
    found: Mapping[Quantity, Measured], missing: Collection[Quantity]
) -> Iterator[tuple[str, Least]]:
    """Yield the least value of each timer that what was measured says something about."""
    sums = {name: _times(name, found, missing) for name in RULED_BY}
    sums[ELECTION] = _election(sums[HEARTBEAT], sums[ELECTION], missing)
    yield from ((name, one) for name, one in sums.items() if one is not None)


def _election(
    heartbeat: Least | None, delays: Least | None, missing: Collection[Quantity]
) -> Least:
    """Return the longer of what etcd asks for, and a heartbeat with all that may delay it."""
    fast = TIMERS[Profile.FAST].heartbeat_milliseconds
    beat = max(fast, heartbeat.milliseconds) if heartbeat else fast
    words = f"{HEARTBEATS} × heartbeat {beat} ms: etcd refuses less"
    ruled = Least(HEARTBEATS * beat, _told(words, ELECTION, missing))
    if delays is None or beat + delays.milliseconds <= ruled.milliseconds:
        return ruled
    return Least(beat + delays.milliseconds, f"heartbeat {beat} ms + {delays.arithmetic}")


def _times(
    name: str, found: Mapping[Quantity, Measured], missing: Collection[Quantity]
) -> Least | None:
    """Return so many times the sum of what 99 of 100 stay below, rounded up; None of nothing."""
    known = [found[one] for one in RULED_BY[name] if one in found]
    if not known:
        return None
    total = FACTORS[name] * sum(one.spread.p99 for one in known)
    parts = " + ".join(f"{one.quantity} {one.spread.p99:.1f} ms" for one in known)
    summed = f"{FACTORS[name]:g} × {f'({parts})' if len(known) > 1 else parts}"
    return Least(STEP * ceil(total / STEP), _told(summed, name, missing))


def _told(words: str, name: str, missing: Collection[Quantity]) -> str:
    """Return the words, and what ought to be in the sum but was not measured."""
    unmeasured = _unmeasured(name, missing)
    return f"{words}; {unmeasured}" if unmeasured else words


def _unmeasured(name: str, missing: Collection[Quantity]) -> str:
    """Return what a timer has to outlast and nobody measured, in words; empty if there is none."""
    names = ", ".join(one for one in RULED_BY[name] if one in missing)
    return f"{names} not measured" if names else ""


def _until_out(name: str, timers: Timers) -> str:
    """Return how soon a frozen apiserver is left out, or a frozen balancer left, as a sum."""
    if name == ASK:
        asks = f"{timers.address_check_interval_milliseconds} + "
        asks += f"{timers.address_check_timeout_milliseconds} + skew"
        return f"a frozen balancer is left after {asks} = {gaps(timers).balancer:.0f} ms"
    checks = f"{FALL - 1} × {timers.check_fast_interval_milliseconds}"
    waits = f"{FALL} × {timers.check_timeout_milliseconds}"
    parts = f"{timers.check_interval_milliseconds} + {checks} + {waits}"
    return f"a frozen apiserver is out after {parts} = {gaps(timers).apiserver:g} ms"


def _distance(one: Timers, other: Timers) -> int:
    """Return how many timers differ."""
    usual = other.values()
    return sum(value != usual[name] for name, value in one.values().items())


def most(name: str) -> int:
    """Return the largest value that `cluster.yaml` may have there."""
    fields = {**Etcd.model_fields, **LoadBalancer.model_fields}
    return next(int(str(one.le)) for one in fields[name].metadata if isinstance(one, Le))
