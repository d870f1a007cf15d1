"""How a cluster is, as a value, and the judgement on it: healthy, degraded or down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from backstay.planning.invariants import quorum
from backstay.resources.resource import Unknown

# A lease that nobody renewed for this long has no holder (Kubernetes' default is 15 s).
LEASE_LAPSES_AFTER = timedelta(seconds=15)


class Verdict(StrEnum):
    """The judgement in one word."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Voter:
    """One whom a member counts: a name, empty if it never started, and where its peers find it."""

    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """An etcd member as it tells of itself; `answers` says whether a linearizable read went.

    `knows` are the voters that it counts.
    """

    answers: bool
    leader: bool
    version: str
    database_bytes: int
    learner: bool = False
    revision: int = 0
    knows: tuple[Voter, ...] = ()


@dataclass(frozen=True, slots=True)
class Readiness:
    """What /readyz said, and how long it took in milliseconds over a warm connection."""

    ready: bool
    milliseconds: float
    said: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the API knows it."""

    ready: bool
    kubelet: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who leads, and when that was last confirmed."""

    holder: str
    renewed: datetime

    def held(self, now: datetime) -> bool:
        """Return whether the holder confirmed it lately."""
        return bool(self.holder) and now - self.renewed <= LEASE_LAPSES_AFTER


@dataclass(frozen=True, slots=True)
class HostHealth:
    """One machine; `silent` says why it could not be asked, everything else is then empty.

    `next_move` says what to do about that. `address` is where the other machines find it; `units`
    maps units to systemd's ActiveState, `certificates` paths to when they end.
    """

    name: str
    roles: tuple[str, ...]
    address: str = ""
    silent: str = ""
    next_move: str = ""
    member: Member | Unknown | None = None
    apiserver: Readiness | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, datetime] = field(default_factory=dict)
    load: float | None = None
    holds_vip: bool = False

    @property
    def next_end(self) -> tuple[str, datetime] | None:
        """The certificate that ends first."""
        pairs = self.certificates.items()
        return min(pairs, key=lambda pair: pair[1], default=None)


@dataclass(frozen=True, slots=True)
class ClusterHealth:
    """The whole cluster at one moment; what the API said is Unknown when it did not answer."""

    name: str
    kubernetes: str
    endpoint: str
    now: datetime
    hosts: tuple[HostHealth, ...]
    serving: Readiness | Unknown
    nodes: Mapping[str, Node] | Unknown
    leases: Mapping[str, Lease] | Unknown
    renew_before: timedelta = timedelta(days=30)
    is_node: frozenset[str] = frozenset()

    @property
    def voters(self) -> tuple[HostHealth, ...]:
        """Hosts that have a member of etcd."""
        return tuple(host for host in self.hosts if "etcd" in host.roles)

    @property
    def answering(self) -> tuple[HostHealth, ...]:
        """Hosts whose member answers a linearizable read."""
        return tuple(
            host for host in self.voters if isinstance(host.member, Member) and host.member.answers
        )

    @property
    def strangers(self) -> tuple[Voter, ...]:
        """Voters that etcd counts, at addresses where the specification has no member."""
        members = (host.member for host in self.answering)
        known = {one for member in members if isinstance(member, Member) for one in member.knows}
        ours = {host.address for host in self.voters}
        found = (one for one in known if ours.isdisjoint(one.addresses))
        return tuple(sorted(found, key=lambda one: (one.name, one.addresses)))

    @property
    def tolerates(self) -> int:
        """How many more members may fail; negative when writes have stopped.

        Whether strangers serve is not known: one that answers beside them has its quorum.
        """
        left = len(self.answering) - quorum(len(self.voters) + len(self.strangers))
        return max(left, 0) if self.strangers else left

    @property
    def etcd_version(self) -> str:
        """The version of etcd; several when members differ."""
        members = (host.member for host in self.hosts if isinstance(host.member, Member))
        return ", ".join(sorted({member.version for member in members}))

    @property
    def vip_holders(self) -> tuple[str, ...]:
        """Hosts that carry the virtual address."""
        return tuple(host.name for host in self.hosts if host.holds_vip)

    @property
    def serves(self) -> bool:
        """Whether clients find a ready API at the endpoint."""
        return isinstance(self.serving, Readiness) and self.serving.ready

    @property
    def verdict(self) -> Verdict:
        """The judgement: down when writes or the endpoint have stopped."""
        if not self.serves or self.tolerates < 0:
            return Verdict.DOWN
        return Verdict.DEGRADED if self.findings else Verdict.HEALTHY

    @property
    def findings(self) -> tuple[str, ...]:
        """Everything that is not as it should be, one sentence each."""
        return tuple(_findings(self))


def _findings(health: ClusterHealth) -> Iterator[str]:
    if not health.serves:
        said = health.serving.said if isinstance(health.serving, Readiness) else health.serving.why
        yield f"the endpoint {health.endpoint} does not serve: {said}"
    if health.tolerates < 0:
        have, all_ = len(health.answering), len(health.voters)
        yield f"etcd has no quorum: {have} of {all_} members answer"
    for one in health.strangers:
        named = f"{one.name} at " if one.name else ""
        where = ", ".join(one.addresses)
        yield f"etcd counts a voter that is no member in cluster.yaml: {named}{where}"
    for host in health.hosts:
        yield from _of_host(health, host)
    if len(health.vip_holders) > 1:
        yield f"several hosts carry the virtual address: {', '.join(health.vip_holders)}"
    if isinstance(health.leases, Mapping):
        for name, lease in health.leases.items():
            if not lease.held(health.now):
                yield f"nobody holds the lease {name}"


def _of_host(health: ClusterHealth, host: HostHealth) -> Iterator[str]:
    if host.silent:
        yield f"{host.name} could not be asked: {' '.join(host.silent.split())}"
        return
    if isinstance(host.member, Unknown):
        yield f"etcd on {host.name} does not answer: {host.member.why}"
    elif host.member is not None and not host.member.answers:
        yield f"etcd on {host.name} answers no linearizable read"
    elif host.member is not None and not host.member.knows:
        yield f"etcd on {host.name} does not tell which voters it counts"
    if host.apiserver is not None and not host.apiserver.ready:
        yield f"the apiserver on {host.name} is not ready: {host.apiserver.said}"
    for unit, state in host.units.items():
        if state != "active":
            yield f"{unit} on {host.name} is {state or 'not there'}"
    yield from _ending(health, host)
    yield from _of_node(health, host)


def _ending(health: ClusterHealth, host: HostHealth) -> Iterator[str]:
    found = host.next_end
    if found is not None and found[1] - health.now < health.renew_before:
        path, end = found
        days = (end - health.now).days
        yield f"{path} on {host.name} ends {end:%Y-%m-%d}, in {days} days: backstay apply renews it"


def _of_node(health: ClusterHealth, host: HostHealth) -> Iterator[str]:
    if not isinstance(health.nodes, Mapping) or host.name not in health.is_node:
        return
    node = health.nodes.get(host.name)
    if node is None:
        yield f"the node {host.name} is not registered"
    elif not node.ready:
        yield f"the node {host.name} is not Ready: {node.why}"
