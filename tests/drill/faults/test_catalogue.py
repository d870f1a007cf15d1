"""What `drill list` shows: each scenario has a name, an explanation, a promise and a target."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from fault_values import ROLES

from backstay.drill.faults.catalogue import SCENARIOS, SUITES, scenario
from backstay.drill.faults.kinds import Harm, Power, Unit, said
from backstay.drill.faults.scenario import Scenario
from backstay.drill.faults.targets import resolve
from backstay.drill.report.objectives import parse_objectives
from backstay.drill.report.terms import TERMS
from backstay.errors import UsageError

TIMES = dict.fromkeys(TERMS, 1.0)
ROWS = {
    *(f"E{number}" for number in (1, 2, 3, 4, 5, 6, 8, 14)),
    # 12, the same router id twice on a network, is for whoever plans a cluster to find.
    *(f"N{number}" for number in range(1, 15) if number != 12),
}


@pytest.mark.parametrize("one", SCENARIOS.values(), ids=list(SCENARIOS))
def test_a_scenario_says_what_it_does_and_promises(one: Scenario) -> None:
    """In whole sentences, with objectives that can be measured."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", one.name)
    assert re.fullmatch(r"[A-Za-z].*\.", one.explanation)
    assert one.explanation.count(". ") <= 2
    assert said(one.fault)
    assert "lost=0" in one.objectives
    assert len(parse_objectives(",".join(one.objectives), TIMES)) == len(one.objectives)
    assert 1 <= one.seconds <= 600


@pytest.mark.parametrize("one", SCENARIOS.values(), ids=list(SCENARIOS))
def test_a_scenario_finds_somebody_to_hit(one: Scenario) -> None:
    """In a cluster where every role is somebody's, and once who is to be all of them is."""
    everything = replace(ROLES, leases=dict.fromkeys(ROLES.leases, "cp-2"))
    assert resolve(one.target, everything if "+" in one.target else ROLES, seed=3)


PROMISED = {
    "E1": {"gap", "elections"},
    "E2": {"gap", "elections"},
    "E3": {"gap", "elections"},
    "E4": {"gap", "elections", "out"},
    "E5": {"gap", "elections"},
    "E6": {"lost"},
    "E8": {"lost"},
    "E14": {"lost"},
    "N1": {"handed", "vip new:client-gap"},
    "N2": {"failed", "gap", "watch-gap", "cut"},
    "N3": {"out", "client-gap"},
    "N4": {"gap"},
    "N5": {"moves", "vip-move", "gap"},
    "N6": {"gap", "split"},
    "N7": {"moves"},
    "N8": {"cut", "elections", "moves"},
    "N9": {"notready", "renewal"},
    "N10": {"share"},
    "N11": {"failed", "gap"},
    "N13": {"lease", "overlap"},
    "N14": {"failed", "watch-gap", "cut"},
}
"""What each row of the catalogue of faults promises, as what is bounded."""


def bounded(one: Scenario) -> set[str]:
    found = parse_objectives(",".join(one.objectives), TIMES)
    return {f"{each.group}:{each.name}" if each.group else each.name for each in found}


def test_every_row_of_the_catalogue_of_faults_is_shown_by_a_scenario() -> None:
    """Of those that a drill can show; no row is shown that nobody promised anything of."""
    shown = {row for one in SCENARIOS.values() for row in one.shows}
    assert shown - {"E9"} == ROWS == PROMISED.keys()


@pytest.mark.parametrize("row", sorted(PROMISED))
def test_who_shows_a_row_measures_what_it_promises(row: str) -> None:
    """A label is a claim; a drill that passes whatever happens proves nothing."""
    for one in SCENARIOS.values():
        if row in one.shows:
            assert bounded(one) >= PROMISED[row] | {"lost"}, one.name


def test_an_election_is_bounded_in_each_drill_and_in_the_median_of_many() -> None:
    """An unlucky draw is no broken promise, and yet is no longer than it can be."""
    objectives = parse_objectives(",".join(SCENARIOS["etcd-leader-kill"].objectives), TIMES)
    gaps = {one.is_median: one.bound for one in objectives if one.name == "gap"}
    assert gaps == {False: 3.75, True: 2.2}


def test_the_default_suite_shows_every_row_but_the_ten_minutes_of_nothing() -> None:
    """And the one of the numbers has those too."""
    shown = {row for name in SUITES["default"] for row in SCENARIOS[name].shows}
    assert shown >= ROWS - {"N8"}
    assert "idle" not in SUITES["default"]
    assert "idle" in SUITES["numbers"]


def test_the_suite_of_the_numbers_has_what_is_promised_in_numbers() -> None:
    """Each machine that can be lost in each of three ways, and ten elections for their median."""
    names = SUITES["numbers"]
    lost = {f"machine-{how}-" for how in ("freeze", "power-off", "kill")}
    assert {sum(name.startswith(one) for name in names) for one in lost} == {4}
    assert names.count("etcd-leader-kill") == 10
    bounds = set.union(*(bounded(SCENARIOS[name]) for name in names))
    assert bounds >= {"gap", "failed", "vip-move", "out", "lease", "cut", "notready", "lost"}
    planned = {
        f"{name}-{what}"
        for name in ("controller-manager", "scheduler")
        for what in ("kill", "restart")
    }
    assert {*names} >= {"apiserver-rolling-restart", "balancer-reload", "vip-hand-over", *planned}


def test_every_harm_to_every_part_is_there() -> None:
    """Eight units, three harms each; four ways to lose a machine; a rolling restart of each."""
    faults = {said(one.fault) for one in SCENARIOS.values()}
    assert faults >= {f"{harm} {unit}" for unit in Unit for harm in Harm}
    assert faults >= {f"{power} the machine" for power in Power}
    assert faults >= {f"restart {unit}" for unit in Unit}


def test_suites_name_scenarios_that_there_are() -> None:
    """The quick one is quick, and the one of planned faults has no other."""
    assert {name for names in SUITES.values() for name in names} <= set(SCENARIOS)
    once = {name: names for name, names in SUITES.items() if name != "numbers"}
    assert all(len(set(names)) == len(names) for names in once.values())
    assert sum(SCENARIOS[name].seconds for name in SUITES["quick"]) < 60
    assert all(SCENARIOS[name].is_planned for name in SUITES["planned"])


def test_planned_faults_fail_no_request_but_where_that_cannot_be() -> None:
    """And then nobody waits long: how long is bounded in each of them."""
    planned = [SCENARIOS[name] for name in SUITES["planned"]]
    assert all("gap" in bounded(one) for one in planned)
    # A leader that hands over drops what is on its way to it: etcd-io/etcd#8975. A member that
    # restarts takes its own machine's apiserver with it, and a balancer what goes through it.
    assert {one.name for one in planned if "failed" not in bounded(one)} == {
        "leader-hand-over",
        "etcd-leader-restart",
        "etcd-rolling-restart",
        "balancer-rolling-restart",
    }


def test_a_name_that_there_is_not_is_refused_with_those_there_are() -> None:
    """So that a typing error costs a second."""
    assert scenario("idle").seconds == 600
    with pytest.raises(UsageError) as error:
        scenario("etcd-leader-kil")
    assert "etcd-leader-kill" in error.value.next_move
