"""The sh of every scenario: proper, armed first, and never without its undo."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fault_values import PLANES, ROLES, SITE

from backstay.drill.faults.acts import acts
from backstay.drill.faults.catalogue import SCENARIOS
from backstay.drill.faults.kinds import (
    BreakMachine,
    BreakUnit,
    Cut,
    FlapCheck,
    Harm,
    Lasting,
    Nothing,
    Planned,
    Restart,
    StallDisk,
    Starve,
    Unit,
)
from backstay.drill.faults.scenario import Scenario
from backstay.drill.faults.scripts import FOLDER, WORDS, Act
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


WORLD = """\
systemctl() { [ "$1" != show ] || echo loaded; }
nft() { [ "$1" != list ]; }
"""
"""A machine on which all units run, timers start, and no table is."""


@dataclass(frozen=True)
class Machine:
    """A folder in place of /run/backstay-drill, and a real shell with a few words of ours."""

    folder: Path
    timers_start: bool = True

    def __post_init__(self) -> None:
        program = self.folder.parent / "systemd-run"
        program.write_text(f'#!/bin/sh\necho "systemd-run $*"\nexit {int(not self.timers_start)}\n')
        program.chmod(0o700)

    def play(self, script: str, world: str = "") -> subprocess.CompletedProcess[str]:
        """Run a script; `world` are words in place of those of WORLD."""
        text = WORLD + world + script.replace(FOLDER, str(self.folder))
        path = {"PATH": f"{self.folder.parent}:{os.environ['PATH']}"}
        return subprocess.run(
            ("sh",), input=text, text=True, capture_output=True, check=False, env=path
        )

    def has(self, name: str, text: str) -> Path:
        """Write a file as a drill before left it."""
        self.folder.mkdir(exist_ok=True)
        path = self.folder / name
        path.write_text(text)
        return path

    @property
    def files(self) -> list[str]:
        """What is in the folder."""
        return sorted(path.name for path in self.folder.glob("*"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "run")


def cut() -> Act:
    return acts(Cut(), ("cp-1",), SITE)[0]


def signs(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line.split()[1] for line in done.stdout.splitlines()]


def test_an_undo_is_there_whole_or_not_at_all(machine: Machine) -> None:
    """Its name appears when its text is complete, and after its timer was asked for."""
    act = cut()
    done = machine.play(act.arm(5))
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.files == ["cut.undo"]
    assert (machine.folder / "cut.undo").read_text() == act.undoing.replace(
        FOLDER, str(machine.folder)
    )
    assert f"--unit={act.unit}" in done.stdout


def test_where_no_timer_starts_no_undo_is_left(tmp_path: Path) -> None:
    """Whatever is left has a timer that takes it away."""
    machine = Machine(tmp_path / "run", timers_start=False)
    assert machine.play(cut().arm(5)).returncode == 1
    assert "cut.undo" not in machine.files


@pytest.mark.parametrize("name", ["cut.undo", "etcd-freeze.undo"])
def test_where_another_fault_stands_none_is_armed(machine: Machine, name: str) -> None:
    """The undo of the other stays as it is, of whatever kind it is, and nobody starts a timer."""
    other = machine.has(name, "the other's\n")
    done = machine.play(cut().arm(5))
    assert (done.returncode, done.stdout) == (1, "")
    assert "a fault of another drill stands here" in done.stderr
    assert other.read_text() == "the other's\n"


def test_where_a_table_is_no_second_link_is_broken(machine: Machine) -> None:
    """Both would be undone with the first."""
    done = machine.play(cut().arm(5), "nft() { :; }\n")
    assert done.returncode == 1
    assert "of another drill stands here" in done.stderr
    assert machine.files == []


@pytest.mark.parametrize("unit", Unit)
@pytest.mark.parametrize("harm", Harm)
def test_nothing_is_asked_between_the_calm_and_the_harm_of_a_unit(
    machine: Machine, unit: Unit, harm: Harm
) -> None:
    """What there is to know is known before the calm; more would delay whom the fault may hit."""
    (act,) = acts(BreakUnit(unit, harm), ("cp-1",), SITE)
    machine.has(f"{act.slug}.undo", act.undoing)
    world = (
        'systemctl() { echo "$calm $1" >&2; [ "$1" != show ] || echo loaded; }\n'
        "calm=before\nsleep() { calm=after; }\n"
    )
    called = machine.play(act.injecting, world).stderr.splitlines()
    first = next(line for line in called if line.startswith("after"))
    assert first == f"after {'stop' if harm is Harm.STOP else 'kill'}"


def test_who_is_known_to_be_a_unit_is_one_whatever_failed_before(machine: Machine) -> None:
    """Asked once, and once only."""
    world = "systemctl() { echo asked >&2; echo loaded; }\n"
    done = machine.play(f"{WORDS}is_unit etcd; false; is_unit etcd && echo yes\n", world)
    assert (done.stdout, done.stderr) == ("yes\n", "asked\n")


def test_what_was_undone_during_the_calm_is_not_injected(machine: Machine) -> None:
    """Nobody would take it away again."""
    act = cut()
    undo = machine.has("cut.undo", act.undoing)
    begun = machine.folder / "cut.ending"
    for undoing in (f": >{begun}", f"rm {undo}"):
        done = machine.play(act.injecting, f"sleep() {{ {undoing}; }}\n")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "the undo is not armed any more\n"
        begun.unlink(missing_ok=True)


def test_an_undo_says_that_it_has_begun_before_anything_else(machine: Machine) -> None:
    """So that nothing is injected behind its back, and what an undo left that died is no sign."""
    act = cut()
    machine.has("cut.undo", act.undoing)
    seen = machine.folder.parent / "seen"
    machine.play(act.undoing, f"nft() {{ ls {machine.folder} >{seen}; exit; }}\n")
    assert "cut.ending" in seen.read_text().split()
    assert machine.play(act.undoing).returncode == 0
    machine.has("cut.ending", "")
    assert machine.play(act.arm(5)).returncode == 0
    assert "cut.ending" not in machine.files


def test_no_two_kinds_of_faults_share_an_undo() -> None:
    """The timer of one would undo the other, or half of it."""
    faults = [one.fault for one in SCENARIOS.values() if isinstance(one.fault, Lasting)]
    kinds: dict[str, set[type]] = {}
    for fault in faults:
        for act in acts(fault, PLANES, SITE):
            kinds.setdefault(act.unit, set()).add(type(fault))
    assert all(len(found) == 1 for found in kinds.values()), kinds


@pytest.mark.parametrize(
    ("armed", "cut_off", "said"),
    [
        (True, True, ["undone"]),
        (True, False, ["gone", "undone"]),
        (False, True, ["gone", "undone"]),
    ],
)
def test_an_undo_says_if_the_fault_was_gone_before(
    machine: Machine, *, armed: bool, cut_off: bool, said: list[str]
) -> None:
    """By its file, which goes with whoever undoes, and by what the fault itself looks like."""
    act = cut()
    if armed:
        machine.has("cut.undo", act.undoing)
    table = f"there={int(cut_off)}\nnft() {{\n"
    table += 'if [ "$1" = list ]; then [ "$there" = 1 ]; else there=0; fi\n}\n'
    assert signs(machine.play(act.undoing, table)) == said
    assert machine.files == []


def test_what_runs_while_a_fault_lasts_must_run_until_it_is_undone(machine: Machine) -> None:
    """A loop that ended was no fault for all of its time."""
    (act,) = acts(FlapCheck(6.0), ("cp-1",), SITE)
    ended = "systemctl() { case $* in *is-active*run-flap*) return 3 ;; esac; }\n"
    for world, said in ((ended, ["gone", "undone"]), ("", ["undone"])):
        machine.has("flap.undo", act.undoing)
        assert signs(machine.play(act.undoing, world)) == said


@pytest.mark.parametrize("freezes", [True, False])
def test_a_disk_that_stalls_again_and_again_must_have_stalled_once(
    machine: Machine, *, freezes: bool
) -> None:
    """A loop that could not freeze anything is told, not measured."""
    (act,) = acts(StallDisk(pause=1, every=2), ("cp-1",), SITE)
    machine.has("disk-stall.undo", act.undoing)
    twice = f"left={2 * freezes}\nfsfreeze() {{ left=$((left - 1)); [ $left -ge 0 ]; }}\n"
    machine.play(act.runs, twice)
    done = machine.play(act.injecting, "sleep() { :; }\n")
    assert done.returncode == (0 if freezes else 1)


@pytest.mark.parametrize(("unit", "of_group"), [("42", "42"), ("43", "42")])
def test_a_unit_is_starved_as_long_as_its_main_process_is(
    machine: Machine, unit: str, of_group: str
) -> None:
    """One that was started again has a whole processor, and the drill would prove nothing."""
    (act,) = acts(Starve(Unit.ETCD, 10), ("cp-1",), SITE)
    machine.has("etcd-starve.undo", act.undoing)
    machine.has("cgroup.procs", f"{of_group}\n")
    machine.has("cpu.cfs_quota_us", "10000\n")
    test = f"{WORDS}unified() {{ false; }}\nmain() {{ echo {unit}; }}\n{act.stands}\n"
    done = machine.play(test.replace("/sys/fs/cgroup/cpu/backstay-drill", str(machine.folder)))
    assert (done.returncode == 0) is (unit == of_group)


POD = f"{WORDS}is_unit() {{ false; }}\nsleep() {{ found=43; }}\npgrep() {{ echo $found; }}\n"
"""Where a unit is a static pod: its process is `found`, and another one a moment later."""


@pytest.mark.parametrize("does", ["signal kube-scheduler all KILL", "restart kube-scheduler"])
def test_where_a_pods_process_is_not_there_nobody_else_is_hit(does: str) -> None:
    """A kubelet lets it wait that crashed; a signal to process 0 would end the script itself."""
    done = subprocess.run(
        ("sh",),
        input=f"{POD}pgrep() {{ return 1; }}\n{does}\necho status $?\n",
        text=True,
        capture_output=True,
        check=False,
        start_new_session=True,
    )
    found = (done.returncode, done.stdout, done.stderr)
    assert found == (0, "status 1\n", "kube-scheduler does not run here\n")


def test_a_pod_is_restarted_once_the_process_that_was_there_is_not() -> None:
    """It serves until it ends: that it serves says nothing of the next one."""
    text = f"{POD}kill() {{ :; }}\nfound=42\nrestart kube-apiserver && main kube-apiserver\n"
    done = subprocess.run(("sh",), input=text, text=True, capture_output=True, check=True)
    assert done.stdout == "43\n"
