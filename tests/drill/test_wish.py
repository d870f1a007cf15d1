"""How long a drill waits follows from how much its clients do."""

from __future__ import annotations

import pytest

from backstay.drill.faults.catalogue import SCENARIOS
from backstay.drill.load.plan import load_plan
from backstay.drill.wish import Wish, settings_of
from backstay.spec.parse import parse

PLANES = ("cp-1", "cp-2", "cp-3")


@pytest.mark.parametrize("scale", [0.01, 0.1, 1.0, 4.0])
def test_every_client_calls_while_calm_is_waited_for(scale: float) -> None:
    """Otherwise a client that has nothing to do yet would be taken for one without an answer."""
    plan = load_plan(
        run="a", seed=0, planes=PLANES, members=PLANES, service=True, seconds=60.0, scale=scale
    )
    course = Wish(SCENARIOS["idle"], "backstay drill run idle", scale=scale).course
    assert course.calm > 1 / min(one.rate for one in plan.workers)
    assert course.calm >= 1.0


def test_a_length_of_nothing_is_not_the_scenario_s_own() -> None:
    """Nothing and not said are two things."""
    one = SCENARIOS["idle"]
    assert Wish(one, "").course.fault == one.seconds
    assert Wish(one, "", seconds=0.0).course.fault == 0


def test_nothing_is_asked_of_clients_that_there_are_not() -> None:
    """A cluster without workers has no Service to ask through; whoever asks for it is told so."""
    wish = Wish(SCENARIOS["machine-freeze-worker"], "")
    plans = {
        service: load_plan(
            run="a", seed=0, planes=PLANES, members=PLANES, service=service, seconds=9.0
        )
        for service in (True, False)
    }
    asked = {service: wish.objectives_for(plan) for service, plan in plans.items()}
    assert set(asked[True]) - set(asked[False]) == {"service kept:gap<45s"}
    own = ("service kept:gap<1s",)
    assert Wish(wish.scenario, "", objectives=own).objectives_for(plans[False]) == own


def test_what_heals_slowly_is_watched_longer() -> None:
    """Two holders of an address that hear each other again need some adverts."""
    assert Wish(SCENARIOS["vrrp-blocked"], "").course.after == 5
    assert Wish(SCENARIOS["apiserver-kill"], "").course.after == 2


def test_a_history_says_the_profile() -> None:
    """Its bounds follow from it."""
    cluster = "name: a\nprofile: fast\nendpoint: {vip: 10.0.0.9}\n"
    spec = parse(f"{cluster}hosts: [{{name: a, address: 10.0.0.1, roles: [control-plane]}}]\n")
    assert settings_of(spec)["profile"] == "fast"


def test_the_load_has_keys_for_all_the_time_that_a_rolling_restart_takes() -> None:
    """One key takes so many operations: a drill that is longer has more of them."""
    once = Wish(SCENARIOS["apiserver-kill"], "")
    rolling = Wish(SCENARIOS["apiserver-rolling-restart"], "")
    assert rolling.load_seconds(5) - rolling.load_seconds(1) >= 4 * 10
    assert once.load_seconds(5) == once.load_seconds(1) > once.course.fault
