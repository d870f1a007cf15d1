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


def test_every_row_of_the_catalogue_of_faults_is_shown_by_a_scenario() -> None:
    """Of those that a drill can show."""
    assert {row for one in SCENARIOS.values() for row in one.shows} >= ROWS


def test_every_harm_to_every_part_is_there() -> None:
    """Eight units, three harms each; four ways to lose a machine; a rolling restart of each."""
    faults = {said(one.fault) for one in SCENARIOS.values()}
    assert faults >= {f"{harm} {unit}" for unit in Unit for harm in Harm}
    assert faults >= {f"{power} the machine" for power in Power}
    assert faults >= {f"restart {unit}" for unit in Unit}


def test_suites_name_scenarios_that_there_are() -> None:
    """The quick one is quick, and the one of planned faults has no other."""
    assert {name for names in SUITES.values() for name in names} <= set(SCENARIOS)
    assert all(len(set(names)) == len(names) for names in SUITES.values())
    assert sum(SCENARIOS[name].seconds for name in SUITES["quick"]) < 60
    assert all(SCENARIOS[name].is_planned for name in SUITES["planned"])
    # A leader that hands over drops what is on its way to it: etcd-io/etcd#8975.
    noticed = {n for n in SUITES["planned"] if "failed=0" not in SCENARIOS[n].objectives}
    assert noticed == {"leader-hand-over"}


def test_a_name_that_there_is_not_is_refused_with_those_there_are() -> None:
    """So that a typing error costs a second."""
    assert scenario("idle").seconds == 600
    with pytest.raises(UsageError) as error:
        scenario("etcd-leader-kil")
    assert "etcd-leader-kill" in error.value.next_move
