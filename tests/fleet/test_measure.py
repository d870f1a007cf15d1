"""Measuring: what the script does on a machine, and what is made of its answers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from backstay.components.etcd import HOME
from backstay.errors import GateTimeoutError, UnreachableError
from backstay.fleet.events import Note
from backstay.fleet.measure import ENOUGH, SAMPLES, measure, read_measured
from backstay.fleet.observe import read_answers, script_text
from backstay.fleet.transport import Completed
from backstay.fleet.world import World
from backstay.planning.observation import HostSeen
from backstay.planning.spread import Spread
from backstay.planning.tuning import Measured, Quantity, Source
from backstay.resources.resource import Key
from backstay.spec.model import ClusterSpec
from fakes.machines import FakeMachine

SCRIPT = Path(__file__).parents[2] / "src/backstay/fleet/scripts/measure.sh"
SPEC = ClusterSpec.model_validate(
    {
        "name": "prod",
        "endpoint": {"vip": "10.0.0.10"},
        "hosts": [
            *(
                {"name": f"cp-{n}", "address": f"10.0.0.1{n}", "roles": ["control-plane"]}
                for n in (1, 2, 3)
            ),
            *(
                {"name": f"lb-{n}", "address": f"10.0.0.2{n}", "roles": ["load-balancer"]}
                for n in (1, 2)
            ),
            {"name": "w-1", "address": "10.0.0.31", "roles": ["worker"]},
        ],
    }
)
FAKE_CURL = """\
#!/bin/sh
echo "$@" >>"$LOG"
printf '%s\\n' "$SAID"
exit "$STATUS"
"""


def run(call: str, path: Path, *, said: str = "", status: int = 0) -> HostSeen:
    """Run one function of the script with a curl that says what it is told to."""
    program = path / "curl"
    program.write_text(FAKE_CURL)
    program.chmod(0o755)
    text = "\n".join(("mark=m", script_text("observe.sh"), SCRIPT.read_text(), call))
    environment = {"PATH": f"{path}:/usr/bin:/bin", "LOG": str(path / "log"), "SAID": said}
    environment["STATUS"] = str(status)
    done = subprocess.run(
        ("sh", "-s"), input=text, env=environment, capture_output=True, text=True, check=True
    )
    return read_answers(done.stdout, mark="m")


def test_writes_are_timed_one_by_one_and_leave_nothing(tmp_path: Path) -> None:
    """In the first folder that is there."""
    folder = tmp_path / "there"
    folder.mkdir()
    seen = run(f"measure_fsync 5 {tmp_path}/not-there {folder}", tmp_path)
    times = [float(one) for one in seen.survey["fsync"].split()]
    assert len(times) == 5
    assert all(0 < one < 10 for one in times)
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="only bash can wait by itself")
def test_lateness_is_what_a_wait_takes_beyond_what_was_asked(tmp_path: Path) -> None:
    """Never less than nothing, and as often as told."""
    times = [float(one) for one in run("measure_lateness 20", tmp_path).survey["lateness"].split()]
    assert len(times) == 20
    assert all(0 <= one < 1 for one in times)


def test_round_trips_are_those_over_a_kept_connection_or_refusals(tmp_path: Path) -> None:
    """The first, with its handshake, and what timed out (28) are none."""
    said = "0 1 0.0180 0.0181\n0 0 0.0002 0.0003\n28 0 0.0000 2.0000\n7 0 0.0000 0.0004"
    seen = run("measure_peer 4 cp-2 https://10.0.0.12:2380", tmp_path, said=said)
    assert seen.records == {Key("peer", "cp-2"): {"times": "0.0002 0.0004 "}}
    asked = (tmp_path / "log").read_text()
    assert "https://10.0.0.12:2380/version?[1-4]" in asked
    assert "--cert /etc/kubernetes/pki/etcd/peer.crt" in asked


def test_readyz_is_asked_as_a_balancer_does_and_counts_when_it_is_ready(tmp_path: Path) -> None:
    """By the server's own name, at its address, over new connections; a 500 is no measure."""
    seen = run("measure_readyz 2 cp-2 10.0.0.12:6443", tmp_path, said="200 0.004\n500 0.001")
    assert seen.records == {Key("readyz", "cp-2"): {"times": "0.004 "}}
    asked = (tmp_path / "log").read_text()
    assert "--connect-to ::10.0.0.12:6443" in asked
    assert "Connection: close" in asked
    assert "https://cp-2:6443/readyz?[1-2]" in asked


@pytest.mark.parametrize(
    "call",
    ["measure_peer 200 cp-3 https://10.0.0.13:2380", "measure_readyz 40 cp-3 10.0.0.13:6443"],
)
def test_who_says_nothing_is_asked_once(tmp_path: Path, call: str) -> None:
    """A frozen machine takes connections: of many questions each would wait for its time-out."""
    assert run(call, tmp_path, status=28).records == {}
    assert (tmp_path / "log").read_text().count("--silent") == 1


