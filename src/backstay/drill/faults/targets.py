"""Who is hit: roles that move about, such as the etcd leader, turned into hosts.

A target is words: `etcd-leader`; `vip-holder+etcd-leader` for one machine that is both;
`etcd-leader,vip-holder` for each of them; `host:NAME`. Of several that fit, a role without
`all-` takes one by the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from backstay.errors import PreflightError, UsageError
from backstay.spec.model import ClusterSpec

CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
VIP_HOLDER = "vip-holder"
ETCD_LEADER = "etcd-leader"
CONTROLLER_MANAGER_HOLDER = "controller-manager-holder"
SCHEDULER_HOLDER = "scheduler-holder"
MOVABLE: Mapping[str, Callable[[Site], tuple[str, ...]]] = {
    ETCD_LEADER: lambda site: site.members,
    CONTROLLER_MANAGER_HOLDER: lambda site: site.planes,
    SCHEDULER_HOLDER: lambda site: site.planes,
}
"""Roles that can be given to another machine in an orderly way, and to which machines."""

HOST = "host:"
ALL = "all-"


@dataclass(frozen=True, slots=True)
class Site:
    """What does not move: which machines have which part, all sorted by name, and where they are.

    `addresses` are those by which machines know each other, `ssh` the ports of their sshd.
    """

    members: tuple[str, ...]
    planes: tuple[str, ...]
    balancers: tuple[str, ...]
    workers: tuple[str, ...]
    addresses: Mapping[str, str]
    ssh: Mapping[str, int]
    endpoint_port: int
    vip: str = ""

    @property
    def hosts(self) -> tuple[str, ...]:
        """All machines, sorted by name."""
        return tuple(sorted(self.addresses))


def site_of(spec: ClusterSpec) -> Site:
    """Return what a cluster's specification says of its machines."""
    return Site(
        members=tuple(host.name for host in spec.etcd_members),
        planes=tuple(host.name for host in spec.control_planes),
        balancers=tuple(host.name for host in spec.load_balancers),
        workers=tuple(host.name for host in spec.workers),
        addresses={host.name: str(host.internal) for host in spec.hosts},
        ssh={host.name: host.port or spec.ssh.port for host in spec.hosts},
        endpoint_port=spec.endpoint.port,
        vip="" if spec.endpoint.vip is None else str(spec.endpoint.vip),
    )


@dataclass(frozen=True, slots=True)
class Roles:
    """Who is what right now; None, or a missing lease, is nobody. `leases` maps to hosts."""

    site: Site
    etcd_leader: str | None = None
    vip_holder: str | None = None
    leases: Mapping[str, str] = field(default_factory=dict)


def _one(host: str | None) -> tuple[str, ...]:
    return () if host is None else (host,)


def _leader_first(roles: Roles) -> tuple[str, ...]:
    """Return the members with their leader at one end: an open ring leaves it there."""
    return tuple(sorted(roles.site.members, key=lambda host: (host != roles.etcd_leader, host)))


def _without(hosts: tuple[str, ...], one: str | None) -> tuple[str, ...]:
    """Return the others; nobody is one of the others as long as the one is not known."""
    return () if one is None else tuple(host for host in hosts if host != one)


ROLES: Mapping[str, Callable[[Roles], tuple[str, ...]]] = {
    ETCD_LEADER: lambda roles: _one(roles.etcd_leader),
    "etcd-follower": lambda roles: _without(roles.site.members, roles.etcd_leader),
    VIP_HOLDER: lambda roles: _one(roles.vip_holder),
    "vip-backup": lambda roles: _without(roles.site.balancers, roles.vip_holder),
    CONTROLLER_MANAGER_HOLDER: lambda roles: _one(roles.leases.get(CONTROLLER_MANAGER)),
    SCHEDULER_HOLDER: lambda roles: _one(roles.leases.get(SCHEDULER)),
    "any-plane": lambda roles: roles.site.planes,
    "worker": lambda roles: roles.site.workers,
    "all-members": _leader_first,
    "all-planes": lambda roles: roles.site.planes,
    "all-balancers": lambda roles: roles.site.balancers,
    "all-workers": lambda roles: roles.site.workers,
    "all-nodes": lambda roles: tuple(sorted({*roles.site.planes, *roles.site.workers})),
    "all-hosts": lambda roles: roles.site.hosts,
}
"""Every role with the machines that have it."""


def resolve(target: str, roles: Roles, *, seed: int) -> tuple[str, ...]:
    """Return the hosts that a target means, each once.

    UsageError if there is no such role or host, PreflightError if nobody has the role.
    """
    found = (host for part in target.split(",") for host in _part(part.strip(), roles, seed))
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Scattered:
    """A role that is to be another machine's, for a target that has several roles at once."""

    role: str
    holder: str
    wanted: str


def scattered(target: str, roles: Roles) -> Scattered | None:
    """Return the next role to move for all parts of a target to be somebody; None if they are.

    Roles move to the holder of the virtual address, which is the hardest to move to a certain
    machine: its priority decides. PreflightError if it can never have one of them.
    """
    for part in target.split(","):
        words = part.strip().split("+")
        anchor = VIP_HOLDER if VIP_HOLDER in words else words[0]
        wanted = _having(anchor, roles)
        for word in words if MOVABLE.keys() >= {*words} - {anchor} else ():
            holder = _having(word, roles)
            if wanted and holder and holder[0] not in wanted:
                return Scattered(word, holder[0], _able(word, wanted, roles))
    return None


def _able(role: str, wanted: tuple[str, ...], roles: Roles) -> str:
    """Return the first of the wanted machines that can have a role."""
    able = MOVABLE[role](roles.site)
    if not (found := [host for host in wanted if host in able]):
        raise PreflightError(
            f"{role} cannot be given to {', '.join(wanted)}",
            why=f"only these can have it: {', '.join(able)}",
            next_move="choose another --target, or look: backstay status",
        )
    return found[0]


def lost(target: str, hosts: tuple[str, ...], roles: Roles) -> tuple[str, ...]:
    """Return the parts of a target that none of the hosts is: whoever was it has lost the role."""
    parts = (part.strip() for part in target.split(","))
    return tuple(part for part in parts if not {*_fitting(part, roles)} & {*hosts})


def _fitting(part: str, roles: Roles) -> tuple[str, ...]:
    first, *others = (_having(word, roles) for word in part.split("+"))
    return tuple(host for host in first if all(host in other for other in others))


def _part(part: str, roles: Roles, seed: int) -> tuple[str, ...]:
    words, fitting = part.split("+"), _fitting(part, roles)
    if not fitting:
        raise PreflightError(
            f"no machine is {' and '.join(words)}",
            why=_who_is_what(roles),
            next_move="choose another --target, or look: backstay status",
        )
    if words == [part] and part.startswith(ALL):
        return fitting
    return (fitting[seed % len(fitting)],)


def _having(word: str, roles: Roles) -> tuple[str, ...]:
    if word in ROLES:
        return ROLES[word](roles)
    if (name := word.removeprefix(HOST)) != word and name in roles.site.addresses:
        return (name,)
    raise UsageError(
        f"{word!r} is no target",
        next_move=f"choose from {', '.join(ROLES)}, or "
        + ", ".join(f"{HOST}{host}" for host in roles.site.hosts),
    )


def _who_is_what(roles: Roles) -> str:
    moving = (ETCD_LEADER, VIP_HOLDER, CONTROLLER_MANAGER_HOLDER, SCHEDULER_HOLDER)
    return "; ".join(f"{role}: {', '.join(ROLES[role](roles)) or 'nobody'}" for role in moving)
