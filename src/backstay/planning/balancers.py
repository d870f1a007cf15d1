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
from backstay.resources.resource import Key, Seen
from backstay.spec.model import ClusterSpec

SPEAKER = Key("service", "keepalived.service")
PEERS = Key("file", CONFIG)
_BALANCER = Key("service", "haproxy.service")


def newcomers(spec: ClusterSpec, observation: Observation, drift: Drift) -> frozenset[str]:
    """Return whose keepalived is to start only after those that run have learnt of it.

    One that ran before with the settings it has is known. On a machine that is silent in a cluster
    that lives one may run, and not know of it.
    """
    balancers = {host.name: observation.seen(host.name, SPEAKER) for host in spec.load_balancers}
    differ = {
        host for host, changes in drift.hosts.items() if any(one.key == PEERS for one in changes)
    }
    speaking = {host for host, seen in balancers.items() if _says(seen, "active")}
    silent = balancers.keys() & observation.unreachable.keys()
    if not (speaking & differ or (silent and observation.has_etcd_data)):
        return frozenset()
    quiet = balancers.keys() - speaking - silent
    # Enabled with its first start: settings alone may be left of an apply that was cut short.
    known = {host for host in quiet - differ if _says(balancers[host], "enabled")}
    return frozenset(quiet - known)


def is_moving(spec: ClusterSpec, observation: Observation) -> bool:
    """Return whether the balancers that run serve another endpoint than the one wished for.

    Each learns of it in its turn, so that the address answers after the last one only. Where no
    machine has the address it may be the same: nothing serves it now.
    """
    reached = observation.reached
    seen = [reached[host.name] for host in spec.load_balancers if host.name in reached]
    running = [one for one in seen if _says(one.record(_BALANCER), "active")]
    speaking = [one for one in seen if _says(one.record(SPEAKER), "active")]
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


def _says(unit: Seen, word: str) -> bool:
    """Return whether a unit is `active`, or `enabled`."""
    return isinstance(unit, Mapping) and unit.get(word) == word


def _ports(seen: HostSeen) -> Iterator[int]:
    return (int(port) for port in seen.survey.get("listening", "").split(",") if port)
