"""One drill on one cluster, from the roles it finds to the last record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from backstay.drill.again import Again, again
from backstay.drill.faults.fits import require_fitting
from backstay.drill.faults.targets import Roles, resolve
from backstay.drill.history import Header
from backstay.drill.inject import armed_seconds, injected
from backstay.drill.load.plan import LoadPlan
from backstay.drill.load.run import ClusterLoad
from backstay.drill.machines import Machines
from backstay.drill.noting import aimed, telling
from backstay.drill.recorder import Recorder
from backstay.drill.run import Trouble, Watcher, run
from backstay.drill.watching import counting_sessions, ears, follow_all, note_roles
from backstay.drill.wish import Wish, header_of
from backstay.fleet.world import World
from backstay.spec.model import ClusterSpec


@dataclass(frozen=True, slots=True)
class Before:
    """How the cluster was found: who is what, versions, timers, and how to ask about it again."""

    roles: Roles
    versions: Mapping[str, str]
    settings: Mapping[str, str]
    trouble: Trouble
    ask: Callable[[], Awaitable[Roles]]


@dataclass(frozen=True, slots=True)
class Stage:
    """All that a drill needs but its load, with the roles as they are when it begins."""

    spec: ClusterSpec
    wish: Wish
    before: Before
    roles: Roles
    world: World
    machines: Machines | None
    also: tuple[Watcher, ...] = ()
    """Who watches what only this scenario promises."""

    def header(self, plan: LoadPlan) -> Header:
        """Return the beginning of the history."""
        targets, before = chosen_hosts(self.wish, self.roles), self.before
        return header_of(
            *(self.spec, self.wish, plan, targets),
            versions=before.versions,
            settings=before.settings,
        )

    async def recorded(self, load: ClusterLoad, recorder: Recorder) -> None:
        """Drill, and record everything."""
        note_roles(self.roles, recorder)
        heard = await ears(self.world, recorder, load.access)
        reach = again(self.spec)
        await run(
            recorder,
            self.wish.course,
            load=load,
            watchers=(*follow_all(self.world, heard, load.access, reach=reach), *self.also),
            fault=self._fault(recorder, reach),
            trouble=self.before.trouble,
            last_look=counting_sessions(self.world, self.roles.site),
        )

    def _fault(self, recorder: Recorder, reach: Again) -> AbstractAsyncContextManager[None]:
        fault, hosts = self.wish.scenario.fault, recorder.header.targets
        standing = injected(
            fault,
            hosts,
            site=self.roles.site,
            world=self.world,
            again=reach,
            machines=self.machines,
            seconds=armed_seconds(fault, self.wish.course.fault),
            tell=telling(recorder),
        )
        return aimed(
            standing, target=self.wish.whom, hosts=hosts, roles=self.roles, recorder=recorder
        )


def chosen_hosts(wish: Wish, roles: Roles) -> tuple[str, ...]:
    """Return who is hit; raises PreflightError if nobody is, or the fault does not fit them."""
    targets = resolve(wish.whom, roles, seed=wish.seed)
    require_fitting(wish.scenario.fault, targets, roles)
    return targets
