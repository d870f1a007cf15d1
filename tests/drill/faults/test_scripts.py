"""The sh of every scenario: proper, armed first, and never without its undo."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
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
    Slow,
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


HIT = {Harm.KILL: "KILL", Harm.FREEZE: "STOP"}


@pytest.mark.parametrize("unit", Unit)
@pytest.mark.parametrize("harm", Harm)
def test_nothing_is_asked_between_the_calm_and_the_harm_of_a_unit(
    machine: Machine, unit: Unit, harm: Harm
) -> None:
    """What there is to know is known before the calm; more would delay whom the fault may hit."""
    (act,) = acts(BreakUnit(unit, harm), ("cp-1",), SITE)
    machine.has(f"{act.slug}.undo", act.undoing)
    called = machine.play(act.injecting, A_UNIT).stderr.splitlines()
    first, then = [line for line in called if line.startswith("after")][:2]
    if harm is Harm.STOP:
        assert first == f"after systemctl stop {unit}.service"
        return
    assert first == f"after kill {HIT[harm]} 42"
    # The shims of pods are in containerd's group, and no part of it.
    assert (then == f"after kill {HIT[harm]} 50 51") is (unit is not Unit.RUNTIME)


A_UNIT = """\
systemctl() {
    echo "$calm systemctl $1 $2" >&2
    case "$*" in *LoadState*) echo loaded ;; *MainPID*) echo 42 ;; esac
}
pgrep() { echo "$calm pgrep $1 $2" >&2; printf '50\\n51\\n'; }
kill() { echo "$calm kill $(shift; echo "$@")" >&2; }
calm=before
sleep() { calm=after; }
"""
"""A machine where a unit has a main process and two children."""


@pytest.mark.parametrize("calm", [":", "kill -9 {child}"])
def test_a_unit_is_hit_with_its_children_if_they_are_still_there(
    machine: Machine, calm: str
) -> None:
    """A real process with a child; that one may be gone when the calm is over."""
    (act,) = acts(BreakUnit(Unit.BALANCER, Harm.KILL), ("cp-1",), SITE)
    machine.has(f"{act.slug}.undo", act.undoing)
    family = ("sh", "-c", "sleep 300 & echo $!; wait; exec sleep 300")
    with subprocess.Popen(family, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = parent.stdout.readline().strip()
        world = (
            'systemctl() { case "$*" in *Load*) echo loaded ;; *Main*) echo $main ;; esac; }\n'
            f"main={parent.pid}\nsleep() {{ main=0; {calm.format(child=child)} || :; }}\n"
        )
        done = machine.play(act.injecting, world)
        assert done.returncode == 0, done.stderr
        assert parent.wait(5) == -signal.SIGKILL
    eventually_gone(int(child))


def eventually_gone(process: int) -> None:
    """Wait until a process has ended, buried by whoever adopted it or not."""
    end = time.monotonic() + 5
    words = Path(f"/proc/{process}/cmdline")
    while words.exists() and words.read_bytes():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        # A balancer of which the first process alone is frozen serves on.
        ("pgrep() { return 127; }", "nobody tells its processes: is procps installed here?"),
        ("kill() { return 1; }", "process 42 ended while its machine rested"),
    ],
)
def test_who_could_not_be_hit_whole_is_not_told_as_hit(
    machine: Machine, broken: str, said: str
) -> None:
    """Nobody may be told of a fault that there was not, or not quite."""
    (act,) = acts(BreakUnit(Unit.BALANCER, Harm.FREEZE), ("cp-1",), SITE)
    machine.has(f"{act.slug}.undo", act.undoing)
    done = machine.play(act.injecting, f"{A_UNIT}{broken}\n")
    assert done.returncode == 1
    assert said in done.stderr
    assert "after kill" not in done.stderr


def test_a_slow_link_is_made_by_one_program(machine: Machine) -> None:
    """Which device it is was found before the calm."""
    (act,) = acts(Slow(1000), ("cp-1",), SITE)
    machine.has("slow.undo", act.undoing)
    world = (
        'ip() { echo "$calm ip" >&2; echo "10.0.0.2 dev host0 src 10.0.0.1"; }\n'
        'tc() { echo "$calm tc $2 $5" >&2; }\ngrep() { :; }\n'
        "calm=before\nsleep() { calm=after; }\n"
    )
    done = machine.play(act.injecting, world)
    assert done.returncode == 0
    called = [line for line in done.stderr.splitlines() if line.startswith("after")]
    assert called == ["after tc replace root", "after tc show root"]
    assert "before ip" in done.stderr


@pytest.mark.parametrize(
    ("mounted", "root", "is_own"),
    [
        ("/var/lib/etcd", "/", True),
        # A part of a larger disk: journals and containers would be frozen, too.
        ("/var", "/", False),
        ("/", "/", False),
        # A folder of another disk, bound to this place.
        ("/var/lib/etcd", "/data/etcd", False),
    ],
)
def test_a_disk_is_hit_only_if_it_is_etcds_alone(
    machine: Machine, mounted: str, root: str, *, is_own: bool
) -> None:
    (act,) = acts(StallDisk(1000, 0), ("cp-1",), SITE)
    world = (
        f"findmnt() {{ case $3 in FSROOT) echo {root} ;; *) echo {mounted} ;; esac; }}\n"
        "readlink() { echo /var/lib/etcd; }\n"
    )
    done = machine.play(WORDS + act.fits, world)
    assert (done.returncode == 0) is is_own
    assert ("has no file system of its own" in done.stderr) is not is_own


@pytest.mark.parametrize(("has", "fits"), [("noqueue 0:", True), ("fq 8001:", False)])
def test_a_link_is_slowed_only_where_the_kernel_queues_as_it_likes(
    machine: Machine, has: str, *, fits: bool
) -> None:
    """What somebody has set there would not come back as it was."""
    (act,) = acts(Slow(1000), ("cp-1",), SITE)
    world = f'ip() {{ echo "10.0.0.2 dev host0"; }}\ntc() {{ echo "qdisc {has} root refcnt 2"; }}\n'
    assert (machine.play(WORDS + act.fits, world).returncode == 0) is fits


A_POD = """\
systemctl() { echo "$calm systemctl" >&2; [ "$1" != show ] || echo not-found; }
pgrep() { echo "$calm pgrep" >&2; if [ "$1" = -P ]; then echo 50; else echo $found; fi; }
kill() { echo "$calm kill $2 $3" >&2; }
calm=before found=42
sleep() { calm=after found=43; }
"""
"""A machine where a unit is a static pod, which has another process after the calm."""


@pytest.mark.parametrize("harm", Harm)
def test_nothing_is_asked_between_the_calm_and_the_harm_of_a_pod(
    machine: Machine, harm: Harm
) -> None:
    """Whom to hit was found before; `kill` is the shell's own, and starts no program."""
    (act,) = acts(BreakUnit(Unit.APISERVER, harm), ("cp-1",), SITE)
    machine.has(f"{act.slug}.undo", act.undoing)
    called = machine.play(act.injecting, A_POD).stderr.splitlines()
    first, then = [line for line in called if line.startswith("after")][:2]
    name = {Harm.KILL: "KILL", Harm.FREEZE: "STOP", Harm.STOP: "TERM"}[harm]
    assert (first, then) == (f"after kill {name} 42", "after pgrep")


