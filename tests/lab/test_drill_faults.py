"""Faults on real machines: they bite, and they heal, also when nobody is left to heal them.

One lab serves all of this file's tests; what each leaves is asked at its end.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from backstay.drill.again import again
from backstay.drill.faults.catalogue import SCENARIOS
from backstay.drill.faults.kinds import (
    BlindBalancer,
    BlockNames,
    BlockVrrp,
    BreakMachine,
    BreakUnit,
    Cut,
    Fault,
    FillDisk,
    FlapCheck,
    Harm,
    Lose,
    MoveLeader,
    Power,
    Restart,
    Silence,
    Slow,
    StallDisk,
    Starve,
    Unit,
    Way,
)
from backstay.drill.faults.scripts import CALM_SECONDS
from backstay.drill.faults.steps import ETCDCTL
from backstay.drill.faults.targets import resolve, site_of
from backstay.drill.history import Kind, Mark
from backstay.drill.history_file import read_history
from backstay.drill.inject import Tell, Turn, armed_seconds, injected
from backstay.drill.load.etcd import PREFIX
from backstay.drill.load.kube import LABEL
from backstay.drill.undo import leftovers
from backstay.errors import RefusedError
from backstay.fleet.ssh import connected
from backstay.fleet.world import World
from backstay.lab import PowerSwitch, give_disk, places_of
from backstay.operations.drill import look
from backstay.operations.drill_gather import gathered
from backstay.spec.parse import parse
from fakes.real_lab import RealLab, eventually, run

pytestmark = pytest.mark.lab

NAME = "t-drill-faults"
PLANES = ("cp-1", "cp-2", "cp-3")
ARMED_SECONDS = CALM_SECONDS + 4.0
FROZEN = "grep -c '^State:.T' /proc/$(systemctl show --value -p MainPID {unit})/status"
READ = f"{ETCDCTL} get backstay-health >/dev/null 2>&1 && echo yes || echo no"

# Enters the block and stays there until it is killed, having said how far it is.
OPERATOR = """
import asyncio, sys
sys.path.insert(0, sys.argv[2])
from test_drill_faults import drilled, FAULTS, ARMED_SECONDS

