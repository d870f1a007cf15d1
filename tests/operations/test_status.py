"""Status works with whatever answers, and says the rest."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from inline_snapshot import external_file

from backstay.cli.health_table import document, text
from backstay.errors import GateTimeoutError, UnreachableError
from backstay.fleet.health import member
from backstay.fleet.transport import Completed
from backstay.fleet.world import World
from backstay.operations.status import status
from backstay.planning.health import Member, Readiness, Verdict, Voter
from backstay.planning.look import PLAIN
from backstay.resources.resource import Unknown
from backstay.spec.model import ClusterSpec
from fakes.machines import FakeMachine

NOW = datetime(2026, 1, 2, 12, 0, 5, tzinfo=UTC)
SPEC = ClusterSpec.model_validate(
    {
        "name": "prod",
        "endpoint": {"vip": "10.0.0.10"},
        "hosts": [
            {"name": "cp-1", "address": "10.0.0.11", "roles": ["control-plane"]},
            {"name": "cp-2", "address": "10.0.0.12", "roles": ["control-plane"]},
            {"name": "cp-3", "address": "10.0.0.13", "roles": ["control-plane"]},
            {"name": "w-1", "address": "10.0.0.21", "roles": ["worker"]},
        ],
    }
)
SILENT = UnreachableError(
    "no answer on SSH", where="cp-3", why="timed out", next_move="see that it runs"
)


def etcd_status(number: int) -> str:
    """Return what etcdctl says of a member; the first one leads."""
    header = {"member_id": number, "revision": 81204}
    state = {"header": header, "version": "3.7.3", "dbSize": 25165824, "leader": 1}
    return json.dumps([{"Endpoint": "https://127.0.0.1:2379", "Status": state}])


def etcd_members() -> str:
    """Return what etcdctl says of all members."""
    hosts = SPEC.etcd_members
    found = [{"name": h.name, "peerURLs": [f"https://{h.internal}:2380"]} for h in hosts]
    return json.dumps({"members": found})


def node(name: str) -> dict[str, object]:
    """Return a node that is ready, save the third control plane."""
    ready = {"type": "Ready", "status": "Unknown" if name == "cp-3" else "True", "message": "lost"}
    info = {"kubeletVersion": "v1.36.3" if name == "w-1" else "v1.37.2"}
    body = {"conditions": [ready], "nodeInfo": info}
    return {"kind": "Node", "metadata": {"name": name}, "status": body}


def lease(name: str, holder: str) -> dict[str, object]:
    """Return a lease that was renewed just now."""
    spec = {"holderIdentity": f"{holder}_f00", "renewTime": "2026-01-02T12:00:04.000000Z"}
    return {"kind": "Lease", "metadata": {"name": name}, "spec": spec}


ITEMS = [
    *(node(host.name) for host in SPEC.hosts),
    lease("kube-scheduler", "cp-1"),
    lease("kube-controller-manager", "cp-2"),
    lease("someone-else", "cp-2"),
]


def machine(number: int, name: str) -> FakeMachine:
    """Return a machine that tells about itself as the real scripts do."""

    def answer(script: str) -> Completed:
        if "kubectl" in script:
            return Completed(0, json.dumps({"items": ITEMS}), "")
        found = re.search(r"^mark=(\S+)$", script, re.MULTILINE)
        assert found
        facts = {
            "load": "0.4",
            "addresses": f"eth0=10.0.0.1{number}/24," + ("eth0=10.0.0.10/32," * (number == 1)),
        }
        if "\nprobe_member" in script:
            facts |= {"etcd_status": etcd_status(number), "etcd_read": "yes"}
            facts["etcd_members"] = etcd_members()
        lines = [("survey", ".", field, value) for field, value in facts.items()]
        (units,) = re.findall(r"^probe_service (.*)$", script, re.MULTILINE)
        lines += [("service", unit, "active", "active") for unit in units.split()]
        return Completed(0, "".join("\t".join((found[1], *one)) + "\n" for one in lines), "")

    return FakeMachine(name, answer)


def world(*, third: UnreachableError | None) -> World:
    """Return the world of the specification."""
    machines = {host.name: machine(n, host.name) for n, host in enumerate(SPEC.hosts, start=1)}
    return World(machines | ({} if third is None else {"cp-3": third}), now=lambda: NOW)


def replace_third(third: FakeMachine) -> World:
    """Return the world with another third machine."""
    return World({**world(third=None).machines, "cp-3": third}, now=lambda: NOW)


FAILED = "Failed to get the status of endpoint https://127.0.0.1:2379 (context deadline exceeded)"


def lost(errors: list[str]) -> str:
    """Return what etcdctl says of a member that knows no leader: zeros are left out."""
    state = {"header": {"member_id": 1}, "version": "3.7.3", "dbSize": 9457664, "errors": errors}
    return json.dumps([{"Endpoint": "https://127.0.0.1:2379", "Status": state}])


async def test_a_machine_that_is_down_is_shown_and_the_others_with_it() -> None:
    """Every host has a row; what is missing is a finding, never a guess."""
    health = await status(SPEC, world=world(third=SILENT))
    assert f"{text(health, PLAIN)}\n" == external_file("snapshots/status-one-down.txt")


async def test_the_document_has_the_same_facts() -> None:
    """Programs find every host, lease and finding, and unknown is null."""
    found = document(await status(SPEC, world=world(third=SILENT)))
    assert json.loads(json.dumps(found)) == found
    hosts = {host["name"]: host for host in found["hosts"]}
    assert hosts["cp-3"]["reached"] is False
    assert hosts["cp-3"]["etcd"] is None
    assert hosts["cp-1"]["etcd"]["leader"] is True
    assert [one["holder"] for one in found["leases"]] == ["cp-2", "cp-1"]
    assert found["endpoint"]["vip_holders"] == ["cp-1"]


async def test_one_script_and_at_most_one_kubectl_per_machine() -> None:
    """Looking costs each machine one round trip, and one of them a second."""
    asked = world(third=None)
    await status(SPEC, world=asked)
    counts = [len(one.scripts) for one in asked.machines.values()]
    assert counts == [2, 1, 1, 1]


async def test_when_no_machine_answers_it_is_unreachable() -> None:
    """There is nothing to show: exit code 4."""
    silent = World({host.name: SILENT for host in SPEC.hosts}, now=lambda: NOW)
    with pytest.raises(UnreachableError):
        await status(SPEC, world=silent)


async def test_machines_without_a_cluster_are_down_and_say_why() -> None:
    """Before the first apply there is no authority, and no endpoint to ask."""
    health = await status(SPEC, world=world(third=None))
    assert health.verdict is Verdict.DOWN
    assert isinstance(health.serving, Unknown)
    assert all(
        isinstance(host.apiserver, Readiness) and not host.apiserver.ready
        for host in health.hosts[:3]
    )


async def test_a_machine_that_hangs_is_told_once() -> None:
    """It has no reason beside that nothing came."""

    def hang(_: str) -> Completed:
        raise GateTimeoutError("no answer within 20 s", where="cp-3", next_move="backstay status")

    health = await status(SPEC, world=replace_third(FakeMachine("cp-3", hang)))
    assert health.hosts[2].silent == "no answer within 20 s"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (lost(["etcdserver: no leader"]), "etcdserver: no leader"),
        (lost([]), "it knows no leader"),
        (
            f'{{"level":"warn","msg":"retrying"}}\t{FAILED}\tnull\t',
            "context deadline exceeded",
        ),
        ("sh: etcdctl: not found\t", "sh: etcdctl: not found"),
        ("null\t", "etcdctl said nothing"),
    ],
)
def test_a_member_that_does_not_answer_has_its_cause(said: str, why: str) -> None:
    """Whole, and never the tail of a document."""
    assert member({"etcd_status": said}) == Unknown(why)


def test_a_warning_before_the_status_hides_nothing() -> None:
    """Etcdctl warns on the same stream."""
    said = f'{{"level":"warn"}}\t{etcd_status(1)}\t'
    assert isinstance(member({"etcd_status": said, "etcd_read": "yes"}), Member)


@pytest.mark.parametrize("said", ["", "Error: context deadline exceeded", "[]", '[{"Status":1}]'])
def test_a_member_that_says_nothing_useful_is_unknown(said: str) -> None:
    """Unknown is not the same as no member."""
    assert isinstance(member({"etcd_status": said}), Unknown)
    assert member({}) is None


def test_a_member_tells_which_voters_it_counts() -> None:
    """One that never started has no name; a learner is none; what cannot be read, nobody."""
    members = [
        {"ID": 1, "name": "cp-1", "peerURLs": ["https://10.0.0.11:2380"]},
        {"ID": 2, "peerURLs": ["https://[fd00::12]:2380"]},
        {"ID": 3, "name": "cp-3", "peerURLs": ["https://10.0.0.13:2380"], "isLearner": True},
    ]
    facts = {"etcd_status": etcd_status(1), "etcd_members": json.dumps({"members": members})}
    found = member(facts)
    assert isinstance(found, Member)
    assert found.knows == (Voter("cp-1", ("10.0.0.11",)), Voter("", ("fd00::12",)))
    for damaged in ("", "Error: context deadline exceeded", "[]", '{"members":[7]}'):
        found = member({**facts, "etcd_members": damaged})
        assert isinstance(found, Member)
        assert found.knows == ()


def test_a_member_that_cannot_read_does_not_answer() -> None:
    """It tells of itself, and still a linearizable read fails."""
    found = member({"etcd_status": etcd_status(1), "etcd_read": "no"})
    assert isinstance(found, Member)
    assert found.leader
    assert not found.answers


SCRIPT = Path(__file__).parents[2] / "src/backstay/fleet/scripts/health.sh"


def test_the_script_takes_certificates_and_never_keys_out_of_a_file(tmp_path: Path) -> None:
    """The kubelet keeps both in one file; only the certificate leaves the machine."""
    path = tmp_path / "both.pem"
    path.write_text(
        "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
        "-----BEGIN EC PRIVATE KEY-----\ncanary\n-----END EC PRIVATE KEY-----\n"
    )
    done = subprocess.run(
        ("sh", "-c", f". {SCRIPT}; pem {path}"), capture_output=True, text=True, check=True
    )
    assert done.stdout == "-----BEGIN CERTIFICATE-----\\nabc\\n-----END CERTIFICATE-----\\n"
