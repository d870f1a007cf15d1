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
from backstay.resources.resource import Key
from fakes.clusters import Case, Shape, built, fresh, spec_of

TWO = Shape(3, balancers=2)
THREE = Shape(3, balancers=3)
SPEAKER = "keepalived.service"
SETTINGS = "/etc/keepalived/keepalived.conf"


def led_to(case: Case, **endpoint: object) -> Case:
    """The cluster, to be found at another endpoint."""
    wanted = case.spec.endpoint.model_copy(update=endpoint)
    case.spec = case.spec.model_copy(update={"endpoint": wanted})
    return case


def grown() -> Case:
    """A cluster with two balancers that is to have a third."""
    return become(built(TWO), THREE)


def become(case: Case, shape: Shape) -> Case:
    """The same machines, and those that are new, as they are to be now."""
    wanted = fresh(shape)
    for host, computer in wanted.world.computers.items():
        case.world.computers.setdefault(host, computer)
    case.spec = case.world.spec = wanted.spec
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


def test_it_waits_for_them_also_after_an_apply_that_was_cut_short() -> None:
    """Its settings are held back with it: they would be taken for those that it ran with."""
    case = grown()
    (files,) = (stage for stage in case.look().plan().stages if stage.name == "files")
    case.world.perform(Plan("", "", (files,)))
    assert not case.world.computers["lb-3"].text(SETTINGS)
    plan = case.look().plan()
    (late,) = starting(plan, SPEAKER)
    assert plan.stages.index(late) > max(map(plan.stages.index, turns(plan)))


def test_it_waits_for_one_whose_turn_was_cut_short() -> None:
    """That has the settings already and has not read them."""
    case = grown()
    plan = case.look().plan()
    last = turns(plan)[-1]
    before = plan.stages[: plan.stages.index(last)]
    case.world.perform(Plan("", "", (*before, Stage("cut", last.steps[:1]))))
    plan = case.look().plan()
    assert [turn.name for turn in turns(plan)] == [last.name]
    (late,) = starting(plan, SPEAKER)
    assert plan.stages.index(late) > plan.stages.index(turns(plan)[0])


def test_nothing_of_it_goes_ahead_of_its_settings() -> None:
    """It may come up by itself: with another unit it would say that it has read what it has not."""
    case = grown()
    case.world.computers["lb-2"].silent = "no answer on SSH"
    case.apply()
    assert not case.world.computers["lb-3"].text("/etc/systemd/system/keepalived.service")
    assert case.world.computers["lb-3"].text("/etc/systemd/system/haproxy.service")


def test_one_that_was_taken_out_and_comes_back_waits_too() -> None:
    """Its settings are those that it had; the others have forgotten it."""
    case = grown()
    case.apply()
    case.spec = case.world.spec = spec_of(TWO)
    gone = case.world.computers.pop("lb-3")
    gone.units[SPEAKER] = replace(gone.units[SPEAKER], active="inactive")
    case.apply()
    case.world.computers["lb-3"] = gone
    case.spec = case.world.spec = spec_of(THREE)
    plan = case.look().plan()
    (late,) = starting(plan, SPEAKER)
    assert plan.stages.index(late) > max(map(plan.stages.index, turns(plan)))


@pytest.mark.parametrize("state", ["activating", "deactivating", "unread"])
def test_it_waits_for_those_that_may_speak_when_it_would(state: str) -> None:
    """They come up, or could not be seen: they are no reason to start at once."""
    case = grown()
    for host in ("lb-1", "lb-2"):
        computer = case.world.computers[host]
        if state == "unread":
            computer.unreadable |= {Key("service", SPEAKER)}
        else:
            computer.units[SPEAKER] = replace(computer.units[SPEAKER], active=state)
    (late,) = starting(case.look().plan(), SPEAKER)
    assert late.name.startswith("start keepalived on ")


def test_the_whole_of_it_converges() -> None:
    """Then there is nothing left to do, and all three speak."""
    case = grown()
    case.apply()
    assert case.look().plan().is_empty
    assert case.world.unit("lb-3", SPEAKER).active == "active"


def test_it_does_not_speak_while_one_is_silent_that_may() -> None:
    """Who could not be told goes on as before, and perhaps has the address: so again and again."""
    case = grown()
    case.world.computers["lb-2"].silent = "no answer on SSH"
    case.apply()
    plan = case.look().plan()
    assert plan.is_empty
    assert "keepalived does not start on lb-3 yet: who speaks cannot be told of it" in plan.notes
    assert case.world.unit("lb-3", SPEAKER).active != "active"
    case.world.computers["lb-2"].silent = ""
    case.apply()
    assert case.world.unit("lb-3", SPEAKER).active == "active"


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


def test_the_last_balancer_does_not_speak_for_one_that_may_be_alive() -> None:
    """Made anew while the other is silent: nobody has the address then, and nobody is asked."""
    case = built(TWO)
    case.world.computers["lb-1"] = fresh(TWO).world.computers["lb-1"]
    case.world.computers["lb-2"].silent = "no answer on SSH"
    case.apply()
    assert case.world.unit("lb-1", "haproxy.service").active == "active"
    assert case.world.unit("lb-1", SPEAKER).active != "active"
    assert case.look().plan().is_empty


def test_a_first_address_answers_after_the_turns() -> None:
    """Balancers that had none get it in their turns: keepalived is started before."""
    case = led_to(built(TWO), vip=None, name="kubernetes.example.org")
    case.world.spec = case.spec
    case.apply()
    for host in ("lb-1", "lb-2"):
        case.world.computers[host].units.pop(SPEAKER)
    case.world.spec = case.spec = spec_of(TWO)
    plan = case.look().plan()
    asked = [one for one in plan.stages for gate in one.gates if isinstance(gate, EndpointServes)]
    assert asked == turns(plan)[-1:]


@pytest.mark.parametrize(
    ("speaks", "claim"), [("yes", "runs on"), ("enabled", "is enabled, and speaks after the next")]
)
def test_a_balancer_that_is_to_be_none_is_refused(speaks: str, claim: str) -> None:
    """Holder or not: its keepalived would go on beside the others, if only after the next boot."""
    case = become(built(Shape(3)), TWO)
    for host in ("cp-1", "cp-2", "cp-3"):
        case.world.computers[host].survey["speaks"] = speaks
    with pytest.raises(RefusedError, match="cp-1, cp-2, cp-3 would keep the virtual address") as no:
        case.look().plan()
    assert f"keepalived {claim}" in no.value.why


def test_an_address_on_a_machine_that_is_to_be_no_balancer_is_refused() -> None:
    """Whoever put it there."""
    case = become(built(Shape(3)), TWO)
    case.world.computers["cp-1"].survey["addresses"] += f"eth0={case.spec.endpoint.vip}/32,"
    with pytest.raises(RefusedError, match="cp-1 would keep the virtual address") as refused:
        case.look().plan()
    assert "keepalived runs on" not in refused.value.why
