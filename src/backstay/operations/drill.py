"""`backstay drill run`: one scenario on one cluster, measured, judged and kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from backstay.drill.entry import entry
from backstay.drill.faults.targets import Roles, resolve, site_of
from backstay.drill.history import Header, History, Record
from backstay.drill.inject import injected
from backstay.drill.load.plan import load_plan
from backstay.drill.load.run import ClusterLoad
from backstay.drill.machines import Machines
from backstay.drill.oracle.judge import judge
from backstay.drill.recorder import Recorder
from backstay.drill.report.document import Drilled, drilled
from backstay.drill.run import Trouble, run
from backstay.drill.watching import counting_sessions, ears, follow_all, note_roles
from backstay.drill.wish import Wish, header_of
from backstay.fleet.world import World
from backstay.operations.drill_health import require_well, roles, trouble
from backstay.spec.model import ClusterSpec

ARMED_BEYOND_SECONDS = 20.0
"""What the machines wait, beyond the fault's own time, before they undo it without us."""


@dataclass(frozen=True, slots=True)
class Before:
    """How the cluster was found: who is what, versions, and how to ask what is wrong with it."""

    roles: Roles
    versions: Mapping[str, str]
    trouble: Trouble


async def look(spec: ClusterSpec, world: World) -> Before:
    """Return how the cluster is; raises RefusedError unless all of it is well."""
    health = await require_well(spec, world)
    versions = {"kubernetes": spec.kubernetes, "etcd": health.etcd_version}
    return Before(roles(spec, health), versions, trouble(spec))


async def drill(
    spec: ClusterSpec,
    wish: Wish,
    before: Before,
    *,
    world: World,
    machines: Machines | None,
    path: Path,
    tell: Callable[[Header | Record], None],
) -> Drilled:
    """Drill once; the history is in a new file at `path` whatever becomes of the drill."""
    targets = resolve(wish.whom, before.roles, seed=wish.seed)
    async with entry(spec, world) as access:
        plan = load_plan(
            run=f"{int(time.time()):x}",
            seed=wish.seed,
            planes=tuple(access.planes),
            members=tuple(access.members),
            service=access.service is not None,
            seconds=wish.course.fault + wish.course.warm_up + wish.course.after,
            attempt=wish.attempt_seconds,
            scale=wish.scale,
        )
        load = ClusterLoad.on(access, plan)
        await load.prepare()
        header = header_of(spec, wish, plan, targets, before.versions)
        recorder = Recorder.open(path, header, tell=tell)
        try:
            history = await _recorded(spec, wish, before, targets, load, recorder, world, machines)
        finally:
            recorder.close()
            await load.remove()
    return judged(history)


async def _recorded(
    spec: ClusterSpec,
    wish: Wish,
    before: Before,
    targets: tuple[str, ...],
    load: ClusterLoad,
    recorder: Recorder,
    world: World,
    machines: Machines | None,
) -> History:
    note_roles(before.roles, recorder)
    heard = await ears(world, recorder, load.access)
    site = site_of(spec)
    fault = injected(
        wish.scenario.fault,
        targets,
        site=site,
        world=world,
        machines=machines,
        seconds=wish.course.fault + ARMED_BEYOND_SECONDS,
        tell=recorder.fault,
    )
    await run(
        recorder,
        wish.course,
        load=load,
        watchers=follow_all(world, heard, load.access, seconds=wish.course.longest),
        fault=fault,
        trouble=before.trouble,
        last_look=counting_sessions(world, site),
    )
    return recorder.history()


def judged(history: History) -> Drilled:
    """Judge a history, with this computer's clock as the limit of its searches."""
    return drilled(history, judge(history, now=time.monotonic))
