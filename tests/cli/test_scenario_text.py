"""Scenarios before they are drilled: a table that fits, and bounds that are explained."""

from __future__ import annotations

import json

import pytest

from backstay.cli.completing import complete_scenarios, complete_suites, complete_targets
from backstay.cli.scenario_text import explanation, list_text
from backstay.cli.verbs.drill_run import run
from backstay.drill.faults.catalogue import SCENARIOS, SUITES
from backstay.drill.faults.scenario import CALM
from backstay.drill.report.terms import TERMS
from backstay.planning.look import Look
from fakes.program import Program


def test_the_list_fits_a_hundred_columns(backstay: Program) -> None:
    """All of it; what nearly every scenario must hold is said once."""
    said = backstay("drill", "list").out
    assert max(map(len, said.splitlines())) <= 100
    assert said.count(",".join(CALM)) == 1
    for one in SCENARIOS.values():
        row = next(line for line in said.splitlines() if line.startswith(f"{one.name} "))
        assert (CALM[0] in row) != (set(CALM) <= set(one.objectives))
    narrow = list_text(tuple(SCENARIOS.values()), {}, Look(width=80))
    assert all(name in narrow for name in SCENARIOS)


def test_wide_explains_every_scenario(backstay: Program) -> None:
    """With its explanation and all that it must hold."""
    said = backstay("drill", "list", "-o", "wide", "--suite", "quick").out
    for name in SUITES["quick"]:
        assert f"must hold    {','.join(SCENARIOS[name].objectives)}\n" in said


@pytest.mark.parametrize("one", SCENARIOS.values(), ids=list(SCENARIOS))
def test_every_time_that_a_bound_is_a_multiple_of_is_explained(one: object) -> None:
    """`2.2*election` says nothing to whoever has not read the program."""
    scenario = SCENARIOS[one.name]  # type: ignore[attr-defined]  # parametrized
    said = explanation(scenario, Look())
    used = {objective.partition("*")[2] for objective in scenario.objectives} - {""}
    assert used <= set(TERMS)
    for name in TERMS:
        assert (f"{name} is {TERMS[name][0]}:" in said) == (name in used)


def test_terms_are_told_in_seconds_of_each_profile(backstay: Program) -> None:
    """What is the same with all of them is said once."""
    said = backstay("drill", "list", "machine-freeze-all-in-one").out
    assert "2.00 s with the profile default, 800 ms with the profile fast" in said
    assert "17.0 s with any profile" in said


def test_a_suite_can_be_looked_into(backstay: Program) -> None:
    """Its scenarios, and how long they break something; a set that there is not has a nearest."""
    said = backstay("drill", "list", "--suite", "quick")
    seconds = sum(SCENARIOS[name].seconds for name in SUITES["quick"])
    assert f"6 scenarios, whose faults stand for {seconds:g} s in all" in said.out
    assert "idle" not in said.out
    items = json.loads(backstay("drill", "list", "--suite", "quick", "-o", "json").out)
    assert items["kind"] == "ScenarioList"
    assert [one["name"] for one in items["items"]] == list(SUITES["quick"])
    assert all("quick" in one["suites"] for one in items["items"])
    wrong = backstay("drill", "list", "--suite", "quik")
    assert (wrong.code, "did you mean quick?" in wrong.err) == (64, True)
    assert backstay("drill", "list", "idle", "--suite", "quick").code == 64


def test_what_a_suite_drills_again_and_again_is_a_row_with_how_often(backstay: Program) -> None:
    """Ten elections are one scenario."""
    said = backstay("drill", "list", "--suite", "numbers")
    rows = [line for line in said.out.splitlines() if line.startswith("etcd-leader-kill")]
    assert len(rows) == 1
    assert "×10 " in rows[0] or "x10 " in rows[0]
    assert f"{len({*SUITES['numbers']})} scenarios" in said.out


def test_names_are_completed(backstay: Program) -> None:
    """Scenarios, suites, and roles with the machines of the configuration that is named."""
    file = backstay.folder / "other.yaml"
    file.write_text("hosts: [{name: cp-7}]\n")
    ctx = run.make_context("run", ["idle", "-c", str(file)])
    param = run.params[0]

    def names(complete: object, typed: str) -> list[str]:
        assert callable(complete)
        return [one.value for one in complete(ctx, param, typed)]

    assert names(complete_scenarios, "etcd-leader-k") == ["etcd-leader-kill"]
    assert names(complete_suites, "q") == ["quick"]
    assert names(complete_targets, "vip-") == ["vip-holder", "vip-backup"]
    assert names(complete_targets, "host:") == ["host:cp-7"]
