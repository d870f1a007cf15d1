"""In which order differences are mended: first boot in parallel, live change one at a time.

Starting a unit that is not running takes nothing away, so all such units of all hosts start
together; where apiservers are among them, what only an apiserver gives work follows once those
are ready, at the same time as the cluster's objects. Restarting or reloading a running unit takes
something away: those go host by host behind gates, each with the files that cause it, so that no
running unit finds changed files before its turn. A keepalived that the running ones do not know
starts after their turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from backstay.components.before_etcd import bound
from backstay.components.units import UNITS
from backstay.components.wish import Manifest
from backstay.planning.balancers import Answering, Latecomers, answering, latecomers
from backstay.planning.drift import Drift, object_name
from backstay.planning.observation import Observation
from backstay.planning.plan import (
    ActOnUnits,
    ApiReady,
    ApplyObjects,
    BalancerServes,
    Change,
    ChangeKind,
    Converge,
    DeploymentAvailable,
    EndpointServes,
    EtcdHealthy,
    Gate,
    LeasesHeld,
    NodesReady,
    NodesRegistered,
    Stage,
    Step,
    UnitsActive,
)
from backstay.planning.preflight import interfaces
from backstay.resources.resource import Key
from backstay.resources.service import Service, Tier
from backstay.spec.model import ClusterSpec, Cni

APISERVER = "kube-apiserver.service"
BALANCER = "haproxy.service"
LEASES = ("kube-controller-manager", "kube-scheduler")


@dataclass(frozen=True, slots=True)
class Setting:
    """What ordering needs to know beside the differences."""

    spec: ClusterSpec
    observation: Observation

    @property
    def reached_nodes(self) -> tuple[str, ...]:
        """Names of the machines with a kubelet that answer."""
        reached = self.observation.reached
        return tuple(node.name for node in self.spec.nodes if node.name in reached)


def order(setting: Setting, drift: Drift) -> tuple[Stage, ...]:
    """Return the stages that mend the drift; none when there is none."""
    late = latecomers(setting.spec, setting.observation, drift)
    drift = late.settled
    rolling = dict(_rolling(setting, drift))
    has_turns = any(Tier.BALANCER in turns.values() for turns in rolling.values())
    answers = answering(setting.spec, setting.observation, late, has_turns=has_turns)
    roll = tuple(_roll(setting, drift, rolling, answers))
    start, join = _start(setting, drift, answers)
    objects = _cluster_objects(setting, drift)
    if join is not None and objects is not None and not roll:
        objects = _together(join, objects)
        join = None
    begin, end = (_files(drift, rolling), start, join), (objects, _late_objects(setting, drift))
    stages = (*begin, *roll, _late_start(setting, late), *end)
    return tuple(stage for stage in stages if stage is not None)


def _together(join: Stage, objects: Stage) -> Stage:
    """Return one stage for both: nodes and leaders come up while the objects are written."""
    # The objects' own gate waits for all nodes: those of single hosts would only repeat it.
    gates = (gate for gate in join.gates if not isinstance(gate, NodesReady | NodesRegistered))
    return Stage(
        f"{join.name}, {objects.name}",
        (*join.steps, *objects.steps),
        tuple(dict.fromkeys((*gates, *objects.gates))),
    )


def _services(changes: Sequence[Change]) -> Iterator[tuple[Change, Service]]:
    for change in changes:
        if isinstance(change.resource, Service):
            yield change, change.resource


def _is_start(change: Change) -> bool:
    return any(diff.field == "active" for diff in change.diffs)


def disturbs(change: Change) -> bool:
    """Return whether mending this takes a running unit away, if only for a moment."""
    fields = {diff.field for diff in change.diffs}
    return not _is_start(change) and bool(fields & {"digest", "recorded"})


def _rolling(setting: Setting, drift: Drift) -> Iterator[tuple[str, Mapping[Key, Tier]]]:
    """Yield for each host which keys must wait for the turn of a running unit that reads them.

    What a unit that is to be started reads too cannot wait: the start comes before all turns. And
    an apiserver that goes with its member has to come back with it: what it lacks comes before.
    """
    together = set(bound(setting.spec))
    for host, changes in drift.hosts.items():
        services = tuple(_services(changes))
        at_once = {key for change, one in services if _is_start(change) for key in one.reads}
        turns: dict[Key, Tier] = {}
        for change, service in services:
            if disturbs(change):
                for key in {service.key, *service.reads} - at_once:
                    turns[key] = min(turns.get(key, service.tier), service.tier)
        if host in together and Tier.ETCD in turns.values():
            turns |= dict.fromkeys(_wanted_early(changes, turns), Tier.ETCD)
        yield host, turns


def _wanted_early(changes: Sequence[Change], turns: Mapping[Key, Tier]) -> tuple[Key, ...]:
    """Return which files an apiserver has to find that its member's turn starts anew.

    Those that are not there at all; and if the unit itself is among them all others, or it would
    run with the new unit's digest and what it read of before.
    """
    files = [one for one in changes if not isinstance(one.resource, Service)]
    mine = [one for one in files if turns.get(one.key) is Tier.APISERVER]
    lacking = tuple(one.key for one in mine if one.kind is ChangeKind.ADD)
    has_unit = any(key.name.startswith(UNITS) for key in lacking)
    return tuple(one.key for one in mine) if has_unit else lacking


def _files(drift: Drift, rolling: Mapping[str, Mapping[Key, Tier]]) -> Stage | None:
    steps = tuple(
        Converge(host, waiting)
        for host, changes in drift.hosts.items()
        if (
            waiting := tuple(
                change
                for change in changes
                if not isinstance(change.resource, Service) and change.key not in rolling[host]
            )
        )
    )
    return Stage("files", steps) if steps else None


def _start(setting: Setting, drift: Drift, answers: Answering) -> tuple[Stage | None, Stage | None]:
    """Start what does not run, and enable what runs and would not after a boot.

    With apiservers among it, what can do nothing without them has a stage of its own: before, it
    would only try in vain, and take the processor from those it waits for.
    """
    starts = {
        host: tuple(pair for pair in _services(changes) if not disturbs(pair[0]))
        for host, changes in drift.hosts.items()
    }
    endpoint = answers.at_start
    everything = _start_stage(setting, "start", starts, endpoint=endpoint)
    tiers = {service.tier for pairs in starts.values() for _, service in pairs}
    if everything is None or Tier.APISERVER not in tiers:
        return everything, None
    first, join = (
        _start_stage(
            setting,
            name,
            {
                host: tuple(pair for pair in pairs if pair[1].tier.needs_api is needs)
                for host, pairs in starts.items()
            },
            endpoint=endpoint,
        )
        for name, needs in (("start", False), ("start what needs the API", True))
    )
    if first is None or join is None:
        return everything, None
    ready = tuple(gate for gate in everything.gates if isinstance(gate, ApiReady))
    later = tuple(gate for gate in everything.gates if gate not in ready)
    return replace(first, gates=ready), replace(join, gates=later)


def _late_start(setting: Setting, late: Latecomers) -> Stage | None:
    """Start who was not known before the turns."""
    if late.are_held or not late.changes:
        return None
    steps: list[Step] = []
    gates: list[Gate] = []
    for host in late.names:
        steps += _steps(host, late.changes[host])
        services = [service for _, service in _services(late.changes[host])]
        gates += _gates(setting, host, services, endpoint=True)
    name = f"start keepalived on {', '.join(late.names)}"
    return Stage(name, tuple(steps), tuple(gates), at_once=1)


def _start_stage(
    setting: Setting,
    name: str,
    starts: Mapping[str, tuple[tuple[Change, Service], ...]],
    *,
    endpoint: bool,
) -> Stage | None:
    by_host = {host: pairs for host, pairs in starts.items() if pairs}
    steps = tuple(ActOnUnits(host, tuple(c for c, _ in pairs)) for host, pairs in by_host.items())
    gates = dict.fromkeys(
        gate
        for host, pairs in by_host.items()
        for gate in _gates(setting, host, [s for _, s in pairs], endpoint=endpoint)
    )
    return Stage(name, steps, gates=tuple(gates)) if steps else None


def _gates(
    setting: Setting, host: str, services: Sequence[Service], *, endpoint: bool
) -> Iterator[Gate]:
    """Yield what must hold once these units of the host were started or restarted.

    A balancer is asked itself: the address would answer by another one. And the address, if it is
    to answer by now (`endpoint`).
    """
    tiers = {service.tier for service in services}
    with_member = Tier.ETCD in tiers and host in bound(setting.spec)
    units = dict.fromkeys(service.unit for service in services)
    if with_member:
        units[APISERVER] = None
    yield UnitsActive(host, tuple(units))
    if Tier.ETCD in tiers:
        yield EtcdHealthy(host)
    if Tier.APISERVER in tiers or with_member:
        yield ApiReady(host)
    if Tier.BALANCER in tiers:
        if BALANCER in units:
            yield BalancerServes(host)
        if endpoint:
            yield EndpointServes(host)
    if Tier.CONTROLLERS in tiers:
        yield LeasesHeld(LEASES)
    if any(service.unit == "kubelet.service" for service in services):
        yield _nodes(setting, (host,))


def _nodes(setting: Setting, names: tuple[str, ...]) -> Gate:
    bridged = setting.spec.network.cni is Cni.BRIDGE
    return NodesReady(names) if bridged else NodesRegistered(names)


def _roll(
    setting: Setting,
    drift: Drift,
    rolling: Mapping[str, Mapping[Key, Tier]],
    answers: Answering,
) -> Iterator[Stage]:
    for tier in Tier:
        hosts = [host for host in _turns(setting, tier) if tier in rolling.get(host, {}).values()]
        if tier.one_at_a_time:
            for number, host in enumerate(hosts):
                waiting = hosts[number + 1 :]
                endpoint = answers.at_turns if waiting else answers.at_last_turn
                stage = _roll_stage(setting, drift, rolling, tier, (host,), endpoint=endpoint)
                yield replace(stage, requires=_requires(setting, tier, host, waiting))
        elif hosts:
            yield _roll_stage(setting, drift, rolling, tier, tuple(hosts), endpoint=False)


def _turns(setting: Setting, tier: Tier) -> list[str]:
    """Return hosts in the order of their turns: who leads etcd or holds the address goes last.

    Then leadership and address move once, to one that has been restarted already.
    """
    vip, reached = str(setting.spec.endpoint.vip), setting.observation.reached

    def weight(host: str) -> tuple[bool, str]:
        survey = reached[host].survey
        leads = tier is Tier.ETCD and survey.get("etcd_leader") == "yes"
        return leads or (tier is Tier.BALANCER and vip in interfaces(survey)), host

    return sorted(reached, key=weight)


def _roll_stage(
    setting: Setting,
    drift: Drift,
    rolling: Mapping[str, Mapping[Key, Tier]],
    tier: Tier,
    hosts: tuple[str, ...],
    *,
    endpoint: bool,
) -> Stage:
    steps: list[Step] = []
    gates: list[Gate] = []
    for host in hosts:
        mine = [change for change in drift.hosts[host] if rolling[host].get(change.key) is tier]
        steps += _steps(host, mine)
        services = [service for _, service in _services(mine)]
        gates += _gates(setting, host, services, endpoint=endpoint)
    name = f"{tier.name.lower()} {', '.join(hosts)}"
    return Stage(name, tuple(steps), tuple(dict.fromkeys(gates)), at_once=1)


def _steps(host: str, changes: Sequence[Change]) -> Iterator[Step]:
    """Yield a unit's turn: its files, and then itself."""
    units = tuple(change for change, _ in _services(changes))
    if files := tuple(change for change in changes if change not in units):
        yield Converge(host, files)
    if units:
        yield ActOnUnits(host, units)


