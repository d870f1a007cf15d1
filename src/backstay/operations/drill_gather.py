"""Give roles to one machine, in an orderly way, for a drill that hits all of them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from backstay.drill.faults.kinds import MoveLeader, Planned, Restart, Unit
from backstay.drill.faults.targets import (
    CONTROLLER_MANAGER_HOLDER,
    ETCD_LEADER,
    SCHEDULER_HOLDER,
    Scattered,
    scattered,
    site_of,
)
from backstay.drill.inject import injected
from backstay.errors import GateTimeoutError
from backstay.fleet.world import World
from backstay.operations.drill import Before, look
from backstay.spec.model import ClusterSpec

GATHER_SECONDS = 180.0
"""A lease goes to whoever asks first: with three planes every second restart gives it away well."""

WELL_SECONDS = 60.0
POLL_SECONDS = 0.25


async def gathered(
    spec: ClusterSpec, target: str, before: Before, world: World, talk: Callable[[str], None]
) -> Before:
    """Return how the cluster is once each part of the target is somebody.

    Raises GateTimeoutError when a role does not go where it is wanted.
    """
    one = scattered(target, before.roles)
    try:
        async with asyncio.timeout(GATHER_SECONDS):
            while one:
                talk(f"{one.role} is {one.holder}, and is given to {one.wanted}")
                await _move(spec, one, world)
                before = await _once_well(spec, before, world)
                one = scattered(target, before.roles)
    except TimeoutError as error:
        raise GateTimeoutError(
            f"no machine is all of {target}",
            why="" if one is None else f"{one.role} did not go to {one.wanted}",
            next_move="choose another --target, or look: backstay status",
        ) from error
    return before


async def _move(spec: ClusterSpec, one: Scattered, world: World) -> None:
    moves: dict[str, Planned] = {
        ETCD_LEADER: MoveLeader(one.wanted),
        CONTROLLER_MANAGER_HOLDER: Restart(Unit.CONTROLLER_MANAGER),
        SCHEDULER_HOLDER: Restart(Unit.SCHEDULER),
    }
    fault = injected(
        moves[one.role],
        (one.holder,),
        site=site_of(spec),
        world=world,
        machines=None,
        seconds=0.0,
        tell=lambda _host, _turn, _what: None,
    )
    async with fault:
        pass


async def _once_well(spec: ClusterSpec, before: Before, world: World) -> Before:
    """Wait until the next holder of a role is known; raises RefusedError if it is never well."""
    try:
        async with asyncio.timeout(WELL_SECONDS):
            while await before.trouble():  # noqa: ASYNC110  # healing sends no event
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        pass
    return await look(spec, world)
