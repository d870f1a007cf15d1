"""A drill is alone on its cluster: no other, and no `apply`, from its first look to its last."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backstay.drill.machines import Machines
from backstay.drill.undo import leftovers
from backstay.errors import RefusedError
from backstay.fleet.lock import locked, this_run
from backstay.fleet.world import World


@asynccontextmanager
async def alone(world: World, machines: Machines | None) -> AsyncIterator[None]:
    """Keep everybody else from changing the cluster while the block lasts.

    Raises LockedError, with who is there, or RefusedError when something of a drill is left.
    """
    async with locked(tuple(world.reached.values()), holder=f"{this_run()}, a drill"):
        await require_nothing_left(world, machines)
        yield


async def require_nothing_left(world: World, machines: Machines | None) -> None:
    """Raise RefusedError if a fault stands, or may stand, from a drill before."""
    if left := await leftovers(world, machines):
        raise RefusedError(
            "a drill breaks only what is whole: something of another is left here",
            where=", ".join(left),
            why="\n".join(f"{host}: {'; '.join(what)}" for host, what in left.items()),
            next_move="wait until the machines undo it, or now: backstay drill undo",
        )
