"""A quiet stream at work beside a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from backstay.drill.quiet import Quiet, marked
from backstay.drill.recorder import Recorder


@asynccontextmanager
async def at_work(
    stream: Quiet, recorder: Recorder, *, begun: Callable[[], bool]
) -> AsyncIterator[None]:
    """Let it be opened and marked, from when it has begun to the end of the block."""
    running = asyncio.ensure_future(marked(stream)(recorder))
    async with asyncio.timeout(20):
        await until(begun)
        yield
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    recorder.close()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that the test's own servers do."""
    while not holds():
        await asyncio.sleep(0.01)
