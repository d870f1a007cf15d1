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
from backstay.planning.preflight import interfaces, is_up
from backstay.resources.resource import Key, Seen, Unknown
from backstay.resources.service import Service
from backstay.spec.model import ClusterSpec

SPEAKER = Key("service", "keepalived.service")
PEERS = Key("file", CONFIG)
_BALANCER = Key("service", "haproxy.service")
_SPEAKS = {"yes": "runs", "enabled": "is enabled, and speaks after the next boot,"}


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
    may_speak = any(_may_speak(observation, host.name) for host in spec.load_balancers)
    silent = {host.name for host in spec.load_balancers} & observation.unreachable.keys()
    untold = any(map(_is_untold, (one for host in speaking for one in drift.hosts.get(host, ()))))
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


@dataclass(frozen=True, slots=True)
class Answering:
    """Whether the endpoint is to answer once balancers were started, and after each turn.

    One that moves answers after the last of them; one for which nobody of ours speaks, never.
    """

    at_start: bool
    at_turns: bool
    at_last_turn: bool


def answering(
    spec: ClusterSpec, observation: Observation, late: Latecomers, *, has_turns: bool
) -> Answering:
    """Return when the endpoint is to answer, if balancers have turns or have none."""
    spoken = _is_spoken_for(spec, observation, late.settled)
    stays = spoken and not _is_moving(spec, observation)
    is_last = spoken and (late.are_held or not late.changes)
    return Answering(stays or (is_last and not has_turns), stays, stays or is_last)


def _is_spoken_for(spec: ClusterSpec, observation: Observation, drift: Drift) -> bool:
    starts = any(one.key == SPEAKER for changes in drift.hosts.values() for one in changes)
    return spec.endpoint.vip is None or starts or any(_speaking(spec, observation))


def _is_moving(spec: ClusterSpec, observation: Observation) -> bool:
    """Return whether the balancers that run serve another endpoint than the one wished for.

    Where no machine has the address it may be the same: nothing serves it now.
    """
    reached = observation.reached
    seen = [reached[host.name] for host in spec.load_balancers if host.name in reached]
    running = [one for one in seen if _is_active(one.record(_BALANCER))]
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
        if host not in balancers and (_holds(spec, seen) or seen.survey.get("speaks") in _SPEAKS)
    }
    if found and spec.endpoint.vip is not None:
        raise RefusedError(
            f"{', '.join(found)} would keep the virtual address, as no balancer of cluster.yaml",
            where=", ".join(found),
            why="; ".join(_claims(spec, found))
            + "; two machines that do not know each other both hold it",
            next_move="give back the role in cluster.yaml; or end it there first, which is felt if "
            "nobody else is left: systemctl disable --now keepalived",
        )


def _claims(spec: ClusterSpec, found: Mapping[str, HostSeen]) -> Iterator[str]:
    for host, seen in found.items():
        if (said := _SPEAKS.get(seen.survey.get("speaks", ""))) is not None:
            yield f"keepalived {said} on {host}"
        if _holds(spec, seen):
            yield f"{spec.endpoint.vip} is on {host}"


def _holds(spec: ClusterSpec, seen: HostSeen) -> bool:
    return str(spec.endpoint.vip) in interfaces(seen.survey)


def _is_active(unit: Seen) -> bool:
    return isinstance(unit, Mapping) and unit.get("active") == "active"


def _speaking(spec: ClusterSpec, observation: Observation) -> Iterator[str]:
    names = (host.name for host in spec.load_balancers)
    return (name for name in names if _is_active(observation.seen(name, SPEAKER)))


def _may_speak(observation: Observation, host: str) -> bool:
    """Return whether a keepalived may run there: one that comes up, or that could not be seen.

    What is silent is nothing to wait for where no cluster lives yet.
    """
    if host in observation.unreachable:
        return bool(observation.has_etcd_data)
    unit = observation.seen(host, SPEAKER)
    return isinstance(unit, Unknown) or is_up(unit)


def _ports(seen: HostSeen) -> Iterator[int]:
    return (int(port) for port in seen.survey.get("listening", "").split(",") if port)
