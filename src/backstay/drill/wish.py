"""What is asked of one drill, and how its history says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backstay import __version__
from backstay.drill.faults.kinds import foreseen
from backstay.drill.faults.scenario import Scenario
from backstay.drill.history import Header
from backstay.drill.load.access import Access
from backstay.drill.load.plan import LoadPlan, load_plan
from backstay.drill.oracle.clients import TIMEOUT
from backstay.drill.oracle.judge import RATE
from backstay.drill.report.objectives import parse_objectives
from backstay.drill.report.terms import terms_of
from backstay.drill.run import Course
from backstay.fleet.world import utc_now
from backstay.spec.model import ClusterSpec

STEP_SECONDS = 15.0
"""What a step of a planned fault usually takes until its machine serves again."""
SETTLE_SECONDS = 5.0
"""What clients usually take until all of them are answered again."""


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
    def whom(self) -> str:
        """The target, in words."""
        return self.target or self.scenario.target

    @property
    def attempt_seconds(self) -> float:
        """How long a client waits for an answer.

        Short against any fault, whose length it would hide. Where nobody has to wait for a machine
        that is gone, a late answer counts as late (p99, gap) and not as a failure.
        """
        return 3.0 if self.scenario.lets_nobody_wait else 0.6

    @property
    def course(self) -> Course:
        """How long each phase takes; of three planes the slowest client calls twice a second."""
        fault = self.scenario.seconds if self.seconds is None else self.seconds
        return Course(fault=fault, calm=max(1.0, 1.0 / self.scale), after=self.scenario.after)

    def objectives_for(self, plan: LoadPlan) -> tuple[str, ...]:
        """Return what is asked; of a scenario's own, what is of clients that there are."""
        groups = {one.group for one in plan.clients}
        own = self.scenario.objectives
        fitting = (one for one in own if ":" not in one or one.partition(":")[0] in groups)
        return self.objectives or tuple(fitting)

    def load_seconds(self, targets: int) -> float:
        """Return about how long clients work; steps of a planned fault come after one another."""
        course = self.course
        steps = STEP_SECONDS * targets if self.scenario.is_planned else 0.0
        return course.warm_up + steps + course.fault + SETTLE_SECONDS + course.after


def load_of(wish: Wish, access: Access, targets: int) -> LoadPlan:
    """Return what clients do all along a drill that hits so many machines; its name is new."""
    return load_plan(
        run=f"{int(utc_now().timestamp()):x}",
        seed=wish.seed,
        planes=tuple(access.planes),
        members=tuple(access.members),
        service=access.service is not None,
        seconds=wish.load_seconds(targets),
        attempt=wish.attempt_seconds,
        scale=wish.scale,
    )


def header_of(
    spec: ClusterSpec,
    wish: Wish,
    plan: LoadPlan,
    targets: tuple[str, ...],
    *,
    versions: Mapping[str, str],
    settings: Mapping[str, str],
) -> Header:
    """Return the beginning of a history: what is about to be done, to whom, and how."""
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
        objectives=_fixed(wish.objectives_for(plan), spec),
        members=tuple(host.name for host in spec.etcd_members),
        planes=tuple(host.name for host in spec.control_planes),
        versions={**versions, "backstay": __version__},
        settings=settings,
        load={RATE: plan.rate, TIMEOUT: plan.seconds, "registers": len(plan.keys)},
        foreseen=foreseen(scenario.fault),
    )


def _fixed(objectives: Sequence[str], spec: ClusterSpec) -> tuple[str, ...]:
    """Return the objectives in seconds: a history means the same wherever it is judged."""
    return tuple(str(one) for one in parse_objectives(",".join(objectives), terms_of(spec)))


def settings_of(spec: ClusterSpec) -> dict[str, str]:
    """Return the profile and the timers, which decide how long a failure is felt."""
    timers = spec.load_balancer
    return {
        "profile": spec.profile.value,
        "etcd heartbeat": f"{spec.etcd.heartbeat_milliseconds} ms",
        "etcd election": f"{spec.etcd.election_milliseconds} ms",
        "balancer check interval": f"{timers.check_interval_milliseconds} ms",
        "balancer check interval after a failure": f"{timers.check_fast_interval_milliseconds} ms",
        "balancer check time-out": f"{timers.check_timeout_milliseconds} ms",
        "VRRP advert interval": f"{timers.advert_interval_milliseconds} ms",
    }
