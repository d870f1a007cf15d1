"""`backstay apply`: perform the plan that was shown, then look again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backstay.errors import BackstayError, InterruptedRunError, StalePlanError, StepFailedError
from backstay.fleet.lock import locked, this_run
from backstay.fleet.store import Store
from backstay.fleet.world import World
from backstay.operations.plan import Planned, make_plan, require_nobody_silent
from backstay.pki.request import AuthorityName
from backstay.planning.document import identity
from backstay.planning.plan import Plan
from backstay.resources.content import Artefact
from backstay.spec.model import ClusterSpec

if TYPE_CHECKING:
    from backstay.fleet.perform import Performer


async def apply(
    spec: ClusterSpec,
    *,
    world: World,
    catalogue: Mapping[str, Artefact],
    store: Store,
    agreed: Callable[[Plan], bool],
    expected: str | None = None,
    skipped_checks: frozenset[str] = frozenset(),
) -> Plan:
    """Plan, show, ask, perform, and look again; returns the plan that was performed.

    `agreed` shows the plan and says whether to go on; `expected` is the identity of a saved plan.
    Raises StalePlanError when the saved plan is not the present one, StepFailedError when
    something still differs at the end, UnreachableError when a silent machine was left out.
    """
    planned = await make_plan(spec, world=world, catalogue=catalogue, skipped_checks=skipped_checks)
    _require_same(planned.plan, expected)
    silent = planned.looked.observation.unreachable
    if planned.plan.is_empty:
        done = "nothing was to be done on the machines that answered"
        require_nobody_silent(silent, done, notes=planned.plan.notes)
        return planned.plan
    if not agreed(planned.plan):
        return planned.plan
    machines = tuple(world.reached.values())
    async with locked(machines, holder=this_run(), looked=_looked_at(planned)):
        with _part_way():
            await _performer(planned, world=world, store=store).perform(planned.plan)
    with _part_way():
        left = await make_plan(
            spec, world=world, catalogue=catalogue, skipped_checks=skipped_checks
        )
        _require_done(left.plan)
        done = "the machines that answered are done"
        require_nobody_silent(silent, done, notes=planned.plan.notes)
    return planned.plan


@contextmanager
def _part_way() -> Iterator[None]:
    """Let nothing that fails in here say by its exit code that nothing was changed."""
    try:
        yield
    except BackstayError as error:
        if not isinstance(error, InterruptedRunError):
            error.exit_code = StepFailedError.exit_code
        raise


def _require_same(plan: Plan, expected: str | None) -> None:
    if expected is not None and expected != identity(plan):
        raise StalePlanError(
            "the world changed since the plan was saved",
            why="looking again gives another plan",
            next_move="read the new one: backstay plan --out FILE; then apply that file",
        )


def _looked_at(planned: Planned) -> Mapping[str, float]:
    """Return when each machine was looked at, by its own clock: a plan is as old as that."""
    reached = planned.looked.observation.reached
    clocks = {host: seen.survey.get("clock") for host, seen in reached.items()}
    return {host: float(clock) for host, clock in clocks.items() if clock}


def _performer(planned: Planned, *, world: World, store: Store) -> Performer:
    # Loaded when there is something to do: a run that finds nothing is a tenth quicker.
    from backstay.fleet.gates import Waiting
    from backstay.fleet.perform import Performer

    looked = planned.looked
    authority = looked.keyring.trust.authority(AuthorityName.KUBERNETES) or b""
    waiting = Waiting(world, looked.spec, authority.decode())
    return Performer(world, looked.keyring, store, waiting, looked.mark)


def _require_done(left: Plan) -> None:
    """Raise what is left: what was performed is what was printed."""
    if not left.is_empty:
        rest = [f"{host}: {change.key}" for host, change in left.changes]
        rest += [stage.name for stage in left.stages if not rest]
        raise StepFailedError(
            "something still differs after everything was performed",
            why=", ".join(rest[:10]),
            next_move="backstay plan shows the differences; backstay apply mends them",
        )
