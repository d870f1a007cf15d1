"""First boot in parallel, live change one at a time, and who matters most goes last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from backstay.planning.plan import (
    ActOnUnits,
    ApiReady,
    ApplyObjects,
    Converge,
    EtcdHealthy,
    NodesReady,
    NodesRegistered,
    Plan,
    Stage,
    Step,
    UnitsActive,
)
from backstay.resources.service import Service, Tier
from fakes.clusters import Case, Shape, Wished, built, fresh

THREE = Shape(3, workers=1)
APART = Shape(3, members=3, balancers=2)


def restarted(case: Case, *units: str) -> Plan:
    """The plan when these units run with older files on every host that has them."""
    for computer in case.world.computers.values():
        for name in set(units) & computer.units.keys():
            computer.units[name] = replace(computer.units[name], digest="old", recorded="old")
    return case.look().plan()


def hosts_of(stage: Stage) -> list[str]:
    return [step.host for step in stage.steps if not isinstance(step, ApplyObjects)]


def units_of(step: Step) -> Iterator[str]:
    if isinstance(step, ActOnUnits):
        yield from (change.key.name for change in step.changes)


def test_a_first_boot_starts_all_members_at_once() -> None:
    """All files everywhere, then all members and apiservers together: nobody is first."""
    plan = fresh(THREE).look().plan()
    files, start, join, *_ = plan.stages
    assert sorted(hosts_of(files)) == sorted(hosts_of(join)) == ["cp-1", "cp-2", "cp-3", "w-1"]
    starting = [
        h
        for h, step in zip(hosts_of(start), start.steps, strict=True)
        if "etcd.service" in units_of(step)
    ]
    assert sorted(starting) == ["cp-1", "cp-2", "cp-3"]
    assert start.at_once > len(start.steps)
    assert all(isinstance(step, Converge) for step in files.steps)
    assert not files.gates


def test_a_first_boot_waits_for_apiservers_before_it_starts_what_needs_them() -> None:
    """Kubelets and controllers would only try in vain before."""
    _, start, join, *_ = fresh(THREE).look().plan().stages
    assert {type(gate) for gate in start.gates} == {ApiReady}
    assert not {"kubelet.service", "kube-scheduler.service"} & {
        u for s in start.steps for u in units_of(s)
    }
    assert {"kubelet.service", "kube-scheduler.service"} <= {
        u for s in join.steps for u in units_of(s)
    }


def test_whatever_was_started_is_waited_for() -> None:
    """Every unit that a first boot starts has a gate that asks for it."""
    plan = fresh(APART).look().plan()
    gates = [gate for stage in plan.stages for gate in stage.gates]
    waited = {(g.host, unit) for g in gates if isinstance(g, UnitsActive) for unit in g.units}
    waited |= {(g.host, "kube-apiserver.service") for g in gates if isinstance(g, ApiReady)}
    waited |= {(g.host, "etcd.service") for g in gates if isinstance(g, EtcdHealthy)}
    steps = [step for stage in plan.stages for step in stage.steps if isinstance(step, ActOnUnits)]
    assert {(step.host, unit) for step in steps for unit in units_of(step)} <= waited


def test_labels_of_nodes_wait_for_nodes() -> None:
    """They are the last thing, and only registered nodes have any."""
    last = fresh(THREE).look().plan().stages[-1]
    assert isinstance(last.steps[0], ApplyObjects)
    assert [type(gate) for gate in last.requires] == [NodesRegistered]


ROLLED = {
    "etcd.service": (EtcdHealthy, "etcd cp-3"),
    "kube-apiserver.service": (ApiReady, "apiserver cp-3"),
}


@pytest.mark.parametrize("unit", ROLLED)
def test_a_live_change_goes_host_by_host_behind_gates(unit: str) -> None:
    """All others must be well before a turn, and this one after it.

    It need not be before: a mistaken setting is mended by the next turn.
    """
    gate, name = ROLLED[unit]
    plan = restarted(built(THREE), unit)
    assert name in [stage.name for stage in plan.stages]
    for stage in plan.stages:
        (step,) = stage.steps
        assert isinstance(step, ActOnUnits)
        along = ("kube-apiserver.service",) if unit == "etcd.service" else ()
        assert [type(one) for one in stage.requires] == [gate] * 2 + [ApiReady] * 2 * len(along)
        assert gate(step.host) not in stage.requires
        assert gate(step.host) in stage.gates
        assert UnitsActive(step.host, (unit, *along)) in stage.gates


def test_an_apiserver_goes_with_its_member_and_the_others_serve() -> None:
    """The apiservers elsewhere are ready before a member's turn, and its own one after it."""
    stages = restarted(built(THREE), "etcd.service").stages
    assert len(stages) == 3
    for stage in stages:
        (step,) = stage.steps
        assert isinstance(step, ActOnUnits)
        ready = {one.host for one in stage.requires if isinstance(one, ApiReady)}
        assert ready == {"cp-1", "cp-2", "cp-3"} - {step.host}
        assert ApiReady(step.host) in stage.gates


def test_members_on_machines_of_their_own_take_no_apiserver_with_them() -> None:
    """Nobody waits for an apiserver when etcd stands apart."""
    stages = restarted(built(APART), "etcd.service").stages
    assert len(stages) == 3
    for stage in stages:
        assert not any(isinstance(one, ApiReady) for one in (*stage.requires, *stage.gates))


