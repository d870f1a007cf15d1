"""Whether a cluster's machines are a lab's of this computer, whose power is ours."""

from __future__ import annotations

from contextlib import suppress

from backstay.drill.run import until_well
from backstay.errors import BackstayError, GateTimeoutError
from backstay.fleet.world import World
from backstay.lab import PowerSwitch, give_disk, labs, read
from backstay.operations.drill_health import require_well, trouble
from backstay.spec.model import ClusterSpec

WELL_SECONDS = 90.0


def power_of(spec: ClusterSpec) -> PowerSwitch | None:
    """Return the power of the lab that has all of the cluster's machines, by name and address.

    SSH must lead to a machine's one address, and straight: private ranges are everywhere the same.
    """
    if spec.ssh.bastion is not None:
        return None
    wanted = {(host.name, host.address, host.internal) for host in spec.hosts}
    for name in labs():
        with suppress(BackstayError):
            if wanted <= {(one.name, one.address, one.address) for one in read(name).machines}:
                return PowerSwitch(name)
    return None


async def give_disks(spec: ClusterSpec, world: World, power: PowerSwitch) -> None:
    """Give every member of etcd a disk of its own, one after the other; once is enough.

    Raises RefusedError, with nothing touched, unless all of the cluster is well: a member that is
    down already must not have another beside it. GateTimeoutError when it is not well again after
    a member's power cycle.
    """
    await require_well(spec, world)
    ask = trouble(spec)
    for host in spec.etcd_members:
        await give_disk(power.lab, host.name)
        if said := await until_well(ask, seconds=WELL_SECONDS):
            raise GateTimeoutError(
                "the cluster is not well after a member was given a disk of its own",
                where=host.name,
                why=said,
                next_move="backstay status",
            )
