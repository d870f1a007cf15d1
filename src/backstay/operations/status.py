"""`backstay status`: how the cluster is at this moment, also with machines missing."""

from __future__ import annotations

import asyncio
import secrets

from backstay.components.addresses import socket_text
from backstay.errors import UnreachableError
from backstay.fleet import health
from backstay.fleet.world import World
from backstay.planning.health import ClusterHealth, HostHealth, Readiness
from backstay.planning.observation import HostSeen
from backstay.resources.resource import Key, Unknown
from backstay.spec.model import ClusterSpec, Host


async def status(spec: ClusterSpec, *, world: World) -> ClusterHealth:
    """Return how everything is; machines that cannot be asked are said, not guessed.

    Raises the machines' own UnreachableError only when none of them answers.
    """
    found = await health.survey(spec, world, mark=f"backstay-{secrets.token_hex(8)}")
    answering = [name for name, seen in found.items() if isinstance(seen, HostSeen)]
    if not answering:
        raise next(seen for seen in found.values() if isinstance(seen, UnreachableError))
    planes = [host.name for host in spec.control_planes if host.name in answering]
    pem = health.authority(found)
    serving, answers, ready = await asyncio.gather(
        _serving(spec, world, answering, pem),
        health.ask_api(world, planes),
        asyncio.gather(*(_apiserver(spec.host(name), world, pem) for name in planes)),
    )
    by_host = dict(zip(planes, ready, strict=True))
    return ClusterHealth(
        name=spec.name,
        kubernetes=spec.kubernetes,
        endpoint=socket_text(spec.endpoint.host, spec.endpoint.port),
        now=world.now(),
        hosts=tuple(_host(spec, host, found[host.name], by_host) for host in _sorted(spec)),
        serving=serving,
        nodes=answers.nodes,
        leases=answers.leases,
        renew_before=spec.pki.renew_before,
        is_node=frozenset(host.name for host in spec.nodes),
    )


def _sorted(spec: ClusterSpec) -> tuple[Host, ...]:
    """Return control planes first, then the others, each by name."""
    return tuple(sorted(spec.hosts, key=lambda host: (host not in spec.control_planes, host.name)))


async def _apiserver(host: Host, world: World, pem: str) -> Readiness:
    return await health.readiness(
        world,
        host.name,
        address=str(host.internal),
        port=health.APISERVER_PORT,
        authority_pem=pem,
    )


async def _serving(
    spec: ClusterSpec, world: World, answering: list[str], pem: str
) -> Readiness | Unknown:
    """Ask the endpoint from a machine, as pods and kubelets would."""
    if not pem:
        return Unknown("no machine has the cluster's authority: nothing was made here yet")
    return await health.readiness(
        world,
        answering[-1],
        address=spec.endpoint.host,
        port=spec.endpoint.port,
        authority_pem=pem,
    )


def _host(
    spec: ClusterSpec,
    host: Host,
    seen: HostSeen | UnreachableError,
    apiservers: dict[str, Readiness],
) -> HostHealth:
    roles, address = tuple(sorted(_roles(spec, host))), str(host.internal)
    if isinstance(seen, UnreachableError):
        return HostHealth(
            *(host.name, roles, address), silent=seen.sentence, next_move=seen.next_move
        )
    units = {unit: _state(seen, unit) for unit in health.units_of(spec, host)}
    load = seen.survey.get("load")
    return HostHealth(
        host.name,
        roles,
        address,
        member=health.member(seen.survey),
        apiserver=apiservers.get(host.name),
        units=units,
        certificates=health.certificates(seen),
        load=float(load) if load else None,
        holds_vip=_holds(seen, str(spec.endpoint.vip)),
    )


def _roles(spec: ClusterSpec, host: Host) -> set[str]:
    implied = {
        "etcd": spec.etcd_members,
        "load-balancer": spec.load_balancers,
    }
    return {role.value for role in host.roles} | {n for n, hs in implied.items() if host in hs}


def _state(seen: HostSeen, unit: str) -> str:
    record = seen.records.get(Key("service", unit))
    return record.get("active", "") if isinstance(record, dict) else ""


def _holds(seen: HostSeen, vip: str) -> bool:
    pairs = seen.survey.get("addresses", "").split(",")
    return vip in {pair.partition("=")[2].partition("/")[0] for pair in pairs}
