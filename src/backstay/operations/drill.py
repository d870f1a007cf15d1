"""`backstay drill run`: one scenario on one cluster, measured, judged and kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from backstay.drill.entry import entry
from backstay.drill.faults.kinds import BreakMachine, Link, Slow
from backstay.drill.faults.targets import Roles
from backstay.drill.history import Header, History, Record
from backstay.drill.inject import required_power
from backstay.drill.load.run import ClusterLoad
from backstay.drill.machines import Machines
from backstay.drill.oracle.judge import judge
from backstay.drill.quiet_exec import exec_watcher
from backstay.drill.recorder import Recorder
from backstay.drill.report.document import Drilled, drilled
from backstay.drill.run import Watcher
from backstay.drill.stage import Before, Stage, chosen_hosts
from backstay.drill.wish import Wish, load_of, settings_of
from backstay.fleet.world import World
from backstay.operations.drill_health import require_well, roles, trouble
from backstay.spec.model import ClusterSpec


async def look(spec: ClusterSpec, world: World) -> Before:
    """Return how the cluster is; raises RefusedError unless all of it is well."""
    health = await require_well(spec, world)
    versions = {"kubernetes": spec.kubernetes, "etcd": health.etcd_version}

    async def ask() -> Roles:
        return roles(spec, await require_well(spec, world))

    return Before(roles(spec, health), versions, settings_of(spec), trouble(spec), ask)


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
    """Drill once; the history is in a new file at `path` whatever becomes of the drill.

    Raises PreflightError or RefusedError, with nothing broken, if the fault does not fit, or if
    not all is well any more right before it.
    """
    targets = chosen_hosts(wish, before.roles)
    if wish.scenario.needs_power:
        required_power(machines)
    is_cut_off = isinstance(wish.scenario.fault, BreakMachine | Link | Slow)
    async with entry(spec, world, avoided=targets if is_cut_off else ()) as access:
        load = ClusterLoad.on(access, load_of(wish, access, len(targets)))
        try:
            await load.prepare()
            also = await _also(spec, wish, load)
            # Who was what may be another by now; from here on the machines tell.
            stage = Stage(spec, wish, before, await before.ask(), world, machines, also)
            recorder = Recorder.open(path, stage.header(load.plan), tell=tell)
            with closing(recorder):
                await stage.recorded(load, recorder)
        finally:
            await load.remove()
    return judged(recorder.history())


async def _also(spec: ClusterSpec, wish: Wish, load: ClusterLoad) -> tuple[Watcher, ...]:
    """Return who watches beyond what every drill does; without nodes there is no `exec`."""
    if not (wish.scenario.shows_silence and spec.nodes):
        return ()
    return (await exec_watcher(load.access, load.plan.run, spec),)


def judged(history: History) -> Drilled:
    """Judge a history, with this computer's clock as the limit of its searches."""
    return drilled(history, judge(history, now=time.monotonic))