async def main():
    def tell(host, turn, what):
        print(turn, host, what, flush=True)

    async with drilled(FAULTS[sys.argv[1]], *sys.argv[3:], seconds=ARMED_SECONDS, listen=tell):
        print("block", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""
FAULTS: dict[str, Fault] = {
    "freeze etcd": BreakUnit(Unit.ETCD, Harm.FREEZE),
    "stop apiserver": BreakUnit(Unit.APISERVER, Harm.STOP),
    "cut": Cut(Way.BOTH, 2380),
    "flap": FlapCheck(0.5),
    "block names": BlockNames(),
    "freeze machine": BreakMachine(Power.FREEZE),
    "kill machine": BreakMachine(Power.KILL),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    run("lab", "down", "--name", NAME)
    run("lab", "up", "--control-plane", "3", "--workers", "1", "--name", NAME)
    yield RealLab(NAME, tmp_path_factory.mktemp(NAME))
    run("lab", "down", "--name", NAME)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with connected(parse(places_of(NAME).cluster.read_text())) as machines:
        yield World(machines)


@asynccontextmanager
async def drilled(
    fault: Fault, *hosts: str, seconds: float = 30, listen: Tell = lambda *_: None
) -> AsyncIterator[list[tuple[str, Turn]]]:
    """Give the block in which a fault of this lab stands, and what was told about it."""
    told: list[tuple[str, Turn]] = []

    def tell(host: str, turn: Turn, what: str) -> None:
        told.append((host, turn))
        listen(host, turn, what)

    spec = parse(places_of(NAME).cluster.read_text())
    async with (
        world() as reached,
        injected(
            fault,
            hosts,
            site=site_of(spec),
            world=reached,
            again=again(spec),
            machines=PowerSwitch(NAME),
            seconds=seconds,
            tell=tell,
        ),
    ):
        yield told


async def left() -> dict[str, tuple[str, ...]]:
    async with world() as reached:
        return dict(await leftovers(reached, PowerSwitch(NAME)))


@pytest.fixture(autouse=True)
def nothing_left(lab: RealLab) -> Iterator[None]:
    """Whatever a test did, its machines are clean after it."""
    del lab
    yield
    assert asyncio.run(left()) == {}


async def test_a_frozen_unit_is_stopped_and_goes_on(lab: RealLab) -> None:
    """Its process is there and does nothing; leftovers tell while it is so."""
    frozen = FROZEN.format(unit="etcd")
    async with drilled(FAULTS["freeze etcd"], "cp-1") as told:
        assert lab.sh("cp-1", frozen) == "1\n"
        assert {"fault freeze etcd", "frozen etcd"} <= set((await left())["cp-1"])
    assert told == [("cp-1", Turn.INJECTED), ("cp-1", Turn.UNDONE)]
    assert lab.sh("cp-1", frozen, check=False) == "0\n"


async def test_a_unit_that_is_killed_is_another_process_after(lab: RealLab) -> None:
    """And systemd alone may start it again before we do."""
    ask = "systemctl show --value -p MainPID kube-scheduler"
    before = lab.sh("cp-2", ask)
    async with drilled(BreakUnit(Unit.SCHEDULER, Harm.KILL), "cp-2"):
        assert lab.sh("cp-2", ask) != before
    assert lab.sh("cp-2", "systemctl is-active kube-scheduler") == "active\n"


async def test_a_unit_that_is_stopped_stays_so_until_it_is_undone(lab: RealLab) -> None:
    """Nothing starts it in between."""
    async with drilled(BreakUnit(Unit.KUBELET, Harm.STOP), "w-1"):
        assert lab.sh("w-1", "systemctl is-active kubelet", check=False) == "inactive\n"
    assert lab.sh("w-1", "systemctl is-active kubelet") == "active\n"


async def test_a_member_that_is_cut_off_by_port_serves_no_read_but_answers_others(
    lab: RealLab,
) -> None:
    """Peers are gone, clients are not; the other two go on."""
    async with drilled(Cut(Way.BOTH, 2380), "cp-1") as told:
        assert lab.sh("cp-1", READ) == "no\n"
        assert lab.sh("cp-2", READ) == "yes\n"
        assert lab.sh("w-1", "ping -c 1 -W 1 10.0.0.1 >/dev/null; echo here") == "here\n"
    assert {host for host, turn in told if turn is Turn.UNDONE} == set(PLANES)
    eventually(lambda: lab.sh("cp-1", READ) == "yes\n", seconds=10, what="cp-1 serving")


@pytest.mark.parametrize(
    "fault",
    [Lose(5), Slow(4000), BlockVrrp(), BlindBalancer(), BlockNames(), Starve(Unit.ETCD, 50)],
    ids=lambda fault: type(fault).__name__,
)
async def test_a_fault_is_there_and_gone(lab: RealLab, fault: Fault) -> None:
    """The machine itself says so each time, or nobody would be told that it was."""
    del lab
    async with drilled(fault, "cp-3") as told:
        assert told == [("cp-3", Turn.INJECTED)]
    assert told[1:] == [("cp-3", Turn.UNDONE)]


async def test_connections_that_die_silently_are_those_that_were_there(lab: RealLab) -> None:
    """A new one through the same address works."""
    async with drilled(Silence(), "w-1"):
        table = lab.sh("w-1", "nft list table inet backstay_drill")
        assert "tcp sport 8443 tcp dport" in table
        lab.sh("w-1", f"curl -sfk -m 2 -o /dev/null https://{vip()}:8443/readyz")


def vip() -> str:
    return str(parse(places_of(NAME).cluster.read_text()).endpoint.vip)


async def test_an_etcd_without_a_disk_of_its_own_stalls_nobody_elses(lab: RealLab) -> None:
    """It is refused, until the machine has such a disk; then the member hangs, and comes back."""
    with pytest.raises(RefusedError, match="nothing was injected"):
        async with drilled(StallDisk(), "cp-3"):
            pytest.fail("this computer's disk was stalled")
    await give_disk(NAME, "cp-3")
    eventually(lambda: lab.sh("cp-3", READ) == "yes\n", seconds=30, what="cp-3 serving")
    touch = "timeout 1 touch /var/lib/etcd/x; echo $?"
    async with drilled(StallDisk(), "cp-3"):
        # A hanging write cannot even be killed, so nobody waits for it.
        lab.sh("cp-3", "touch /var/lib/etcd/x >/dev/null 2>&1 &")
        eventually(
            lambda: "D" in lab.sh("cp-3", "ps -o state= -C touch", check=False),
            seconds=5,
            what="a write that hangs",
        )
    assert lab.sh("cp-3", touch) == "0\n"
    async with drilled(FillDisk(), "cp-3"):
        write = "dd if=/dev/zero of=/var/lib/etcd/x bs=1M count=8 2>&1 || echo full"
        assert "full" in lab.sh("cp-3", write)
    assert "full" not in lab.sh("cp-3", f"{write}; rm /var/lib/etcd/x")


async def test_planned_ones_leave_everything_serving(lab: RealLab) -> None:
    """A leader hands over, and a unit is restarted everywhere, one after the other."""
    leader = leader_of(lab)
    async with drilled(MoveLeader(), leader):
        assert leader_of(lab) != leader
    async with drilled(Restart(Unit.SCHEDULER), *PLANES) as told:
        turns = (Turn.INJECTED, Turn.UNDONE)
        assert told == [(host, turn) for host in PLANES for turn in turns]


async def test_one_machine_is_given_every_role(lab: RealLab) -> None:
    """Who holds the address leads etcd and has both leases then; asked again, nothing moves."""
    spec = parse(places_of(lab.name).cluster.read_text())
    everything = SCENARIOS["machine-freeze-all-in-one"].target
    said: list[str] = []
    async with world() as reached:
        before = await gathered(spec, everything, await look(spec, reached), reached, said.append)
        assert resolve(everything, before.roles, seed=0) == (before.roles.vip_holder,)
        said.clear()
        again = await gathered(spec, everything, before, reached, said.append)
    assert (again, said) == (before, [])


OPERATORS = {
    "units and a worker": (
        ("injected", "freeze etcd", "cp-1"),
        ("injected", "stop apiserver", "cp-2"),
        ("block", "flap", "cp-3"),
        ("block", "kill machine", "w-1"),
    ),
    "a plane": (("injected", "freeze machine", "cp-2"), ("block", "block names", "cp-1")),
}


@pytest.mark.parametrize("operators", OPERATORS.values(), ids=OPERATORS)
async def test_what_killed_operators_broke_heals_by_itself(
    lab: RealLab, operators: tuple[tuple[str, ...], ...]
) -> None:
    """Killed while they inject or after, they leave faults, all gone after the armed time."""
    began = time.monotonic()
    await asyncio.gather(*(operator_killed_at(*words) for words in operators))
    # The first may have been mended before the last operator came as far.
    assert set(PowerSwitch(NAME).armed()) <= {"cp-2", "w-1"}
    while not await healed(lab):
        assert time.monotonic() - began < ARMED_SECONDS + 30
        await asyncio.sleep(0.2)


async def operator_killed_at(said: str, name: str, *hosts: str) -> None:
    """Drill in another process, and kill it the moment it says a word."""
    operator = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OPERATOR, name, str(Path(__file__).parent), *hosts),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert operator.stdout is not None
    while line := await operator.stdout.readline():
        if line.decode().startswith(said):
            break
    operator.kill()
    assert await operator.wait() == -signal.SIGKILL


async def healed(lab: RealLab) -> bool:
    """Tell whether all four answer, nothing of a drill is left, and units run."""
    async with world() as reached:
        if len(reached.reached) < 4 or await leftovers(reached, PowerSwitch(NAME)):
            return False
    ask = "systemctl is-active etcd kube-apiserver haproxy"
    return all(lab.sh(host, ask, check=False).split() == ["active"] * 3 for host in PLANES)


async def test_what_is_found_after_a_crash_can_be_undone_at_once(lab: RealLab) -> None:
    """Nobody needs to wait for the timers."""
    await operator_killed_at("block", "cut", "cp-1")
    found = await left()
    assert set(found) == set(PLANES)
    assert "table inet backstay_drill" in found["cp-2"]
    said = lab.backstay("drill", "undo").stderr
    assert all(f"{host}: undone: fault cut off on port 2380" in said for host in PLANES)
    assert await left() == {}
    assert "Nothing of any drill is left." in lab.backstay("drill", "undo").stderr


async def test_where_a_fault_stands_no_other_is_injected(lab: RealLab) -> None:
    """Neither the same nor another one: the undo that is armed stays the undo of what stands."""
    undo = "cat /run/backstay-drill/*.undo"
    async with drilled(FAULTS["flap"], "cp-3"):
        armed = lab.sh("cp-3", undo)
        for fault in (FAULTS["flap"], FAULTS["cut"], FAULTS["freeze etcd"]):
            with pytest.raises(RefusedError, match="nothing was injected"):
                async with drilled(fault, "cp-3"):
                    pytest.fail("two faults at once")
        assert lab.sh("cp-3", undo) == armed


async def test_a_fault_that_was_undone_before_its_time_is_told(lab: RealLab) -> None:
    """Whoever measured until then measured a cluster without a fault."""
    async with drilled(FAULTS["freeze etcd"], "cp-2") as told:
        lab.backstay("drill", "undo")
    assert told == [("cp-2", Turn.INJECTED), ("cp-2", Turn.GONE), ("cp-2", Turn.UNDONE)]


async def test_a_rebooted_machine_comes_back_clean(lab: RealLab) -> None:
    """The undo goes with the machine's /run, and so does what it would have undone."""
    del lab
    await operator_killed_at("block", "block names", "w-1")
    assert "table inet backstay_drill" in (await left())["w-1"]
    await PowerSwitch(NAME).reboot("w-1")
    assert await left() == {}


def test_a_drill_is_measured_judged_and_kept(lab: RealLab, tmp_path: Path) -> None:
    """Twice the same scenario: twice nothing lost, and the file says so again later."""
    words = ("drill", "run", "etcd-leader-kill", "--duration", "3s", "--scale", "0.4")
    objective = ("--objective", "lost=0,gap<20s", "--repeat", "2", "-o", "json")
    done = lab.backstay(*words, *objective, "--output-dir", str(tmp_path))
    drills = json.loads(done.stdout)["items"]
    assert [one["verdict"] for one in drills] == ["pass", "pass"]
    assert all(one["numbers"]["elections"] >= 1 for one in drills)
    histories = sorted(tmp_path.glob("*/history.jsonl"))
    pages = sorted(tmp_path.glob("*/report.html"))
    assert len(histories) == len(pages) == 2
    again = run("drill", "check", str(histories[0]), "-o", "json")
    assert json.loads(again.stdout)["numbers"] == drills[0]["numbers"]


DRILL = ("drill", "run", "etcd-leader-freeze", "--duration", "5s", "--scale", "0.3")
ARMED = armed_seconds(SCENARIOS["etcd-leader-freeze"].fault, 5.0)
BEGUN = 'until [ -n "$(ls -A /run/backstay-drill 2>/dev/null)" ]; do sleep 0.02; done'
KILLED = {
    "looking": (False, 1.0),
    "preparing": (False, 3.0),
    "warming up": (False, 6.0),
    "arming": (True, 0.0),
    "resting": (True, 0.7),
    "injecting": (True, CALM_SECONDS + 0.15),
    "just injected": (True, CALM_SECONDS + 0.4),
    "standing": (True, CALM_SECONDS + 2.5),
    "about to undo": (True, CALM_SECONDS + 5.0),
    "undoing": (True, CALM_SECONDS + 5.3),
    "undone": (True, CALM_SECONDS + 5.8),
}
"""Whether arming must have begun, and how many seconds later the drill is killed."""
SOME = ("injecting", "undoing")
"""Each costs the armed time; BACKSTAY_KILL_MOMENTS=all tries every moment."""
MOMENTS = tuple(KILLED) if os.environ.get("BACKSTAY_KILL_MOMENTS") == "all" else SOME


async def drill_killed(lab: RealLab, folder: Path, *, armed: bool, seconds: float) -> None:
    """Run the drill itself, as a person does, and kill it with everything that it started."""
    leader = leader_of(lab)
    with (folder / "said").open("w") as said:
        drill = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "backstay", *DRILL, "-c", str(lab.config)),
            *("--output-dir", str(folder)),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    if armed:
        await asyncio.to_thread(lab.sh, leader, f"timeout 60 sh -c '{BEGUN}'")
    await asyncio.sleep(seconds)
    assert drill.returncode is None, (folder / "said").read_text()
    os.killpg(drill.pid, signal.SIGKILL)
    await drill.wait()