def _requires(setting: Setting, tier: Tier, host: str, waiting: Sequence[str]) -> tuple[Gate, ...]:
    """Return what must hold before a unit of the tier is taken away from a live cluster.

    Not of who has its turn: what serves badly by a mistaken setting is mended by the next one. Nor
    of balancers that wait for theirs: they may serve another endpoint yet, and the one that has
    the address comes last, when all others have shown that they serve.
    """
    match tier:
        case Tier.ETCD:
            names = (host.name for host in setting.spec.etcd_members)
            members = (EtcdHealthy(name) for name in names if name != host)
            return (*members, *_others_serve(setting, host))
        case Tier.APISERVER:
            return tuple(_ready_without(setting, host))
        case Tier.BALANCER:
            names = (host.name for host in setting.spec.load_balancers)
            return tuple(BalancerServes(name) for name in names if name not in {host, *waiting})
        case Tier.CONTROLLERS | Tier.RUNTIME | Tier.NODE:
            return ()


def _others_serve(setting: Setting, host: str) -> Iterator[Gate]:
    """Yield that all other apiservers are ready, where this host's goes with its member."""
    if host in bound(setting.spec):
        yield from _ready_without(setting, host)


def _ready_without(setting: Setting, host: str) -> Iterator[Gate]:
    planes = (host.name for host in setting.spec.control_planes)
    return (ApiReady(name) for name in planes if name != host)


def _cluster_objects(setting: Setting, drift: Drift) -> Stage | None:
    if not drift.objects:
        return None
    nodes = setting.reached_nodes
    gates = [_nodes(setting, nodes)]
    if setting.spec.network.cni is Cni.BRIDGE:
        gates.append(DeploymentAvailable("kube-system", "coredns"))
    return Stage("cluster objects", (_apply(drift, drift.objects),), gates=tuple(gates))


def _late_objects(setting: Setting, drift: Drift) -> Stage | None:
    if not drift.late_objects:
        return None
    nodes = setting.reached_nodes
    requires = (NodesRegistered(nodes),)
    return Stage("node labels", (_apply(drift, drift.late_objects),), requires=requires)


def _apply(drift: Drift, objects: Sequence[Manifest]) -> ApplyObjects:
    names = tuple(object_name(one) for one in objects)
    return ApplyObjects(tuple(objects), names, tuple(drift.object_reasons[name] for name in names))
