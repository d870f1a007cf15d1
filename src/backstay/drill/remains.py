"""What the load of a drill that died left in the cluster: namespaces, and keys of etcd."""

from __future__ import annotations

from collections.abc import Sequence

from backstay.drill.faults.steps import ETCDCTL
from backstay.drill.load.etcd import PREFIX
from backstay.drill.load.kube import LABEL
from backstay.errors import BackstayError, StepFailedError
from backstay.fleet import kube
from backstay.fleet.world import World

ASK_SECONDS = 20.0
NAMESPACE = "namespace/"

DELETE = (
    *("delete", "namespaces", f"--selector={LABEL}", "--field-selector=status.phase=Active"),
    *("--wait=false", "--output=name"),
)
"""Those that are on their way out already need nobody."""


async def remove_namespaces(world: World, planes: Sequence[str]) -> tuple[str, ...]:
    """Remove the namespaces of all drills and return their names; StepFailedError if none can."""
    done = await kube.through_any(world, planes, *DELETE)
    # Where there is none, kubectl says so in words, and there too.
    lines = (line for line in done.stdout.splitlines() if line.startswith(NAMESPACE))
    return tuple(line.removeprefix(NAMESPACE) for line in lines)


async def remove_keys(world: World, members: Sequence[str]) -> int:
    """Remove the keys of all drills from etcd and return how many; StepFailedError if none can."""
    said = []
    for host in members:
        try:
            done = await world.machine(host).run(
                f"{ETCDCTL} del --prefix {PREFIX}\n", deadline=ASK_SECONDS
            )
        except BackstayError as error:
            said.append(f"{host}: {error.what}")
            continue
        if done.status == 0:
            return int(done.stdout.strip() or 0)
        said.append(f"{host}: {done.stderr.strip()[-300:]}")
    raise StepFailedError(
        "the keys of a drill could not be removed from etcd",
        where=", ".join(members),
        why="\n".join(said),
        next_move="backstay status",
    )