def test_no_running_unit_finds_new_files_before_its_turn() -> None:
    """Files that a unit reads come in the same stage as its restart, just before it."""
    plan = built(THREE, Wished.OTHER).look().plan()
    for stage in plan.stages:
        for before, step in zip((None, *stage.steps), stage.steps, strict=False):
            if isinstance(step, ActOnUnits):
                assert isinstance(before, Converge)
                assert before.host == step.host
    assert "files" not in [stage.name for stage in plan.stages]


PROGRAM = "/usr/local/bin/kube-apiserver"
APISERVER_UNIT = "/etc/systemd/system/kube-apiserver.service"


def without(path: str) -> Case:
    """A cluster whose members and apiservers differ from the wish, and lack a file on cp-1."""
    case = built(THREE, Wished.OTHER)
    del case.world.computers["cp-1"].tree[path]
    return case


def placed(stage: Stage) -> set[str]:
    return {c.key.name for step in stage.steps if isinstance(step, Converge) for c in step.changes}


def test_an_apiserver_finds_what_it_lacks_when_it_comes_back_with_its_member() -> None:
    """By its own turn the gate of the member's would have waited in vain."""
    case = without(PROGRAM)
    stages = {stage.name: stage for stage in case.look().plan().stages}
    assert PROGRAM in placed(stages["etcd cp-1"])
    assert APISERVER_UNIT in placed(stages["apiserver cp-1"])
    case.world.perform(case.look().plan())
    assert case.look().plan().is_empty


def test_a_unit_that_comes_early_brings_all_that_it_reads() -> None:
    """Stopped after the member's turn, nobody would see that it runs with older files."""
    case = without(APISERVER_UNIT)
    tree = case.world.computers["cp-1"].tree
    tree[PROGRAM] = replace(tree[PROGRAM], digest="0" * 64)
    stages = {stage.name: stage for stage in case.look().plan().stages}
    assert placed(stages["etcd cp-1"]) >= {PROGRAM, APISERVER_UNIT}
    assert not placed(stages["apiserver cp-1"])
    assert hosts_of(stages["apiserver cp-1"]) == ["cp-1"]


def test_the_store_comes_before_its_servers_and_they_before_their_balancers() -> None:
    """Tiers one after the other, each through all its hosts."""
    plan = built(APART, Wished.OTHER).look().plan()
    tiers = [
        max(
            c.resource.tier
            for s in stage.steps
            for c in s.changes
            if isinstance(c.resource, Service)
        )
        for stage in plan.stages
    ]
    assert tiers == sorted(tiers)
    assert set(tiers) >= {Tier.ETCD, Tier.APISERVER, Tier.CONTROLLERS, Tier.BALANCER, Tier.NODE}


def test_the_leader_of_etcd_is_restarted_last() -> None:
    """Then leadership moves once, to a member that is new already; it moves no other turn."""
    case = built(THREE)
    assert case.world.leader == "cp-1"
    plan = restarted(case, "etcd.service", "kube-apiserver.service")
    assert [stage.name for stage in plan.stages] == [
        *("etcd cp-2", "etcd cp-3", "etcd cp-1"),
        *("apiserver cp-1", "apiserver cp-2", "apiserver cp-3"),
    ]


def test_the_balancer_that_holds_the_address_is_restarted_last() -> None:
    """Then the address moves once."""
    plan = restarted(built(APART), "haproxy.service", "etcd.service")
    names = [stage.name for stage in plan.stages]
    assert names[-2:] == ["balancer lb-2", "balancer lb-1"]


def test_nodes_need_no_turns() -> None:
    """A kubelet that restarts takes nothing away: one stage for all, one after the other."""
    (stage,) = restarted(built(THREE), "kubelet.service").stages
    assert hosts_of(stage) == ["cp-1", "cp-2", "cp-3", "w-1"]
    assert stage.at_once == 1
    assert all(isinstance(gate, UnitsActive | NodesReady) for gate in stage.gates)


def test_what_is_stopped_is_started_before_anything_is_taken_away() -> None:
    """A member that comes back first makes the turns of the others safe."""
    case = built(THREE)
    computer = case.world.computers["cp-3"]
    computer.units["etcd.service"] = replace(computer.units["etcd.service"], active="inactive")
    plan = restarted(case, "kube-apiserver.service")
    assert plan.stages[0].name == "start"
    assert EtcdHealthy("cp-3") in [gate for stage in plan.stages[:2] for gate in stage.gates]


def test_a_start_does_not_wait_for_a_file_whose_turn_comes_later() -> None:
    """A lost authority that a stopped apiserver and a running balancer read is put back first."""
    case = built(THREE)
    computer = case.world.computers["cp-1"]
    del computer.tree["/etc/kubernetes/pki/ca.crt"]
    unit = "kube-apiserver.service"
    computer.units[unit] = replace(computer.units[unit], active="inactive")
    plan = restarted(case, "haproxy.service")
    assert [stage.name for stage in plan.stages][:2] == ["files", "start"]
    case.world.perform(plan)
    assert case.look().plan().is_empty


def test_what_is_only_not_enabled_is_enabled_without_a_restart() -> None:
    """It runs as wished: nothing is taken away, and no turn is needed."""
    case = built(THREE)
    computer = case.world.computers["cp-1"]
    computer.units["etcd.service"] = replace(computer.units["etcd.service"], enabled=False)
    (stage,) = case.look().plan().stages
    assert stage.name == "start"
    case.world.perform(case.look().plan())
    told = [argv for _, argv in case.world.told if argv[0] == "systemctl"]
    assert [argv[1] for argv in told] == ["enable"]