def leader_of(lab: RealLab) -> str:
    """Return which plane leads etcd."""
    status = f"{ETCDCTL} endpoint status -w fields | grep -E 'MemberID|Leader'"
    (leader,) = (
        host
        for host in PLANES
        if len({line.split()[-1] for line in lab.sh(host, status).splitlines()}) == 1
    )
    return leader


def is_whole(lab: RealLab) -> bool:
    return lab.backstay("status", code=None).returncode == 0


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_drill_that_is_killed_leaves_nothing_broken(
    lab: RealLab, tmp_path: Path, moment: str
) -> None:
    """At whatever moment: when the armed time is over the machines are as they were."""
    armed, seconds = KILLED[moment]
    eventually(lambda: is_whole(lab), seconds=60, what="a whole cluster before")
    await drill_killed(lab, tmp_path, armed=armed, seconds=seconds)
    end = time.monotonic() + ARMED + 30
    while (still := await left()) != {}:
        assert time.monotonic() < end, still
        await asyncio.sleep(0.2)
    eventually(lambda: is_whole(lab), seconds=60, what="a whole cluster after")


def namespaces(lab: RealLab) -> list[str]:
    return lab.kubectl("get", "namespaces", "-l", LABEL, "-o", "name").stdout.split()


def keys(lab: RealLab) -> int:
    return len(lab.sh("cp-1", f"{ETCDCTL} get --prefix --keys-only {PREFIX}").split())


