"""From the machines as they are to a plan, or a refusal: everything that a plan must respect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from backstay.components.host import MARKER
from backstay.components.wish import Wish
from backstay.errors import RefusedError
from backstay.planning.balancers import latecomers, require_balancers_alone, silent_parts
from backstay.planning.document import identity
from backstay.planning.drift import Drift, drift
from backstay.planning.invariants import margin, require_quorum_without
from backstay.planning.observation import Observation
from backstay.planning.order import APISERVER, Setting, disturbs, order
from backstay.planning.plan import ActOnUnits, EtcdHealthy, Plan, Stage
from backstay.resources.resource import Key, Unknown
from backstay.resources.service import Service
from backstay.spec.digest import digest
from backstay.spec.model import ClusterSpec

_ETCD = Key("service", "etcd.service")
_APISERVER = Key("service", APISERVER)
_MARKER = Key("file", MARKER)


def propose(spec: ClusterSpec, wish: Wish, observation: Observation) -> Plan:
    """Return the plan that makes the machines as wished.

    Raises QuorumError or RefusedError when the first unsafe step would be among its own.
    """
    found = drift(wish, observation)
    _require_data(spec, wish, observation)
    require_balancers_alone(spec, observation)
    setting = Setting(spec, observation)
    ordered = order(setting, found)
    withheld = tuple(_withheld(setting, found, ordered))
    stages = _allowed(ordered) if withheld else ordered
    voters = frozenset(host.name for host in spec.etcd_members)
    healthy = frozenset(host for host in voters if _runs(observation, host))
    for stage in stages:
        for host in _etcd_restarts(stage):
            require_quorum_without(host, voters=voters, healthy=healthy | _started(stages))
    notes = (*_notes(observation), *withheld, *_unread(found), *_unread_objects(observation))
    plan = Plan(digest(spec), "", stages, margin(voters, healthy), notes)
    return replace(plan, seen_digest=identity(plan))


def _runs(observation: Observation, host: str, unit: Key = _ETCD) -> bool:
    seen = observation.seen(host, unit)
    return isinstance(seen, dict) and seen.get("active") == "active"


def _started(stages: tuple[Stage, ...]) -> frozenset[str]:
    """Return the hosts whose member is up before any is taken away: a gate waits for it."""
    return frozenset(
        gate.host for stage in stages for gate in stage.gates if isinstance(gate, EtcdHealthy)
    )


def _etcd_restarts(stage: Stage) -> Iterator[str]:
    for step in stage.steps:
        if isinstance(step, ActOnUnits):
            for change in step.changes:
                fields = {diff.field for diff in change.diffs}
                if change.key == _ETCD and "digest" in fields and "active" not in fields:
                    yield step.host


def _require_data(spec: ClusterSpec, wish: Wish, observation: Observation) -> None:
    """Refuse to start an empty member beside members that have data (M9), or a silent one.

    Nor where a cluster lives whose data no member has, as when the description moves etcd to other
    machines: its apiservers would be led to an empty store, and kubelets end all pods.
    """
    members = frozenset(host.name for host in spec.etcd_members)
    with_data = observation.has_etcd_data & members
    if not with_data:
        _require_no_life(spec, observation)
    empty = (members & observation.reached.keys()) - with_data
    lost = sorted(host for host in empty if not _awaits_first_start(wish, observation, host))
    silent = sorted(members & observation.unreachable.keys())
    if with_data and lost:
        raise RefusedError(
            f"etcd on {', '.join(lost)} has no data, and the cluster already lives",
            where=", ".join(lost),
            why=f"members with data: {', '.join(sorted(with_data))}; an empty member that starts "
            "with the first boot's settings would be a stranger to them",
            next_move="a lost member is removed and added anew, never restarted empty",
        )
    if not with_data and silent:
        raise RefusedError(
            f"a new cluster needs all its etcd members, and {', '.join(silent)} does not answer",
            where=", ".join(silent),
            why="; ".join(observation.unreachable[host].why for host in silent),
            next_move="make it reachable, or take it out of cluster.yaml",
        )


def _require_no_life(spec: ClusterSpec, observation: Observation) -> None:
    planes = (host.name for host in spec.control_planes)
    serving = (host for host in planes if _runs(observation, host, _APISERVER))
    signs = (("etcd's data is", observation.has_etcd_data), ("an apiserver runs", serving))
    found = {what: ", ".join(sorted(hosts)) for what, hosts in signs}
    seen = [f"{what} on {hosts}" for what, hosts in found.items() if hosts]
    if seen:
        members = ", ".join(host.name for host in spec.etcd_members)
        raise RefusedError(
            "a cluster lives here, and none of its etcd members in cluster.yaml has data",
            where=next(filter(None, found.values())),
            why=f"{'; '.join(seen)}; members are to be {members}",
            next_move="give etcd back its machines in cluster.yaml, since apply moves no data; "
            "to begin anew, end first what is left of the old cluster",
        )


def _awaits_first_start(wish: Wish, observation: Observation, host: str) -> bool:
    """Tell whether a first boot was cut short here: all was written, and the member never served.

    No member starts before every host has its files, so a machine without our mark is a new one.
    """
    marker = wish.hosts[host][_MARKER]
    seen = observation.seen(host, _MARKER)
    if seen is None or isinstance(seen, Unknown) or host in observation.has_served:
        return False
    return not any(diff.field == "sha256" for diff in marker.diff(seen))


def _withheld(setting: Setting, found: Drift, ordered: Sequence[Stage]) -> Iterator[str]:
    """Say why nothing running of the control plane is disturbed: a part of it is silent."""
    if silent := silent_parts(setting.spec, setting.observation):
        names = ", ".join(silent)
        yield f"no running unit of the control plane is restarted while {names} is silent"
        if len(_allowed(ordered)) < len(ordered) and any(map(_disturbs_nodes, ordered)):
            yield "what runs on nodes waits for that, too: it is to follow the control plane"
        late = latecomers(setting.spec, setting.observation, found)
        if late.are_held and late.changes:
            hosts = ", ".join(late.names)
            yield f"keepalived does not start on {hosts} yet: who speaks cannot be told of it"


def _allowed(ordered: Sequence[Stage]) -> tuple[Stage, ...]:
    """Leave out what disturbs the control plane, and what of nodes would come after it.

    A kubelet must not be led to an endpoint that no balancer has yet, nor be newer than apiservers.
    """
    calm = tuple(stage for stage in ordered if not _disturbs_control_plane(stage))
    if len(calm) == len(ordered):
        return calm
    return tuple(stage for stage in calm if not _disturbs_nodes(stage))


def _disturbs_control_plane(stage: Stage) -> bool:
    return any(service.tier.one_at_a_time for service in _disturbed(stage))


def _disturbs_nodes(stage: Stage) -> bool:
    return any(not service.tier.one_at_a_time for service in _disturbed(stage))


def _disturbed(stage: Stage) -> Iterator[Service]:
    for step in stage.steps:
        if isinstance(step, ActOnUnits):
            for change in step.changes:
                if isinstance(change.resource, Service) and disturbs(change):
                    yield change.resource


def _notes(observation: Observation) -> Iterator[str]:
    for host, reason in sorted(observation.unreachable.items()):
        yield f"{host} could not be reached: {' '.join(reason.why.split())}"


def _unread(found: Drift) -> Iterator[str]:
    for host, key, why in found.unknown:
        yield f"{host}: {key} could not be read and is left alone: {why}"


def _unread_objects(observation: Observation) -> Iterator[str]:
    """Yield why objects were not looked at, each reason once: they may differ all the same."""
    reasons: dict[str, int] = {}
    for live in observation.objects.values():
        if isinstance(live, Unknown):
            why = " ".join(live.why.split())
            reasons[why] = reasons.get(why, 0) + 1
    for why, count in sorted(reasons.items()):
        yield f"{count} objects of the API could not be read and are left alone: {why}"