def test_of_etcd_s_metrics_only_the_histograms_travel(tmp_path: Path) -> None:
    """The rest is some hundred kilobytes."""
    said = (
        'etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"} 300\n'
        'etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 300\n'
        'etcd_disk_wal_write_duration_seconds_bucket{le="0.001"} 9'
    )
    seen = run("measure_etcd", tmp_path, said=said)
    assert list(read_measured("cp-1", seen)) == [
        Measured(Quantity.FSYNC, "cp-1", Spread(0.5, 0.99, 300), Source.ETCD)
    ]


@pytest.mark.parametrize(("count", "source"), [(ENOUGH, Source.ETCD), (ENOUGH - 1, Source.PROBE)])
def test_what_etcd_counted_is_used_once_it_is_enough(count: int, source: Source) -> None:
    """Before that, the worst of a hundred is not in it."""
    line = f'etcd_disk_wal_fsync_duration_seconds_bucket{{le="0.001"}} {count}'
    seen = HostSeen({"metrics": line, "fsync": "0.002 0.003"}, {})
    (found,) = read_measured("cp-1", seen)
    assert found.source is source


def test_what_could_not_be_measured_is_not_there() -> None:
    """No bash, no etcd, a peer that does not answer: nothing is guessed."""
    seen = HostSeen({"metrics": "", "lateness": " "}, {Key("peer", "cp-2"): {"times": ""}})
    assert list(read_measured("cp-1", seen)) == []


@pytest.fixture
def asked() -> dict[str, FakeMachine]:
    """Return a machine for each host, that answers nothing."""
    return {one.name: FakeMachine(one.name, lambda _: Completed(0, "", "")) for one in SPEC.hosts}


def calls(machine: FakeMachine) -> list[str]:
    """Return what the machine was told to measure."""
    (script,) = machine.scripts
    return [
        line for line in script.splitlines() if line.startswith("measure_") and "()" not in line
    ]


async def test_members_measure_members_and_balancers_measure_balancers(
    asked: dict[str, FakeMachine],
) -> None:
    """One script each; those who neither vote nor hold the address are left alone."""
    await measure(SPEC, World(asked), mark="m")
    assert calls(asked["cp-1"]) == [
        f"measure_lateness {SAMPLES}",
        f"measure_peer {SAMPLES} cp-2 https://10.0.0.12:2380",
        f"measure_peer {SAMPLES} cp-3 https://10.0.0.13:2380",
        f"measure_fsync {SAMPLES} {HOME} /var/lib",
        "measure_etcd",
    ]
    assert calls(asked["lb-1"]) == [
        f"measure_lateness {SAMPLES}",
        f"measure_peer {SAMPLES} lb-2 https://10.0.0.22:2380",
        *(f"measure_readyz 40 cp-{n} 10.0.0.1{n}:6443" for n in (1, 2, 3)),
    ]
    assert asked["w-1"].scripts == []


async def test_a_machine_that_is_silent_is_told_and_the_others_are_measured(
    asked: dict[str, FakeMachine],
) -> None:
    """Only when none of them answers is there nothing to say."""
    gone = UnreachableError("no answer on SSH", where="cp-3", why="timed out")
    found = await measure(SPEC, World({**asked, "cp-3": gone}), mark="m")
    assert found.silent == {"cp-3": "no answer on SSH: timed out"}
    with pytest.raises(UnreachableError):
        await measure(SPEC, World(dict.fromkeys(asked, gone)), mark="m")


async def test_a_machine_that_falls_silent_meanwhile_is_told_too(
    asked: dict[str, FakeMachine],
) -> None:
    """Its deadline is not the end of what the others measured."""

    def hang(_: str) -> Completed:
        raise GateTimeoutError("no answer within 60 s", where="cp-3")

    found = await measure(SPEC, World({**asked, "cp-3": FakeMachine("cp-3", hang)}), mark="m")
    assert found.silent == {"cp-3": "no answer within 60 s"}


async def test_who_waits_is_told_what_for(asked: dict[str, FakeMachine]) -> None:
    """Measuring takes seconds, and a silent machine is named before them."""
    gone = UnreachableError("no answer on SSH", where="cp-3", why="timed out")
    told: list[object] = []
    await measure(SPEC, World({**asked, "cp-3": gone}, tell=told.append), mark="m")
    assert told == [
        Note("no answer on SSH: timed out", "cp-3"),
        Note("measuring for some seconds"),
    ]
    told.clear()
    with pytest.raises(UnreachableError):
        await measure(SPEC, World(dict.fromkeys(asked, gone), tell=told.append), mark="m")
    assert Note("measuring for some seconds") not in told
