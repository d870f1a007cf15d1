"""`backstay drill run`: one scenario on one cluster, measured, judged and kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backstay import __version__
from backstay.drill.entry import entry
from backstay.drill.faults.scenario import Scenario
from backstay.drill.faults.targets import Roles, resolve, site_of
from backstay.drill.history import Header, History, Mark
from backstay.drill.inject import injected
from backstay.drill.load.plan import LoadPlan, load_plan
from backstay.drill.load.run import ClusterLoad
from backstay.drill.machines import Machines
from backstay.drill.oracle.judge import RATE, judge
from backstay.drill.recorder import Recorder
from backstay.drill.report.document import Drilled, drilled
from backstay.drill.run import Course, run
from backstay.drill.watching import ears, follow_all, note_roles
from backstay.fleet.world import World, utc_now
from backstay.operations.drill_health import require_well, roles, trouble
from backstay.spec.model import ClusterSpec

ARMED_BEYOND_SECONDS = 20.0
"""What the machines wait, beyond the fault's own time, before they undo it without us."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of one drill; `seconds` and `objectives` replace the scenario's own."""

    scenario: Scenario
    command: str
    seed: int = 0
    target: str = ""
    seconds: float | None = None
    objectives: tuple[str, ...] = ()
    scale: float = 1.0

    @property
    def course(self) -> Course:
        """How long each phase takes."""
        return Course(fault=self.seconds or self.scenario.seconds)


async def drill(
    spec: ClusterSpec,
    wish: Wish,
    *,
    world: World,
    machines: Machines | None,
    path: Path,
    tell: Callable[[Mark], None],
) -> Drilled:
    """Drill once; the history is in a new file at `path` whatever becomes of the drill.

    Raises RefusedError when the cluster is not well before, and what injecting raises.
    """
    health = await require_well(spec, world)
    found = roles(spec, health)
    targets = resolve(wish.target or wish.scenario.target, found, seed=wish.seed)
    async with entry(spec, world) as access:
        plan = load_plan(
            run=f"{int(time.time()):x}",
            seed=wish.seed,
            planes=tuple(access.planes),
            members=tuple(access.members),
            service=access.service is not None,
            seconds=wish.course.fault + wish.course.warm_up + wish.course.after,
            scale=wish.scale,
        )
        load = ClusterLoad.on(access, plan)
        await load.prepare()
        header = _header(spec, wish, plan, targets, etcd=health.etcd_version)
        recorder = Recorder.open(path, header, tell=tell)
        try:
            history = await _recorded(spec, wish, found, targets, load, recorder, world, machines)
        finally:
            recorder.close()
            await load.remove()
    return judged(history)


async def _recorded(
    spec: ClusterSpec,
    wish: Wish,
    found: Roles,
    targets: tuple[str, ...],
    load: ClusterLoad,
    recorder: Recorder,
    world: World,
    machines: Machines | None,
) -> History:
    note_roles(found, recorder)
    heard = await ears(world, recorder, load.access)
    fault = injected(
        wish.scenario.fault,
        targets,
        site=site_of(spec),
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
        trouble=trouble(spec),
    )
    return recorder.history()


def judged(history: History) -> Drilled:
    """Judge a history, with this computer's clock as the limit of its searches."""
    return drilled(history, judge(history, now=time.monotonic))


def _header(
    spec: ClusterSpec, wish: Wish, plan: LoadPlan, targets: tuple[str, ...], *, etcd: str
) -> Header:
    scenario = wish.scenario
    return Header(
        scenario=scenario.name,
        cluster=spec.name,
        started=utc_now().isoformat(timespec="seconds"),
        command=wish.command,
        seed=wish.seed,
        clients=plan.clients,
        targets=targets,
        explanation=scenario.explanation,
        objectives=wish.objectives or scenario.objectives,
        members=tuple(host.name for host in spec.etcd_members),
        planes=tuple(host.name for host in spec.control_planes),
        versions={"kubernetes": spec.kubernetes, "etcd": etcd, "backstay": __version__},
        settings=settings_of(spec),
        load={RATE: plan.rate, "timeout_seconds": plan.seconds, "registers": len(plan.keys)},
    )


def settings_of(spec: ClusterSpec) -> dict[str, str]:
    """Return the timers that decide how long a failure is felt."""
    timers = spec.load_balancer
    return {
        "etcd heartbeat": f"{spec.etcd.heartbeat_milliseconds} ms",
        "etcd election": f"{spec.etcd.election_milliseconds} ms",
        "balancer check interval": f"{timers.check_interval_milliseconds} ms",
        "balancer check interval after a failure": f"{timers.check_fast_interval_milliseconds} ms",
        "balancer check time-out": f"{timers.check_timeout_milliseconds} ms",
        "VRRP advert interval": f"{timers.advert_interval_milliseconds} ms",
    }
