"""Waiting ends when the condition holds, when it cannot hold any more, or at the deadline."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from backstay.errors import GateTimeoutError, UnreachableError
from backstay.fleet import gates, kube
from backstay.fleet.events import Event, GateDone
from backstay.fleet.gates import Waiting
from backstay.fleet.ssh import connect
from backstay.fleet.world import World, utc_now
from backstay.pki.authority import create
from backstay.pki.issue import issue
from backstay.pki.request import AuthorityName, CertificateRequest, Profile
from backstay.planning.plan import (
    ApiReady,
    BalancerServes,
    DeploymentAvailable,
    EndpointServes,
    EtcdHealthy,
    Gate,
    LeasesHeld,
    NodesReady,
    UnitsActive,
)
from backstay.spec.model import ClusterSpec
from fakes.sshd import Sshd

SOON = timedelta(seconds=0.5)
LATER = timedelta(seconds=20)
YEAR = timedelta(days=365)


def program(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@dataclass
class Place:
    """One machine whose programs are the test's own, and what was told of waiting for it."""

    sshd: Sshd
    spec: ClusterSpec
    programs: Path
    world: World
    told: list[Event] = field(default_factory=list)

    def waiting(self, authority: str = "") -> Waiting:
        """Return what waits, trusting this authority."""
        return Waiting(self.world, self.spec, authority)

    def program(self, name: str, body: str) -> None:
        """Put a program on the machine."""
        program(self.programs / name, body)

    async def fails(self, *all_: Gate, authority: str = "") -> GateTimeoutError:
        """Wait in vain, and return the error."""
        with pytest.raises(GateTimeoutError) as caught:
            await self.waiting(authority).all(all_)
        assert caught.value.exit_code == 1
        assert caught.value.next_move == "backstay status; then run again: backstay apply"
        return caught.value