async def test_what_killed_drills_wrote_is_removed(lab: RealLab, tmp_path: Path) -> None:
    """Nobody has to know its names; what others wrote stays."""
    eventually(lambda: is_whole(lab), seconds=60, what="a whole cluster")
    lab.kubectl("create", "namespace", "backstay-drill-not")
    await drill_killed(lab, tmp_path, armed=True, seconds=0.0)
    assert namespaces(lab)
    assert keys(lab)
    said = lab.backstay("drill", "undo").stderr
    assert "apiserver: undone: namespace backstay-drill-" in said
    assert "etcd: undone: " in said
    assert keys(lab) == 0
    eventually(lambda: not namespaces(lab), seconds=60, what="no namespace of a drill")
    lab.kubectl("delete", "namespace", "backstay-drill-not")


async def test_a_second_drill_is_refused_while_the_first_one_runs(
    lab: RealLab, tmp_path: Path
) -> None:
    """It is told who drills, breaks nothing, and the first one goes on to its verdict."""
    eventually(lambda: is_whole(lab), seconds=60, what="a whole cluster")
    leader = leader_of(lab)
    first = asyncio.ensure_future(
        asyncio.to_thread(lab.backstay, *DRILL, "--output-dir", str(tmp_path), code=None)
    )
    await asyncio.to_thread(lab.sh, leader, f"timeout 60 sh -c '{BEGUN}'")
    second = await asyncio.to_thread(lab.backstay, "drill", "run", "scheduler-kill", code=5)
    assert "a drill" in second.stderr
    done = await first
    assert done.returncode in {0, 2}, done.stderr
    assert "broke off" not in done.stderr


def test_a_machine_that_lost_its_power_is_heard_again(lab: RealLab, tmp_path: Path) -> None:
    """Its journal is followed over a new connection, and nobody is deaf at the end."""
    eventually(lambda: is_whole(lab), seconds=60, what="a whole cluster")
    words = ("drill", "run", "machine-kill-worker", "--duration", "4s", "--scale", "0.3")
    lab.backstay(*words, "--output-dir", str(tmp_path), code=None)
    (history,) = tmp_path.glob("*/history.jsonl")
    with history.open() as lines:
        marks = read_history(lines).of(Mark)
    killed = next(one.at for one in marks if one.kind is Kind.FAULT)
    started = [one for one in marks if one.kind is Kind.UNIT and one.subject == "w-1"]
    assert any(one.state == "active" and one.at > killed for one in started)
    assert [one for one in marks if one.kind is Kind.NOTE and one.subject == "deaf"] == []
