"""Balancers that share an endpoint: who of them knows whom, and whether they serve what is wished.

Keepalived listens to the peers that its settings name, and to nobody else (components/
virtual_address.py): two that do not know each other both hold the address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from backstay.components.virtual_address import CONFIG
from backstay.errors import RefusedError
from backstay.planning.drift import Drift
from backstay.planning.observation import HostSeen, Observation
from backstay.planning.plan import Change
from backstay.planning.preflight import interfaces
from backstay.resources.resource import Key, Seen
from backstay.resources.service import Service
from backstay.spec.model import ClusterSpec

SPEAKER = Key("service", "keepalived.service")
PEERS = Key("file", CONFIG)
_BALANCER = Key("service", "haproxy.service")


@dataclass(frozen=True, slots=True)
class Latecomers:
    """Keepaliveds that speak only once the others know them, with the settings that name them.

    `settled` is what remains to be done without them. They hold their settings back too, so that
    an apply that is cut short, or was not to start them, finds them as unknown as before.
    `are_held` tells that they do not start at all: a machine that may speak cannot be told of them.
    """

    settled: Drift
    changes: Mapping[str, tuple[Change, ...]]
    are_held: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts, in order."""
        return tuple(sorted(self.changes))


def latecomers(spec: ClusterSpec, observation: Observation, drift: Drift) -> Latecomers:
    """Return whose keepalived is to start after the turns of those that run, if at all.

    One that stopped and has the settings that it is to have ran with them, and is known unless the
    others have something to learn. At a first boot nobody speaks yet: all may start at once.
    """
    speaking = frozenset(_speaking(spec, observation))
    silent = {host.name for host in spec.load_balancers} & observation.unreachable.keys()
    untold = any(map(_is_untold, (one for host in speaking for one in drift.hosts.get(host, ()))))
    may_speak = bool(speaking or (silent and observation.has_etcd_data))
    late = {
        host: mine
        for host, changes in drift.hosts.items()
        if may_speak and host not in speaking and (mine := _of_speaker(changes, told=not untold))
    }
    rest = {
        host: tuple(one for one in changes if one not in late.get(host, ()))
        for host, changes in drift.hosts.items()
    }
    is_held = bool(silent or (untold and silent_parts(spec, observation)))
    return Latecomers(replace(drift, hosts=rest), late, is_held)


def _is_untold(change: Change) -> bool:
    fields = {diff.field for diff in change.diffs}
    return change.key == SPEAKER and bool(fields & {"digest", "recorded"})


def _of_speaker(changes: Sequence[Change], *, told: bool) -> tuple[Change, ...]:
    """Return keepalived's start, and all that it alone reads; nothing if it may start at once.

    Its unit too: one that came up by itself would say that it has read what is not there yet.
    """
    services = [one.resource for one in changes if isinstance(one.resource, Service)]
    mine = {key for one in services if one.key == SPEAKER for key in (one.key, *one.reads)}
    others = {key for one in services if one.key != SPEAKER for key in one.reads}
    differ = any(one.key == PEERS for one in changes)
    if not mine or (told and not differ):
        return ()
    return tuple(one for one in changes if one.key in mine - others)


def silent_parts(spec: ClusterSpec, observation: Observation) -> tuple[str, ...]:
    """Return the names of the machines of the control plane that do not answer."""
    parts = {*spec.control_planes, *spec.etcd_members, *spec.load_balancers}
    return tuple(sorted(h.name for h in parts if h.name in observation.unreachable))


def is_spoken_for(spec: ClusterSpec, observation: Observation, drift: Drift) -> bool:
    """Return whether anybody of ours has the address by the end of the drift, if it is ours."""
    starts = any(one.key == SPEAKER for changes in drift.hosts.values() for one in changes)
    return spec.endpoint.vip is None or starts or any(_speaking(spec, observation))


def is_moving(spec: ClusterSpec, observation: Observation) -> bool:
    """Return whether the balancers that run serve another endpoint than the one wished for.

    Each learns of it in its turn, so that the address answers after the last one only. Where no
    machine has the address it may be the same: nothing serves it now.
    """
    reached = observation.reached
    seen = [reached[host.name] for host in spec.load_balancers if host.name in reached]
    running = [one for one in seen if _says(one.record(_BALANCER), "active")]
    has_moved = any(spec.endpoint.port not in set(_ports(one)) for one in running)
    is_nowhere = spec.endpoint.vip is not None and not any(_holds(spec, one) for one in seen)
    return has_moved or (bool(running) and is_nowhere)


def require_balancers_alone(spec: ClusterSpec, observation: Observation) -> None:
    """Refuse to serve an address for which a machine speaks that is to be no balancer.

    Raises RefusedError: nothing here stops its keepalived, and the others would forget it.
    """
    balancers = {host.name for host in spec.load_balancers}
    found = {
        host: seen
        for host, seen in sorted(observation.reached.items())
        if host not in balancers and (_holds(spec, seen) or seen.survey.get("speaks") == "yes")
    }
    if found and spec.endpoint.vip is not None:
        have = [host for host, seen in found.items() if _holds(spec, seen)]
        raise RefusedError(
            f"keepalived runs on {', '.join(found)}, and cluster.yaml has no balancer there",
            where=", ".join(found),
            why=f"{spec.endpoint.vip} is on {', '.join(have) or 'none of these'}; who is not named "
            "to the others any more claims it beside them",
            next_move="give back the role in cluster.yaml; or end it there first, which is felt if "
            "nobody else is left: systemctl disable --now keepalived",
        )


def _holds(spec: ClusterSpec, seen: HostSeen) -> bool:
    return str(spec.endpoint.vip) in interfaces(seen.survey)


def _says(unit: Seen, word: str) -> bool:
    """Return whether a unit is `active`, or `enabled`."""
    return isinstance(unit, Mapping) and unit.get(word) == word


def _speaking(spec: ClusterSpec, observation: Observation) -> Iterator[str]:
    names = (host.name for host in spec.load_balancers)
    return (name for name in names if _says(observation.seen(name, SPEAKER), "active"))


def _ports(seen: HostSeen) -> Iterator[int]:
    return (int(port) for port in seen.survey.get("listening", "").split(",") if port)