def test_an_undo_looks_for_the_process_that_a_pod_has_by_then(machine: Machine) -> None:
    """It is not the one that was hit, if the kubelet started another."""
    (act,) = acts(BreakUnit(Unit.APISERVER, Harm.FREEZE), ("cp-1",), SITE)
    done = machine.play(act.undoing, f"{A_POD}sleep 0\n")
    assert "after kill CONT 43" in done.stderr.splitlines()


@pytest.mark.parametrize(("state", "known"), [("loaded", "yes"), ("not-found", "no")])
def test_who_is_known_to_be_a_unit_or_none_is_so_whatever_failed_before(
    machine: Machine, state: str, known: str
) -> None:
    """Asked once, and once only."""
    world = f"systemctl() {{ echo asked >&2; echo {state}; }}\n"
    script = f"{WORDS}is_unit etcd; false; if is_unit etcd; then echo yes; else echo no; fi\n"
    done = machine.play(script, world)
    assert (done.stdout, done.stderr) == (f"{known}\n", "asked\n")


def test_a_unit_of_which_systemd_said_nothing_is_asked_for_again(machine: Machine) -> None:
    """One that is taken for a pod once and for all would not be started again by an undo."""
    world = "systemctl() { echo asked >&2; return 1; }\n"
    done = machine.play(f"{WORDS}is_unit etcd; is_unit etcd || echo no\n", world)
    assert (done.stdout, done.stderr) == ("no\n", "asked\nasked\n")


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
    """It serves until it ends: that it serves says nothing of the next one; it is found once."""
    world = 'pgrep() { echo asked >&2; echo $found; }\nkill() { echo "kill $3" >&2; }\n'
    text = f"{POD}{world}found=42\nrestart kube-apiserver && main kube-apiserver\n"
    done = subprocess.run(("sh",), input=text, text=True, capture_output=True, check=True)
    assert done.stdout == "43\n"
    assert done.stderr.splitlines()[:2] == ["asked", "kill 42"]
