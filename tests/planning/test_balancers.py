"""Balancers change one by one, each asked itself, and none starts that the others do not know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backstay.errors import RefusedError
from backstay.planning.plan import (
    ActOnUnits,
    BalancerServes,
    EndpointServes,
    Plan,
    Stage,
)
from fakes.clusters import Case, Shape, built, fresh, spec_of

TWO = Shape(3, balancers=2)
THREE = Shape(3, balancers=3)
SPEAKER = "keepalived.service"


def led_to(case: Case, **endpoint: object) -> Case:
    """The cluster, to be found at another endpoint."""
    wanted = case.spec.endpoint.model_copy(update=endpoint)
    case.spec = case.spec.model_copy(update={"endpoint": wanted})
    return case


def grown() -> Case:
    """A cluster with two balancers that is to have a third."""
    case = built(TWO)
    case.spec = spec_of(THREE)
    case.world.computers["lb-3"] = fresh(THREE).world.computers["lb-3"]
    return case


def turns(plan: Plan) -> list[Stage]:
    return [stage for stage in plan.stages if stage.name.startswith("balancer ")]


def starting(plan: Plan, unit: str) -> list[Stage]:
    return [
        stage
        for stage in plan.stages
        for step in stage.steps
        if isinstance(step, ActOnUnits) and step.host == "lb-3"
        if unit in {change.key.name for change in step.changes}
    ]


def test_each_balancer_shows_that_it_serves_before_the_next_one_changes() -> None:
    """The address is asked for too, but it answers by whoever has it: here the first one."""
    case = built(TWO)
    for host in ("lb-1", "lb-2"):
        units = case.world.computers[host].units
        units["haproxy.service"] = replace(units["haproxy.service"], recorded="old")
    second, first = turns(case.look().plan())
    assert (second.requires, first.requires) == ((), (BalancerServes("lb-2"),))
    for stage, host in ((second, "lb-2"), (first, "lb-1")):
        assert {BalancerServes(host), EndpointServes(host)} <= set(stage.gates)


def test_an_endpoint_that_moves_answers_after_the_last_turn() -> None:
    """At another port nobody has it before; each balancer itself does after its own."""
    second, first = turns(led_to(built(TWO), port=9443).look().plan())
    assert BalancerServes("lb-2") in second.gates
    assert EndpointServes("lb-2") not in second.gates
    assert first.requires == (BalancerServes("lb-2"),)
    assert {BalancerServes("lb-1"), EndpointServes("lb-1")} <= set(first.gates)


def test_a_balancer_that_nobody_knows_speaks_after_the_others_have_learnt_of_it() -> None:
    """Its haproxy may serve before; two keepaliveds that are strangers would both hold on."""
    plan = grown().look().plan()
    (start,), (late,) = starting(plan, "haproxy.service"), starting(plan, SPEAKER)
    order = [plan.stages.index(stage) for stage in (start, *turns(plan), late)]
    assert len(order) == 4
    assert order == sorted(order)
    assert EndpointServes("lb-3") in late.gates


def test_it_waits_for_them_also_when_its_files_are_there_already() -> None:
    """As after an apply that was cut short between its files and the others' turns."""
    case = grown()
    (files,) = (stage for stage in case.look().plan().stages if stage.name == "files")
    case.world.perform(Plan("", "", (files,)))
    plan = case.look().plan()
    (late,) = starting(plan, SPEAKER)
    assert [plan.stages.index(stage) for stage in (*turns(plan), late)] == [1, 2, 3]


def test_it_does_not_speak_while_one_is_silent_that_may() -> None:
    """Who could not be told goes on as before, and perhaps has the address."""
    case = grown()
    case.world.computers["lb-2"].silent = "no answer on SSH"
    plan = case.look().plan()
    assert not turns(plan)
    assert not starting(plan, SPEAKER)
    assert "keepalived does not start on lb-3 yet: lb-2 may not know of it" in plan.notes


def test_one_that_is_known_starts_again_at_once() -> None:
    """Also while another one is silent: that is when it is needed."""
    case = built(THREE)
    computer = case.world.computers["lb-3"]
    computer.units[SPEAKER] = replace(computer.units[SPEAKER], active="failed")
    case.world.computers["lb-2"].silent = "no answer on SSH"
    assert [stage.name for stage in starting(case.look().plan(), SPEAKER)] == ["start"]


def test_a_first_boot_waits_for_nobody() -> None:
    """Nobody speaks yet, so that all may start at once; one that is silent is told of."""
    case = fresh(THREE)
    case.world.computers["lb-2"].silent = "no answer on SSH"
    assert [stage.name for stage in starting(case.look().plan(), SPEAKER)] == ["start"]


def test_an_address_on_a_machine_that_is_to_be_no_balancer_is_refused() -> None:
    """Its keepalived would go on beside those of the new ones."""
    case = built(Shape(3))
    case.spec = spec_of(TWO)
    for host in ("lb-1", "lb-2"):
        case.world.computers[host] = fresh(TWO).world.computers[host]
    with pytest.raises(RefusedError, match="cp-1 has the virtual address, and is no balancer"):
        case.look().plan()
