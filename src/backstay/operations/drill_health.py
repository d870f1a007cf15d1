"""What a drill must know of a cluster before, and what it waits for after."""

from __future__ import annotations

from collections.abc import Mapping

from backstay.drill.faults.targets import Roles, site_of
from backstay.drill.run import Trouble
from backstay.errors import BackstayError, QuorumError, RefusedError
from backstay.fleet.world import World
from backstay.operations.session import session
from backstay.operations.status import status
from backstay.planning.health import ClusterHealth, Member, Verdict
from backstay.spec.model import ClusterSpec


async def require_well(spec: ClusterSpec, world: World) -> ClusterHealth:
    """Return how the cluster is; raises RefusedError unless all of it is well."""
    found = await status(spec, world=world)
    if found.verdict is Verdict.HEALTHY:
        return found
    short = len(found.answering) < len(found.voters) + len(found.strangers)
    refused = QuorumError if short else RefusedError
    raise refused(
        "a drill breaks only what is whole: this cluster is not",
        where=spec.name,
        why="\n".join(found.findings),
        next_move="backstay status; what an earlier drill left: backstay drill undo",
    )


def roles(spec: ClusterSpec, health: ClusterHealth) -> Roles:
    """Return who leads, and who holds what."""
    leaders = (
        host.name for host in health.hosts if isinstance(host.member, Member) and host.member.leader
    )
    leases = health.leases if isinstance(health.leases, Mapping) else {}
    return Roles(
        site_of(spec),
        next(leaders, None),
        next(iter(health.vip_holders), None),
        {name: lease.holder for name, lease in leases.items() if lease.held(health.now)},
    )


def trouble(spec: ClusterSpec) -> Trouble:
    """Return who asks the cluster, over new connections: machines may have been away."""

    async def ask() -> str:
        try:
            async with session(spec) as world:
                return "; ".join((await status(spec, world=world)).findings)
        except BackstayError as error:
            return error.what

    return ask
