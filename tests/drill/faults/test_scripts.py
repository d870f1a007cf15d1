"""The sh of every scenario: proper, armed first, and never without its undo."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest
from fault_values import ROLES, SITE

from backstay.drill.faults.acts import acts
from backstay.drill.faults.catalogue import SCENARIOS
from backstay.drill.faults.kinds import BreakMachine, Lasting, Nothing, Planned, Restart, Unit
from backstay.drill.faults.scenario import Scenario
from backstay.drill.faults.scripts import Act
from backstay.drill.faults.steps import steps
from backstay.drill.faults.targets import resolve


def hosts(one: Scenario) -> tuple[str, ...]:
    return resolve(one.target, ROLES, seed=0)


def lasting() -> Iterator[tuple[str, Act]]:
    for name, one in SCENARIOS.items():
        if isinstance(one.fault, Lasting):
            yield from ((name, act) for act in acts(one.fault, hosts(one), SITE))


ACTS = [pytest.param(act, id=f"{name}-{act.host}") for name, act in lasting()]
STEPS = [
    pytest.param(step.script, id=f"{name}-{step.host}")
    for name, one in SCENARIOS.items()
    if isinstance(one.fault, Planned)
    for step in steps(one.fault, hosts(one), SITE)
]


def parse(script: str) -> None:
    """Let the shell read a script without running it."""
    subprocess.run(("sh", "-n"), input=script, text=True, check=True, capture_output=True)


@pytest.mark.parametrize("act", ACTS)
def test_every_script_of_a_fault_is_proper_shell(act: Act) -> None:
    """Also the texts that it writes into files, which the shell reads later."""
    for script in (act.arm(5), act.injecting, act.undoing):
        parse(script)
        for text in re.findall(r"<<'BACKSTAY_END'[^\n]*\n(.*?)BACKSTAY_END\n", script, re.DOTALL):
            parse(text)


@pytest.mark.parametrize("script", STEPS)
def test_every_step_of_a_planned_fault_is_proper_shell(script: str) -> None:
    """And says when it begins before it touches anything, and when it serves after."""
    parse(script)
    began, ended = script.index("\nsay injected\n"), script.index("\nsay undone\n")
    assert began < script.index("|| fail 'it could not be done'") < ended


@pytest.mark.parametrize("act", ACTS)
def test_a_machine_that_is_armed_has_the_very_script_that_we_would_run(act: Act) -> None:
    """One text undoes, whoever runs it; the timer is asked for after it is written."""
    script = act.arm(7.5)
    assert act.undoing in script
    assert "--on-active=7.500s" in script
    assert script.index(act.undoing) < script.rindex("systemd-run") < script.rindex("is-active")


@pytest.mark.parametrize("act", ACTS)
def test_nothing_is_injected_before_the_machine_says_that_it_is_armed(act: Act) -> None:
    """Run where no timer is, the script ends at once and has done nothing but define words."""
    script = act.injecting
    guard = script.index("|| fail 'the undo is not armed'")
    assert guard < script.index("\nsay injected\n") < script.rindex(act.inject)
    quiet = "systemctl() { return 3; }\n" + script
    done = subprocess.run(("sh",), input=quiet, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "the undo is not armed\n")


def test_every_scenario_is_of_a_kind_that_somebody_performs() -> None:
    """On the machine itself, step by step, by its power, or not at all."""
    kinds = (Lasting, Planned, BreakMachine, Nothing)
    assert all(isinstance(one.fault, kinds) for one in SCENARIOS.values())


def test_a_restart_of_all_is_one_step_after_the_other() -> None:
    """In the order of the hosts; each ends when its unit serves again."""
    found = steps(Restart(Unit.APISERVER), ("cp-2", "cp-1"), SITE)
    assert [step.host for step in found] == ["cp-2", "cp-1"]
    assert "https://10.0.0.2:6443/readyz" in found[0].script


def test_leadership_goes_to_the_next_member_by_name() -> None:
    """And from the last to the first."""
    one = SCENARIOS["leader-hand-over"].fault
    assert isinstance(one, Planned)
    (step,) = steps(one, ("cp-3",), SITE)
    assert "started, cp-1," in step.script
