"""Clusters of all shapes on machines in memory: looking at them, planning, and performing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import Any

from component_sites import CATALOGUE, host

from backstay.components.assemble import build
from backstay.components.network import subnets
from backstay.components.site import Site, Surroundings
from backstay.components.wish import Wish
from backstay.pki.authority import fingerprint
from backstay.pki.decide import Cluster, decide
from backstay.pki.kept import KeptName
from backstay.pki.request import AuthorityName
from backstay.pki.requests import requests
from backstay.pki.trust import UNSEEN, Trust, complete
from backstay.planning.observation import Observation
from backstay.planning.plan import Plan
from backstay.planning.preflight import problems, require_fit
from backstay.planning.propose import propose
from backstay.resources.resource import Key, Unknown
from backstay.resources.service import Service
from backstay.spec.digest import digest
from backstay.spec.model import ClusterSpec
from fakes.computer import Computer
from fakes.credentials import NOW, Credentials, made
from fakes.world import MemoryWorld

ADDRESS = "10.0.0."


@dataclass(frozen=True, slots=True)
class Shape:
    """How many hosts of each kind; members and balancers are shared where there are none."""

    planes: int
    members: int = 0
    balancers: int = 0
    workers: int = 0


SHAPES = (
    Shape(1),
    Shape(1, members=3, workers=1),
    Shape(3),
    Shape(3, workers=1),
    Shape(3, members=3, workers=2),
    Shape(3, balancers=2),
    Shape(5, workers=3),
    Shape(5, members=3, balancers=2),
)


class Wished(Enum):
    """What the owner asks for: this, or other settings, for which everything must restart."""

    THIS = "this"
    OTHER = "other"


@cache
def spec_of(shape: Shape, wished: Wished = Wished.THIS) -> ClusterSpec:
    """Return the specification of a shape."""
    counts = (
        ("cp", "control-plane", 10, shape.planes),
        ("etcd", "etcd", 20, shape.members),
        ("lb", "load-balancer", 30, shape.balancers),
        ("w", "worker", 100, shape.workers),
    )
    document: dict[str, object] = {
        "name": "law",
        "endpoint": {"vip": f"{ADDRESS}200"},
        "hosts": [
            host(f"{prefix}-{number}", f"{ADDRESS}{base + number}", role)
            for prefix, role, base, count in counts
            for number in range(1, count + 1)
        ],
    }
    if wished is Wished.OTHER:
        programs = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kubelet")
        document["extraFlags"] = {program: {"v": "3"} for program in programs}
        document["etcd"] = {"heartbeatMilliseconds": 50}
        document["loadBalancer"] = {"advertIntervalMilliseconds": 300}
    return ClusterSpec.model_validate(document)


_WISHES: dict[tuple[object, ...], Wish] = {}


def wish_of(spec: ClusterSpec, trust: Trust) -> Wish:
    """Return the wish; equal ones are built once."""
    key = (digest(spec), tuple(sorted(trust.digests.items())))
    if key not in _WISHES:
        around = {one.name: Surroundings(interface="eth0") for one in spec.hosts}
        _WISHES[key] = build(Site(spec, trust, CATALOGUE, around, subnets(spec, {}), NOW))
    return _WISHES[key]


@dataclass(frozen=True, slots=True)
class Looked:
    """What was seen, what is wished of it, and who is trusted."""

    spec: ClusterSpec
    observation: Observation
    trust: Trust

    @property
    def wish(self) -> Wish:
        """What is wished."""
        return wish_of(self.spec, self.trust)

    def plan(self) -> Plan:
        """Return the plan, or raise the refusal."""
        return propose(self.spec, self.wish, self.observation)


@dataclass(slots=True, repr=False)
class Case:
    """A cluster on its machines, as one run after the other finds it; `story` is what befell it.

    Each run makes other keys where some are missing, as a real one does.
    """

    spec: ClusterSpec
    world: MemoryWorld
    credentials: Credentials
    runs: int = 0
    story: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<{', '.join(one.name for one in self.spec.hosts)}: {'; '.join(self.story)}>"

    def _repr_pretty_(self, printer: Any, cycle: object) -> None:  # of Hypothesis
        del cycle
        printer.text(repr(self))

    def __copy__(self) -> Case:
        world, credentials = copy(self.world), replace(self.credentials, shown=[])
        world.keyring = credentials
        return replace(self, world=world, credentials=credentials)

    def look(self) -> Looked:
        """Look as operations/look.py does: observe, decide on trust, and refuse the unfit."""
        spec, world = self.spec, self.world
        observation = world.observe(wish_of(spec, UNSEEN).hosts)
        trust = _trusted(spec, observation, self.runs % self.credentials.generations)
        self.runs += 1
        self.credentials.trust = trust
        authority = trust.authority(AuthorityName.KUBERNETES)
        incarnation = "" if authority is None else fingerprint(authority)
        require_fit(problems(spec, observation, incarnation=incarnation))
        wish = wish_of(spec, trust)
        objects = world.ask((*wish.objects, *wish.late_objects))
        return Looked(spec, replace(observation, objects=objects), trust)

    def stale(self) -> list[str]:
        """Return which processes have read what is no longer on the disk."""
        computers = self.world.computers.items()
        return [f"{host}: {what}" for host, computer in computers for what in computer.stale()]

    def apply(self) -> Plan:
        """Plan and perform; returns the plan.

        While the API is away nobody knows its objects, and nothing is planned for them: then, and
        only then, a second run does what the first could not see.
        """
        looked = self.look()
        plan = looked.plan()
        self.world.perform(plan)
        if any(isinstance(one, Unknown) for one in looked.observation.objects.values()):
            self.world.perform(self.look().plan())
        return plan


def _trusted(spec: ClusterSpec, observation: Observation, generation: int) -> Trust:
    seen = {
        name: {one.value: machine.record(Key("file", one.value)) for one in KeptName}
        for name, machine in observation.reached.items()
    }
    alive = Cluster.ALIVE if observation.has_etcd_data else Cluster.EMPTY
    trust = decide(spec, seen, cluster=alive)
    return complete(trust, {name: made(generation)[name] for name in trust.missing})


def fresh(shape: Shape, wished: Wished = Wished.THIS) -> Case:
    """Return machines on which there is nothing yet."""
    spec = spec_of(shape, wished)
    wanted = {(one, r.stem): r for one, all_ in requests(spec).items() for r in all_}
    credentials = Credentials(wanted)
    services = _services(spec)
    computers = {
        one.name: Computer(dict(survey(one.name, str(one.internal))), services[one.name])
        for one in spec.hosts
    }
    world = MemoryWorld(spec, computers, credentials)
    return Case(spec, world, credentials, story=("fresh",))


@cache
def _built(shape: Shape, wished: Wished) -> Case:
    case = fresh(shape, wished)
    case.apply()
    return case


def built(shape: Shape, wished: Wished = Wished.THIS) -> Case:
    """Return machines that are as wished; wished is `THIS`, whatever they were built for."""
    story = (f"built for {wished.value}",)
    return replace(copy(_built(shape, wished)), spec=spec_of(shape), story=story)


def _services(spec: ClusterSpec) -> Mapping[str, Mapping[str, Service]]:
    """Return the wished units by host; what they read does not depend on trust."""
    hosts = wish_of(spec, UNSEEN).hosts.items()
    return {name: {one.unit: one for one in _of(all_.values())} for name, all_ in hosts}


def _of(resources: object) -> Iterator[Service]:
    return (one for one in resources if isinstance(one, Service))  # type: ignore[attr-defined]


def survey(name: str, address: str) -> Iterator[tuple[str, str]]:
    """Yield what a machine that is fit says of itself."""
    yield "uid", "0"
    yield "etc_writable", "yes"
    yield "hostname", name
    yield "addresses", f"lo=127.0.0.1/8,eth0={address}/24,"
    yield "swap", "0"
    yield "systemd", "252"
    yield "free_kilobytes", str(50 * 1024 * 1024)
    yield "programs", "haproxy keepalived nft iptables conntrack curl mount base64 sha256sum awk"
    yield "listening", "22,"
    yield "control_groups", "v2"
    yield "clock_skew", "0.010"
    yield "leftovers", ""
