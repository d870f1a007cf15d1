"""Look at all machines and say what differs: the first half of every verb that changes."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network

from backstay.components.assemble import build
from backstay.components.network import subnets
from backstay.components.site import ControlGroups, Site, Surroundings
from backstay.components.wish import Wish
from backstay.errors import RefusedError
from backstay.fleet import kube
from backstay.fleet.keyring import Keyring, make_missing
from backstay.fleet.listen import listened
from backstay.fleet.observe import observe
from backstay.fleet.world import World
from backstay.pki.authority import fingerprint
from backstay.pki.decide import Cluster, decide
from backstay.pki.kept import KeptName
from backstay.pki.request import AuthorityName
from backstay.pki.requests import requests
from backstay.pki.trust import UNSEEN, Trust, complete
from backstay.planning.observation import HostSeen, Observation
from backstay.planning.preflight import interfaces, problems, require_fit
from backstay.resources.content import Artefact
from backstay.resources.resource import Key, Unknown
from backstay.secret import Secret
from backstay.spec.model import ClusterSpec


@dataclass(frozen=True, slots=True)
class Looked:
    """The machines as they are beside the machines as wished, and the keys to change them."""

    spec: ClusterSpec
    wish: Wish
    observation: Observation
    keyring: Keyring
    mark: str


async def look(
    spec: ClusterSpec,
    *,
    world: World,
    catalogue: Mapping[str, Artefact],
    skipped_checks: frozenset[str] = frozenset(),
) -> Looked:
    """Observe every machine in one round trip, decide what is trusted, and build the wish.

    Where no balancer of ours runs yet, those listen for others in a second one.

    Raises PreflightError with every problem of every machine, RefusedError when the machines
    disagree about the cluster's keys. Nothing is changed.
    """
    now, mark = world.now(), f"backstay-{secrets.token_hex(8)}"
    assumed = _assumed(spec, catalogue, now)
    questions = build(assumed)
    observation, objects = await asyncio.gather(
        observe(world, questions.hosts, mark=mark), _objects(spec, world, questions)
    )
    observation = await listened(spec, world, observation, mark=mark)
    try:
        trust, created = _trusted(spec, observation, now)
    except RefusedError:
        # Where files of another cluster lie about, that is why keys do not fit together.
        incarnation = _marked(spec, observation)
        require_fit(problems(spec, observation, incarnation=incarnation), skipped=skipped_checks)
        _require_nobody_silent(spec, observation)
        raise
    require_fit(
        problems(spec, observation, incarnation=_incarnation(trust)), skipped=skipped_checks
    )
    site = replace(
        assumed,
        trust=trust,
        surroundings={
            host.name: _surroundings(host.name, spec, observation) for host in spec.hosts
        },
        subnets=subnets(spec, _subnets_seen(observation)),
    )
    wish = build(site)
    if not observation.has_etcd_data:
        # Nobody could answer, and without a member of etcd there is no object for certain.
        objects = dict.fromkeys(objects)
    observation = replace(observation, objects=objects)
    wanted = {(host, one.stem): one for host, all_ in requests(spec).items() for one in all_}
    return Looked(spec, wish, observation, Keyring(world, trust, created, wanted), mark)


def _assumed(spec: ClusterSpec, catalogue: Mapping[str, Artefact], now: datetime) -> Site:
    """Return a site that gives the right questions: keys and paths do not depend on answers."""
    surroundings = {host.name: Surroundings() for host in spec.hosts}
    return Site(spec, UNSEEN, catalogue, surroundings, subnets(spec, {}), now)


def _trusted(
    spec: ClusterSpec, observation: Observation, now: datetime
) -> tuple[Trust, Mapping[KeptName, bytes | Secret]]:
    paths = {Key("file", name.value): name.value for name in KeptName}
    seen = {
        host: {path: machine.record(key) for key, path in paths.items() if key in machine.records}
        for host, machine in observation.reached.items()
    }
    alive = Cluster.ALIVE if observation.has_etcd_data else Cluster.EMPTY
    trust = decide(spec, seen, cluster=alive)
    created = make_missing(spec, trust, now=now)
    return complete(trust, created), created


def _require_nobody_silent(spec: ClusterSpec, observation: Observation) -> None:
    """Refuse to begin a cluster while one who may have its keys, or its data, is silent."""
    planes = {host.name for host in (*spec.control_planes, *spec.etcd_members)}
    silent = sorted(planes & observation.unreachable.keys())
    if silent and not observation.has_etcd_data:
        raise RefusedError(
            f"a new cluster needs all its control planes, and {', '.join(silent)} does not answer",
            where=", ".join(silent),
            why="; ".join(observation.unreachable[host].why for host in silent),
            next_move="make it reachable, or take it out of cluster.yaml",
        )


def _marked(spec: ClusterSpec, observation: Observation) -> str:
    """Return which cluster of this name most machines are marked with; empty for none."""
    marks = (seen.survey.get("cluster", "").split() for seen in observation.reached.values())
    ours = Counter(mark[1] for mark in marks if len(mark) > 1 and mark[0] == spec.name)
    return next((incarnation for incarnation, _ in ours.most_common(1)), "")


def _incarnation(trust: Trust) -> str:
    authority = trust.authority(AuthorityName.KUBERNETES)
    return "" if authority is None else fingerprint(authority)


def _surroundings(host: str, spec: ClusterSpec, observation: Observation) -> Surroundings:
    seen = observation.hosts[host]
    if not isinstance(seen, HostSeen):
        return Surroundings()
    return Surroundings(
        control_groups=ControlGroups(seen.survey["control_groups"]),
        interface=interfaces(seen.survey).get(str(spec.host(host).internal), "eth0"),
        swap=seen.survey.get("swap", "0") != "0",
    )


def _subnets_seen(observation: Observation) -> Mapping[str, IPv4Network | IPv6Network]:
    pairs = ((name, seen.survey.get("subnet")) for name, seen in observation.reached.items())
    return {name: ip_network(subnet) for name, subnet in pairs if subnet}


async def _objects(
    spec: ClusterSpec, world: World, questions: Wish
) -> Mapping[str, Mapping[str, object] | Unknown | None]:
    """Ask for the cluster's objects while the machines are asked for theirs."""
    planes = [host.name for host in spec.control_planes if host.name in world.reached]
    return await kube.get_objects(world, planes, (*questions.objects, *questions.late_objects))