@pytest.fixture
async def place(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    """Connect to a machine on which systemctl, etcdctl and kubectl are what the test says."""
    programs = tmp_path / "bin"
    programs.mkdir()
    sshd.environment["PATH"] = f"{programs}:/usr/bin:/bin"
    monkeypatch.setattr(kube, "KUBECTL", (str(programs / "kubectl"),))
    spec = sshd.spec("a")
    told: list[Event] = []
    machine = await connect(spec, spec.host("a"))
    yield Place(sshd, spec, programs, World({"a": machine}, tell=told.append), told)
    machine.connection.close()


async def test_units_that_are_active_open_the_gate(place: Place) -> None:
    """One question, and the gate is told as open."""
    place.program("systemctl", "echo active")
    await place.waiting().all([UnitsActive("a", ("x.service", "y.service"))])
    assert [type(event) for event in place.told][-1] is GateDone
    assert len(place.sshd.commands) == 1


async def test_waiting_on_a_machine_is_one_round_trip(place: Place) -> None:
    """The machine asks itself until it holds."""
    counter = place.programs / "asked"
    place.program("systemctl", f"echo >>{counter}; [ $(wc -l <{counter}) -lt 4 ] || echo active")
    await place.waiting().all([UnitsActive("a", ("x.service",), LATER)])
    assert len(counter.read_text().splitlines()) == 4
    assert len(place.sshd.commands) == 1


async def test_others_are_asked_when_the_units_run(place: Place) -> None:
    """A unit that was told to restart answers as before until it is stopped."""
    counter, early = place.programs / "asked", place.programs / "early"
    place.program("systemctl", f"echo >>{counter}; [ $(wc -l <{counter}) -lt 4 ] || echo active")
    place.program("kubectl", f"[ $(wc -l <{counter}) -ge 4 ] || touch {early}")
    await place.waiting().all([NodesReady(("a",)), UnitsActive("a", ("x.service",), LATER)])
    assert not early.exists()


async def test_a_unit_that_stays_down_is_told_with_its_state(place: Place) -> None:
    """The deadline passes; which unit, and its last state, are in the error."""
    place.program("systemctl", "case $2 in y*) echo failed; exit 3 ;; *) echo active ;; esac")
    began = time.monotonic()
    error = await place.fails(UnitsActive("a", ("x.service", "y.service"), SOON))
    assert time.monotonic() - began < 5
    assert (error.where, error.why) == ("a", "y.service is failed")
    assert "of 0.5 s" in error.what


async def test_a_unit_that_still_reloads_is_waited_for(place: Place) -> None:
    """Its state counts, not the exit code of systemctl: the next machine would be too early."""
    place.program("systemctl", "echo reloading")
    error = await place.fails(UnitsActive("a", ("x.service",), SOON))
    assert error.why == "x.service is reloading"


@pytest.mark.parametrize(
    "together",
    [
        (UnitsActive("a", ("y.service",), LATER), UnitsActive("a", ("x.service",), SOON)),
        (NodesReady(("n",)), EtcdHealthy("a", SOON)),
        (NodesReady(("n",)), UnitsActive("a", ("x.service",), SOON)),
    ],
)
async def test_a_gate_that_cannot_hold_stops_the_others(
    together: tuple[Gate, ...], place: Place
) -> None:
    """Nobody waits minutes for the rest when one has failed already."""
    place.program("systemctl", "echo inactive; exit 3")
    place.program("kubectl", "exec sleep 8")
    began = time.monotonic()
    await place.fails(*together)
    assert time.monotonic() - began < 5


async def test_a_lost_machine_ends_the_waiting(place: Place) -> None:
    """T2: it is told as lost, not as a gate that took too long."""
    place.program("systemctl", f"touch {place.programs}/asked; exit 3")

    async def lose() -> None:
        while not (place.programs / "asked").exists():
            await asyncio.sleep(0.01)
        place.sshd.cut()

    losing = asyncio.create_task(lose())
    with pytest.raises(UnreachableError):
        await place.waiting().all([UnitsActive("a", ("x.service",), LATER)])
    await losing


async def test_etcd_is_asked_for_a_read_of_its_own(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E15: a linearizable read of this very member; its complaint is the reason."""
    path = str(place.programs / "etcdctl")
    place.program("etcdctl", 'echo "$*" >&2; exit 1')
    script = gates._etcd_script()
    monkeypatch.setattr(
        gates, "_etcd_script", lambda: script.replace("/usr/local/bin/etcdctl", path)
    )
    error = await place.fails(EtcdHealthy("a", SOON))
    assert "--endpoints=https://127.0.0.1:2379 " in error.why
    assert error.why.endswith("get backstay-health")


# kubectl waits on a control plane


async def test_kubectl_is_given_the_condition_and_the_time(place: Place) -> None:
    """First that it exists, then the condition: waiting for what is not there is an error."""
    words = place.programs / "words"
    place.program("kubectl", f'echo "$*" >>{words}')
    await place.waiting().all([LeasesHeld(("x",)), DeploymentAvailable("n", "d")])
    said = words.read_text()
    assert "wait --for=create --timeout=120.000s -n kube-system lease/x" in said
    assert "wait --for=jsonpath={.spec.holderIdentity}" in said
    assert "rollout status --timeout=300.000s -n n deployment/d" in said


async def test_a_condition_that_does_not_come_is_told(place: Place) -> None:
    """Its own words, once: another control plane would say the same."""
    place.program(
        "kubectl", "echo 'error: timed out waiting for the condition on nodes/n' >&2; exit 1"
    )
    error = await place.fails(NodesReady(("n",), SOON))
    assert error.why == "a: error: timed out waiting for the condition on nodes/n"
    assert len(place.sshd.commands) == 1


@pytest.mark.parametrize(
    "words",
    [
        "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host?",
        "Error from server: etcdserver: leader changed",
    ],
)
async def test_an_apiserver_that_starts_again_is_waited_for(place: Place, words: str) -> None:
    """What passes by itself is no reason to stop."""
    counter = place.programs / "asked"
    place.program(
        "kubectl",
        f"echo >>{counter}; [ $(wc -l <{counter}) -ge 3 ] || {{ echo '{words}' >&2; exit 1; }}",
    )
    await place.waiting().all([DeploymentAvailable("n", "d", LATER)])
    assert len(counter.read_text().splitlines()) == 3


async def test_an_apiserver_that_stays_away_is_told_at_the_deadline(place: Place) -> None:
    """Not before, and not much later."""
    place.program("kubectl", "echo 'Unable to connect to the server: no' >&2; exit 1")
    began = time.monotonic()
    error = await place.fails(DeploymentAvailable("n", "d", SOON))
    assert 0.5 <= time.monotonic() - began < 5
    assert "Unable to connect" in error.why


# /readyz over verified TLS, through the machine


@dataclass
class Answers:
    """What the apiserver says, one answer after the other; the last one again and again."""

    bodies: list[tuple[int, str]]
    hosts: list[str] = field(default_factory=list)


def _authority(name: str = "kubernetes.default.svc") -> tuple[str, bytes, bytes]:
    """Return an authority's PEM, and a certificate for the name with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = utc_now()
    authority = create(AuthorityName.KUBERNETES, key=key, serial=1, now=now, lifetime=YEAR)
    request = CertificateRequest(
        name="apiserver",
        stem="/x",
        authority=AuthorityName.KUBERNETES,
        profile=Profile.SERVER,
        common_name="kube-apiserver",
        lifetime=YEAR,
        renew_before=YEAR / 2,
        dns_names=(name,),
        addresses=(ip_address("10.96.0.1"),),
    )
    leaf = ec.generate_private_key(ec.SECP256R1())
    pair = issue(request, authority, key=leaf, serial=2, now=now)
    return authority.certificate.decode(), pair.certificate, pair.key.reveal()


@asynccontextmanager
async def serving(
    folder: Path, answers: Answers, *, name: str = "kubernetes.default.svc"
) -> AsyncIterator[tuple[int, str]]:
    """Serve the answers over TLS; yields the port, and the authority to trust."""
    authority, certificate, key = _authority(name)
    (folder / "pair.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pair.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        answers.hosts += [
            line.split()[1] for line in asked.decode().splitlines() if line.startswith("host:")
        ]
        status, body = answers.bodies.pop(0) if len(answers.bodies) > 1 else answers.bodies[0]
        head = f"HTTP/1.1 {status} x\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], authority


async def test_readyz_is_asked_until_it_says_ok(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the machine, verified by a name that every apiserver's certificate has."""
    answers = Answers([(500, "etcd failed"), (500, "etcd failed"), (200, "ok")])
    async with serving(tmp_path, answers) as (port, authority):
        monkeypatch.setattr(gates, "APISERVER_PORT", port)
        await place.waiting(authority).all([ApiReady("a", LATER)])
    assert answers.hosts == ["kubernetes.default.svc"] * 3


async def test_what_readyz_said_last_is_the_reason(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the deadline, with the address that was asked, and from where."""
    async with serving(tmp_path, Answers([(500, "[-]etcd failed")])) as (port, authority):
        monkeypatch.setattr(gates, "APISERVER_PORT", port)
        error = await place.fails(ApiReady("a", SOON), authority=authority)
    assert (error.where, error.why) == (f"a asking 127.0.0.1:{port}", "[-]etcd failed")


@pytest.mark.parametrize("harm", ["another authority", "another name", "nobody there"])
async def test_only_the_clusters_own_apiserver_counts(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """Whoever else answers there is not trusted, however ready."""
    name = "example.org" if harm == "another name" else "kubernetes.default.svc"
    async with serving(tmp_path, Answers([(200, "ok")]), name=name) as (port, authority):
        trusted = _authority()[0] if harm == "another authority" else authority
        monkeypatch.setattr(gates, "APISERVER_PORT", 1 if harm == "nobody there" else port)
        error = await place.fails(ApiReady("a", SOON), authority=trusted)
    assert error.why


@pytest.mark.parametrize(
    ("gate", "address"),
    [(BalancerServes("a", SOON), "127.0.0.1"), (EndpointServes("a", SOON), "127.0.0.100")],
)
async def test_a_balancer_is_asked_itself_and_the_address_by_whoever_has_it(
    place: Place, tmp_path: Path, gate: Gate, address: str
) -> None:
    """Both at the port of cluster.yaml, as seen from the host."""
    async with serving(tmp_path, Answers([(500, "no server")])) as (port, authority):
        endpoint = place.spec.endpoint.model_copy(update={"port": port})
        place.spec = place.spec.model_copy(update={"endpoint": endpoint})
        error = await place.fails(gate, authority=authority)
    assert error.where == f"a asking {address}:{port}"
