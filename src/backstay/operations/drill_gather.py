"""Give roles to one machine, in an orderly way, for a drill that hits all of them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from backstay.drill.again import again
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
from backstay.drill.run import until_well
from backstay.drill.stage import Before
from backstay.errors import GateTimeoutError, RefusedError
from backstay.fleet.world import World
from backstay.spec.model import ClusterSpec

GATHER_SECONDS = 180.0
"""A lease goes to whoever asks first: with three planes every second restart gives it away well."""

WELL_SECONDS = 60.0


async def gathered(
    spec: ClusterSpec, target: str, before: Before, world: World, talk: Callable[[str], None]
) -> Before:
    """Return how the cluster is once each part of the target is somebody.

    Raises PreflightError when a role cannot go where it is wanted, GateTimeoutError when it does
    not.
    """
    one = scattered(target, before.roles)
    try:
        async with asyncio.timeout(GATHER_SECONDS):
            while one:
                talk(f"{one.role} is {one.holder}, and is given to {one.wanted}")
                await _move(spec, one, world)
                before = await _once_well(spec, before)
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
        again=again(spec),
        machines=None,
        seconds=0.0,
        tell=lambda _host, _turn, _what: None,
    )
    async with fault:
        pass


async def _once_well(spec: ClusterSpec, before: Before) -> Before:
    """Wait until the next holder of a role is known; raises RefusedError if it is never well.

    Who looked before says how to ask again: a cluster need not be one that we made.
    """
    if said := await until_well(before.trouble, seconds=WELL_SECONDS):
        raise RefusedError(
            "the cluster is not well since a role was given to another",
            where=spec.name,
            why=said,
            next_move="backstay status",
        )
    return replace(before, roles=await before.ask())
