"""Proposals of timers: laws that hold for whatever is measured."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from backstay.planning.spread import Spread
from backstay.planning.tuning import (
    RULED_BY,
    Gaps,
    Least,
    Measured,
    Quantity,
    gaps,
    propose,
    worst,
)
from backstay.spec.model import ClusterSpec
from backstay.spec.profiles import TIMERS, Profile
from backstay.spec.rules import violations

FAST, DEFAULT = TIMERS[Profile.FAST], TIMERS[Profile.DEFAULT]
TIMES = st.floats(0, 400)
MACHINES = st.dictionaries(st.sampled_from(Quantity), TIMES)
HOST = {"name": "cp-1", "address": "10.0.0.1", "roles": ["control-plane"]}


def measured(times: dict[Quantity, float]) -> tuple[Measured, ...]:
    """Return machines on which 99 of 100 stay below these times."""
    return tuple(
        Measured(quantity, "cp-1", Spread(p99 / 2, p99, 200)) for quantity, p99 in times.items()
    )


def spec_of(values: dict[str, int]) -> ClusterSpec:
    """Return a cluster with these timers, each where `cluster.yaml` has it."""
    spec = ClusterSpec.model_validate({"name": "a", "hosts": [HOST]})
    parts = {
        part: getattr(spec, part).model_copy(update=values) for part in ("etcd", "load_balancer")
    }
    return ClusterSpec.model_validate(
        {
            "name": "a",
            "hosts": [HOST],
            "etcd": parts["etcd"].model_dump(by_alias=True, include=set(values)),
            "loadBalancer": parts["load_balancer"].model_dump(by_alias=True, include=set(values)),
        }
    )


@given(MACHINES)
def test_an_election_is_longer_than_whatever_delays_a_heartbeat(
    times: dict[Quantity, float],
) -> None:
    """At least five heartbeats, ten round trips (etcd's tuning.md), and ten slow fsyncs."""
    timers = propose(measured(times)).timers
    assert timers.election_milliseconds >= 5 * timers.heartbeat_milliseconds
    assert timers.election_milliseconds >= 10 * times.get(Quantity.ROUND_TRIP, 0)
    assert timers.election_milliseconds >= 10 * times.get(Quantity.FSYNC, 0)
    assert timers.heartbeat_milliseconds >= 1.5 * times.get(Quantity.ROUND_TRIP, 0)


@given(MACHINES, st.sampled_from(Quantity), TIMES)
def test_slower_machines_never_get_quicker_timers(
    times: dict[Quantity, float], slower: Quantity, by: float
) -> None:
    """In none of the timers, whatever it is that became slower."""
    before = propose(measured(times)).timers.values()
    after = propose(measured({**times, slower: times.get(slower, 0) + by})).timers.values()
    assert all(after[name] >= before[name] for name in before)


@given(MACHINES)
def test_a_proposal_fits_is_accepted_and_is_no_quicker_than_the_quickest_profile(
    times: dict[Quantity, float],
) -> None:
    """What is proposed can be written into cluster.yaml, and apply would take it."""
    proposal = propose(measured(times))
    assert proposal.timers is not None
    assert proposal.too_quick(proposal.timers) == {}
    assert list(violations(spec_of(proposal.timers.values()))) == []
    fast = FAST.values()
    assert all(value >= fast[name] for name, value in proposal.timers.values().items())


@given(MACHINES)
def test_the_profile_and_what_differs_from_it_are_the_proposal(
    times: dict[Quantity, float],
) -> None:
    """The lines for cluster.yaml are made of these two."""
    proposal = propose(measured(times))
    assert {**TIMERS[proposal.profile].values(), **proposal.own} == proposal.timers.values()


def test_good_machines_get_the_fast_profile_as_it_is() -> None:
    """A quarter of a millisecond apart, on disks that are quick: nothing is to be raised."""
    good = {
        Quantity.ROUND_TRIP: 0.4,
        Quantity.FSYNC: 3,
        Quantity.LATENESS: 1,
        Quantity.READYZ: 8,
    }
    proposal = propose(measured(good))
    assert (proposal.timers, proposal.profile, proposal.own) == (FAST, Profile.FAST, {})
    assert proposal.fits(DEFAULT) is True


def test_the_arithmetic_can_be_checked_by_hand() -> None:
    """Each least value with the sum that it comes from, rounded up to whole tens."""
    slow = {
        Quantity.ROUND_TRIP: 44.0,
        Quantity.FSYNC: 25.0,
        Quantity.LATENESS: 5.0,
        Quantity.READYZ: 150.0,
    }
    assert propose(measured(slow)).least == {
        "heartbeat_milliseconds": Least(70, "1.5 × round trip 44.0 ms"),
        "election_milliseconds": Least(
            810,
            "heartbeat 70 ms + 10 × (round trip 44.0 ms + fsync 25.0 ms + lateness 5.0 ms)",
        ),
        "advert_interval_milliseconds": Least(150, "3 × (round trip 44.0 ms + lateness 5.0 ms)"),
        "check_timeout_milliseconds": Least(450, "3 × /readyz 150.0 ms"),
        "address_check_timeout_milliseconds": Least(50, "9 × lateness 5.0 ms"),
    }


def test_where_machines_are_far_apart_etcd_itself_sets_the_bound() -> None:
    """Nothing but heartbeats counts on machines without any delay of their own."""
    still = measured(dict.fromkeys(Quantity, 0.0))
    assert propose(still).least["election_milliseconds"] == Least(
        250, "5 × heartbeat 50 ms: etcd refuses less"
    )
    assert propose(()).least == {
        "election_milliseconds": Least(
            250, "5 × heartbeat 50 ms: etcd refuses less; round trip, fsync, lateness not measured"
        )
    }


def test_the_slowest_machine_decides() -> None:
    """Timers are the same on all of them."""
    quick, slow = measured({Quantity.FSYNC: 2}) + measured({Quantity.FSYNC: 30})
    slow = replace(slow, host="cp-2")
    assert worst((quick, slow, quick)) == {Quantity.FSYNC: slow}


def test_machines_for_which_no_timers_fit_are_told_what_they_would_need() -> None:
    """Seconds from one member to the other: no cluster.yaml may have a heartbeat that long."""
    proposal = propose(measured({Quantity.ROUND_TRIP: 4000}))
    assert (proposal.timers, proposal.profile, proposal.own) == (None, None, {})
    assert proposal.beyond == {
        "heartbeat_milliseconds": Least(6000, "1.5 × round trip 4000.0 ms"),
    }
    assert proposal.fits(DEFAULT) is False


@given(MACHINES, st.sampled_from(Quantity))
def test_what_was_not_measured_proves_nothing(
    times: dict[Quantity, float], missing: Quantity
) -> None:
    """Nothing fits for sure, and whatever has to outlast it says that it was not measured."""
    times.pop(missing, None)
    proposal = propose(measured(times))
    assert missing in proposal.missing
    assert proposal.fits(DEFAULT) is not True
    for name, quantities in RULED_BY.items():
        said = re.search(rf"{missing}[a-z, /]* not measured", proposal.because(name))
        assert bool(said) == (missing in quantities)


def test_a_timer_of_which_nothing_was_measured_has_no_least_value() -> None:
    """Unknown is not nought: only etcd's own rule, and what a part of the sum says, is left."""
    proposal = propose(measured({Quantity.LATENESS: 30}))
    assert proposal.least == {
        "election_milliseconds": Least(
            350, "heartbeat 50 ms + 10 × lateness 30.0 ms; round trip, fsync not measured"
        ),
        "advert_interval_milliseconds": Least(90, "3 × lateness 30.0 ms; round trip not measured"),
        "address_check_timeout_milliseconds": Least(270, "9 × lateness 30.0 ms"),
    }
    assert proposal.because("heartbeat_milliseconds") == "fast's own: round trip not measured"


def test_what_there_is_not_to_measure_is_not_missed() -> None:
    """A cluster of one machine has no round trips, and its timers can be known to fit."""
    found = {Quantity.FSYNC: 2.0, Quantity.LATENESS: 1.0, Quantity.READYZ: 9.0}
    proposal = propose(measured(found), wanted=found)
    assert proposal.fits(FAST) is True
    assert proposal.because("heartbeat_milliseconds") == "fast's own: there is nothing to outlast"


def test_the_intervals_of_checks_have_their_sum_too() -> None:
    """With the time-out that is proposed: it counts from the end of each check."""
    slow = propose(measured({Quantity.READYZ: 150}))
    assert slow.because("check_interval_milliseconds") == (
        "fast's own: a frozen apiserver is out after 250 + 1 × 100 + 2 × 450 = 1250 ms"
    )
    assert slow.because("address_check_interval_milliseconds") == (
        "fast's own: a frozen balancer is left after 250 + 300 + skew = 591 ms"
    )


def test_gaps_are_what_the_timers_imply() -> None:
    """Two election time-outs; two checks that time out; three adverts and a skew; an answer."""
    skew = Fraction(106 * 100, 256)
    assert gaps(FAST) == Gaps(
        leader=700, apiserver=850, address=float(300 + skew), balancer=float(250 + 300 + skew)
    )
    assert gaps(DEFAULT).apiserver == 500 + 250 + 2 * 500
