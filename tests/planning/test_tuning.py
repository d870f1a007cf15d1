"""Proposals of timers: laws that hold for whatever is measured."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import AnswerIsNoError
from backstay.planning.spread import Spread
from backstay.planning.tuning import (
    Gaps,
    Least,
    Measured,
    Quantity,
    fits,
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
    assert fits(proposal.timers, proposal.least)
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
    assert fits(DEFAULT, proposal.least)


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
    }


def test_where_machines_are_far_apart_etcd_itself_sets_the_bound() -> None:
    """Nothing but heartbeats counts on machines without any delay of their own."""
    assert propose(()).least["election_milliseconds"] == Least(
        250, "5 × heartbeat 50 ms: etcd refuses less"
    )


def test_the_slowest_machine_decides() -> None:
    """Timers are the same on all of them."""
    quick, slow = measured({Quantity.FSYNC: 2}) + measured({Quantity.FSYNC: 30})
    slow = replace(slow, host="cp-2")
    assert worst((quick, slow, quick)) == {Quantity.FSYNC: slow}


def test_machines_for_which_no_timers_fit_are_told_so() -> None:
    """Seconds from one member to the other: no cluster.yaml may have what they would need."""
    with pytest.raises(AnswerIsNoError) as caught:
        propose(measured({Quantity.ROUND_TRIP: 6000}))
    assert "heartbeat_milliseconds would have to be 9000" in caught.value.why


def test_gaps_are_what_the_timers_imply() -> None:
    """Two election time-outs; two checks that time out; three adverts and a skew."""
    assert gaps(FAST) == Gaps(
        leader=700, apiserver=850, address=float(Fraction(300) + Fraction(106 * 100, 256))
    )
    assert gaps(DEFAULT).apiserver == 500 + 250 + 2 * 500
