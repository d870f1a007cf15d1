"""`backstay apply`: perform the plan that was shown, then look again."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Mapping

from backstay.errors import StalePlanError, StepFailedError, UnreachableError
from backstay.fleet.gates import Waiting
from backstay.fleet.lock import locked
from backstay.fleet.perform import Performer
from backstay.fleet.store import Store
from backstay.fleet.world import World
from backstay.operations.plan import Planned, make_plan
from backstay.pki.request import AuthorityName
from backstay.planning.document import identity
from backstay.planning.plan import Plan
from backstay.resources.content import Artefact
from backstay.spec.model import ClusterSpec


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
    if planned.plan.is_empty or not agreed(planned.plan):
        return planned.plan
    async with locked(tuple(world.reached.values()), holder=_holder()):
        await _performer(planned, world=world, store=store).perform(planned.plan)
    await _require_done(planned, world=world, catalogue=catalogue, skipped_checks=skipped_checks)
    return planned.plan


def _require_same(plan: Plan, expected: str | None) -> None:
    if expected is not None and expected != identity(plan):
        raise StalePlanError(
            "the world changed since the plan was saved",
            why="looking again gives another plan",
            next_move="read the new one: backstay plan --out FILE; then apply that file",
        )


def _holder() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()} pid {os.getpid()}"


def _performer(planned: Planned, *, world: World, store: Store) -> Performer:
    looked = planned.looked
    authority = looked.keyring.trust.authority(AuthorityName.KUBERNETES) or b""
    waiting = Waiting(world, looked.spec, authority.decode())
    return Performer(world, looked.keyring, store, waiting, looked.mark)


async def _require_done(
    planned: Planned,
    *,
    world: World,
    catalogue: Mapping[str, Artefact],
    skipped_checks: frozenset[str],
) -> None:
    """Look again: what was performed is what was printed, or this says what is left."""
    spec, silent = planned.looked.spec, planned.looked.observation.unreachable
    left = await make_plan(spec, world=world, catalogue=catalogue, skipped_checks=skipped_checks)
    if not left.plan.is_empty:
        rest = [f"{host}: {change.key}" for host, change in left.plan.changes]
        rest += [stage.name for stage in left.plan.stages if not rest]
        raise StepFailedError(
            "something still differs after everything was performed",
            why=", ".join(rest[:10]),
            next_move="backstay plan shows the differences; backstay apply mends them",
        )
    if silent:
        error = UnreachableError(
            "the machines that answered are done; others could not be reached",
            where=", ".join(sorted(silent)),
            why="; ".join(silent[host].why for host in sorted(silent)),
            next_move="when they are back: backstay apply",
        )
        error.exit_code = 1
        raise error
