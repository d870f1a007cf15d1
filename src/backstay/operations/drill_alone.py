"""A drill is alone on its cluster: no other, and no `apply`, from its first look to its last."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backstay.drill.machines import Machines
from backstay.drill.undo import known_of, leftovers
from backstay.errors import AuthenticationError, HostKeyError, RefusedError, UnreachableError
from backstay.fleet.lock import locked, this_run
from backstay.fleet.world import World


@asynccontextmanager
async def alone(world: World, machines: Machines | None) -> AsyncIterator[None]:
    """Keep everybody else from changing the cluster while the block lasts.

    Raises LockedError, with who is there, RefusedError when something of a drill is left, or
    UnreachableError when a machine cannot be asked: its own where it does not let us in.
    """
    async with locked(tuple(world.reached.values()), holder=f"{this_run()}, a drill"):
        await require_nothing_left(world, machines)
        yield


def _require_let_in(world: World) -> None:
    """Raise a machine's own error if it answers and is not to be had: waiting mends no key."""
    for _, one in sorted(world.machines.items()):
        if isinstance(one, AuthenticationError | HostKeyError):
            raise one


async def require_nothing_left(world: World, machines: Machines | None) -> None:
    """Raise RefusedError if a fault of a drill stands, UnreachableError if nobody knows."""
    left = await leftovers(world, machines)
    why = "\n".join(f"{host}: {'; '.join(what)}" for host, what in left.items())
    if known := known_of(left):
        raise RefusedError(
            "a drill breaks only what is whole: something of another is left here",
            where=", ".join(known),
            why=why,
            next_move="wait until the machines undo it, or now: backstay drill undo",
        )
    _require_let_in(world)
    if left:
        raise UnreachableError(
            "a drill breaks only what is whole: machines do not answer",
            where=", ".join(left),
            why=why,
            next_move="backstay status",
        )
