"""Machines over connections of their own: one that was frozen or away has lost its first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from backstay.errors import UnreachableError
from backstay.fleet.ssh import connected
from backstay.fleet.transport import Machine
from backstay.fleet.world import World
from backstay.spec.model import ClusterSpec

POLL_SECONDS = 0.25

Again = Callable[[str], AbstractAsyncContextManager[Machine]]
"""Reaches a host over a new connection; entering it raises UnreachableError."""


def again(spec: ClusterSpec) -> Again:
    """Return who reaches the machines of a cluster."""

    @asynccontextmanager
    async def reach(host: str) -> AsyncIterator[Machine]:
        alone = spec.model_copy(update={"hosts": (spec.host(host),)})
        async with connected(alone) as found:
            yield World(found).machine(host)

    return reach


@asynccontextmanager
async def patiently(reach: Again, host: str, *, seconds: float) -> AsyncIterator[Machine]:
    """Give a machine once it can be reached; UnreachableError, its last one, if not in so long."""
    async with AsyncExitStack() as stack:
        yield await _reached(reach, host, stack, asyncio.get_running_loop().time() + seconds)


async def _reached(reach: Again, host: str, stack: AsyncExitStack, end: float) -> Machine:
    while True:
        try:
            return await stack.enter_async_context(reach(host))
        except UnreachableError:
            if asyncio.get_running_loop().time() >= end:
                raise
        await asyncio.sleep(POLL_SECONDS)
