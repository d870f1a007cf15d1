"""Profiles give the timers their values, and whoever writes a value of their own gets it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from backstay.spec.model import ClusterSpec, Etcd
from backstay.spec.parse import parse
from backstay.spec.profiles import TIMERS, Profile, Timers
from backstay.spec.write import render
from fakes.cluster_texts import cluster, machines, told, told_one

VIP = "{vip: 10.0.0.100}"
ADDRESS_CHECK = "loadBalancer.addressCheckIntervalMilliseconds"
PROMISED = {Profile.DEFAULT: 2000, Profile.FAST: 800}
"""Milliseconds after which writes are back when any one machine is lost."""


def text(**parts: str) -> str:
    """Return a cluster.yaml of three control planes with these parts."""
    return cluster(hosts=machines(3), endpoint=VIP, **parts)


@pytest.mark.parametrize("profile", Profile)
def test_a_profile_gives_every_timer(profile: Profile) -> None:
    """None is left at another profile's value."""
    assert parse(text(profile=profile)).timers == TIMERS[profile]


def test_without_a_word_it_is_the_default() -> None:
    """And the defaults that the schema shows are its values."""
    assert parse(text()).timers == TIMERS[Profile.DEFAULT]
    assert Etcd().election_milliseconds == TIMERS[Profile.DEFAULT].election_milliseconds


@given(
    st.sampled_from(Profile),
    st.fixed_dictionaries(
        {},
        optional={
            "election_milliseconds": st.sampled_from([800, 350, 500, 5000]),
            "heartbeat_milliseconds": st.sampled_from([100, 50, 10]),
            "check_interval_milliseconds": st.sampled_from([500, 250, 1000]),
            "advert_interval_milliseconds": st.sampled_from([200, 100, 1000]),
        },
    ),
)
def test_what_is_written_wins_even_where_another_profile_would_say_the_same(
    profile: Profile, own: dict[str, int]
) -> None:
    """The file that is written of it is read as the same again."""
    parts: dict[str, dict[str, int]] = {"etcd": {}, "loadBalancer": {}}
    for name, value in own.items():
        part = "etcd" if name in Etcd.model_fields else "loadBalancer"
        parts[part][to_camel(name)] = value
    host = {"name": "cp-1", "address": "10.0.0.1", "roles": ["control-plane"]}
    spec = ClusterSpec.model_validate({"name": "a", "hosts": [host], "profile": profile, **parts})
    assert spec.timers.values() == {**TIMERS[profile].values(), **own}
    if spec.timers.election_milliseconds >= 5 * spec.timers.heartbeat_milliseconds:
        assert parse(render(spec)) == spec


@pytest.mark.parametrize("profile", Profile)
def test_a_profile_keeps_its_promise_by_arithmetic(profile: Profile) -> None:
    """Raft waits up to twice the election time-out; VRRP three adverts and less than one more."""
    timers, promised = TIMERS[profile], PROMISED[profile]
    assert 2 * timers.election_milliseconds <= promised - 100
    assert 4 * timers.advert_interval_milliseconds <= promised
    asked = timers.address_check_interval_milliseconds + timers.address_check_timeout_milliseconds
    assert asked + timers.advert_interval_milliseconds <= promised - 100
    silence = timers.check_timeout_milliseconds + 2 * timers.check_interval_milliseconds
    assert longest_check(timers) <= 1.3 * silence


def longest_check(timers: Timers) -> int:
    """Return how long a balancer takes at most to find that an apiserver is frozen."""
    return (
        timers.check_interval_milliseconds
        + timers.check_fast_interval_milliseconds
        + 2 * timers.check_timeout_milliseconds
    )


def test_no_profile_that_is_quicker_has_a_slower_timer() -> None:
    """They are in one order, whatever one looks at."""
    for slower, quicker in pairwise(one.values() for one in TIMERS.values()):
        assert all(quicker[name] < slower[name] for name in slower)


def test_a_timer_of_ones_own_is_held_against_the_profile_s() -> None:
    """Etcd would refuse to start: it is said here, with the value that nobody wrote."""
    assert told_one(text(profile="fast", etcd="{heartbeatMilliseconds: 100}")) == (
        "etcd.electionMilliseconds",
        "electionMilliseconds is 350, and must be at least 5 × heartbeatMilliseconds, which is 100",
    )


def test_a_profile_that_cannot_be_read_says_nothing_about_timers() -> None:
    """Which values the others have is not known then."""
    wrong = text(profile="quick", etcd="{heartbeatMilliseconds: 170}")
    assert told(wrong) == [("profile", "one of default, fast")]


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ("{checkFastIntervalMilliseconds: 501}", "loadBalancer.checkFastIntervalMilliseconds"),
        ("{checkIntervalMilliseconds: 100}", "loadBalancer.checkFastIntervalMilliseconds"),
        ("{advertIntervalMilliseconds: 105}", "loadBalancer.advertIntervalMilliseconds"),
        ("{advertIntervalMilliseconds: 40960}", "loadBalancer.advertIntervalMilliseconds"),
        ("{addressCheckIntervalMilliseconds: 501}", ADDRESS_CHECK),
        ("{addressCheckIntervalMilliseconds: 334}", ADDRESS_CHECK),
    ],
)
def test_timers_of_the_balancers_that_make_no_sense_are_refused(part: str, path: str) -> None:
    """VRRP counts hundredths, and what is doubtful is not asked less often than what is not."""
    assert told_one(text(loadBalancer=part))[0] == path


@pytest.mark.parametrize("interval", [100, 125, 200, 250, 500, 1000])
def test_the_check_of_the_address_is_as_often_as_is_written(interval: int) -> None:
    """What the message names is good, and asked that often: keepalived's second holds it evenly."""
    assert told(text(loadBalancer=f"{{addressCheckIntervalMilliseconds: {interval}}}")) == []
