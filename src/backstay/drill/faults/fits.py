"""Whether a fault can be done to certain machines at all, asked before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from backstay.drill.faults.kinds import (
    BlindBalancer,
    BlockVrrp,
    BreakUnit,
    Cut,
    Fault,
    FillDisk,
    FlapCheck,
    Lose,
    MoveLeader,
    MoveVip,
    ReloadBalancer,
    Restart,
    Ring,
    Slow,
    StallDisk,
    Starve,
    Unit,
    said,
)
from backstay.drill.faults.rules import PEER_PORT
from backstay.drill.faults.targets import Roles, Site
from backstay.errors import PreflightError

SMALLEST_RING = 3
"""Of two that do not see each other nobody is a neighbour."""


def require_fitting(fault: Fault, hosts: Sequence[str], roles: Roles) -> None:
    """Raise PreflightError when the fault cannot be done to these machines, or would be nothing."""
    if why := next(_reasons(fault, hosts, roles), ""):
        raise PreflightError(
            f"{said(fault)} cannot be done to {', '.join(hosts)}",
            why=why,
            next_move="choose another --target, or look: backstay status",
        )


def _reasons(fault: Fault, hosts: Sequence[str], roles: Roles) -> Iterator[str]:
    site = roles.site
    match fault:
        case BreakUnit(unit) | Restart(unit) | Starve(unit):
            yield from _without(f"run {unit}", hosts, RUNNING[unit](site))
        case FillDisk() | StallDisk():
            yield from _without("are members of etcd", hosts, site.members)
        case BlockVrrp() | BlindBalancer() | FlapCheck() | ReloadBalancer():
            yield from _without("are balancers", hosts, site.balancers)
        case MoveLeader(heir):
            yield from _of_leader(heir, hosts, roles)
        case MoveVip() if tuple(hosts) != (roles.vip_holder,):
            yield f"the virtual address is held by {roles.vip_holder or 'nobody'}"
        case Cut(_, port):
            yield from _of_cut(port, hosts, site)
        case Ring() if len(hosts) < SMALLEST_RING:
            yield f"a ring has at least {SMALLEST_RING} machines"
        case Slow() | Lose() if len(site.hosts) == 1:
            yield "there is no other machine"


def _nodes(site: Site) -> tuple[str, ...]:
    return (*site.planes, *site.workers)


RUNNING: Mapping[Unit, Callable[[Site], tuple[str, ...]]] = {
    Unit.ETCD: lambda site: site.members,
    Unit.APISERVER: lambda site: site.planes,
    Unit.CONTROLLER_MANAGER: lambda site: site.planes,
    Unit.SCHEDULER: lambda site: site.planes,
    Unit.BALANCER: lambda site: site.balancers,
    Unit.VRRP: lambda site: site.balancers,
    Unit.KUBELET: _nodes,
    Unit.RUNTIME: _nodes,
}
"""Which machines have which unit."""


def _without(what: str, hosts: Sequence[str], able: Sequence[str]) -> Iterator[str]:
    if not set(hosts) <= set(able):
        yield f"only these {what}: {', '.join(able)}"


def _of_leader(heir: str, hosts: Sequence[str], roles: Roles) -> Iterator[str]:
    if tuple(hosts) != (roles.etcd_leader,):
        yield f"the leader of etcd is {roles.etcd_leader or 'nobody'}"
    if heir:
        yield from _without("are members of etcd", (heir,), roles.site.members)
    if len(roles.site.members) == 1:
        yield "there is no other member"


def _of_cut(port: int | None, hosts: Sequence[str], site: Site) -> Iterator[str]:
    all_of_them = site.members if port == PEER_PORT else site.hosts
    if port == PEER_PORT:
        yield from _without("are members of etcd", hosts, all_of_them)
    if set(hosts) >= set(all_of_them):
        yield "they would be cut off from nobody"
