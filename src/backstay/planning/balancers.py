"""Balancers that share an endpoint: who of them knows whom, and whether they serve what is wished.

Keepalived listens to the peers that its settings name, and to nobody else (components/
virtual_address.py): two that do not know each other both hold the address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from backstay.components.virtual_address import CONFIG
from backstay.errors import RefusedError
from backstay.planning.drift import Drift
from backstay.planning.observation import HostSeen, Observation
from backstay.planning.preflight import interfaces
from backstay.resources.resource import Key
from backstay.spec.model import ClusterSpec

SPEAKER = Key("service", "keepalived.service")
PEERS = Key("file", CONFIG)
_BALANCER = Key("service", "haproxy.service")


def newcomers(spec: ClusterSpec, observation: Observation, drift: Drift) -> frozenset[str]:
    """Return whose keepalived is to start only after those that run have learnt of it.

    One that is started again with the settings it had is known. On a machine that is silent in a
    cluster that lives one may run, and not know of it.
    """
    balancers = {host.name for host in spec.load_balancers}
    differ = {
        host
        for host, changes in drift.hosts.items()
        if host in balancers and any(change.key == PEERS for change in changes)
    }
    speaking = {host for host in balancers if _runs(observation, host, SPEAKER)}
    silent = balancers & observation.unreachable.keys() if observation.has_etcd_data else set()
    return frozenset(differ - speaking) if speaking & differ or silent else frozenset()


def is_moving(spec: ClusterSpec, observation: Observation) -> bool:
    """Return whether the balancers that run serve another endpoint than the one wished for.

    Each learns of it in its turn, so that the address answers after the last one only. Where no
    machine has the address it may be the same: nothing serves it now.
    """
    reached = observation.reached
    seen = [reached[host.name] for host in spec.load_balancers if host.name in reached]
    running = [one for one in seen if _is_active(one, _BALANCER)]
    speaking = [one for one in seen if _is_active(one, SPEAKER)]
    return any(spec.endpoint.port not in set(_ports(one)) for one in running) or (
        bool(speaking) and not any(_holds(spec, one) for one in speaking)
    )


def require_a_balancer_as_holder(spec: ClusterSpec, observation: Observation) -> None:
    """Refuse to serve an address that a machine has which is to be no balancer.

    Raises RefusedError: nothing here stops its keepalived, and those to be started do not know it.
    """
    balancers = {host.name for host in spec.load_balancers}
    for host, seen in sorted(observation.reached.items()):
        if host not in balancers and _holds(spec, seen):
            raise RefusedError(
                f"{host} has the virtual address, and is no balancer in cluster.yaml",
                where=host,
                why=f"{spec.endpoint.vip} is on {interfaces(seen.survey)[str(spec.endpoint.vip)]}; "
                f"balancers are to be {', '.join(sorted(balancers)) or 'none'}, and two machines "
                "that do not know each other would both hold it",
                next_move=f"give {host} its role in cluster.yaml, since apply moves no balancer; "
                "or take the address off it first: systemctl disable --now keepalived",
            )


def _holds(spec: ClusterSpec, seen: HostSeen) -> bool:
    return str(spec.endpoint.vip) in interfaces(seen.survey)


def _runs(observation: Observation, host: str, unit: Key) -> bool:
    machine = observation.reached.get(host)
    return machine is not None and _is_active(machine, unit)


def _is_active(seen: HostSeen, unit: Key) -> bool:
    record = seen.record(unit)
    return isinstance(record, Mapping) and record.get("active") == "active"


def _ports(seen: HostSeen) -> Iterator[int]:
    return (int(port) for port in seen.survey.get("listening", "").split(",") if port)
