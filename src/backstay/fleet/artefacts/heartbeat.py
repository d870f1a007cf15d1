"""Progress of long work: a sentence now and then, also while nothing seems to happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from backstay.fleet.events import Listener, Note

SECONDS = 10.0
"""Often enough to see life, seldom enough to read a log afterwards."""


@asynccontextmanager
async def heartbeat(
    tell: Listener, sentence: Callable[[], str], *, every: float = SECONDS
) -> AsyncIterator[None]:
    """Tell `sentence()` every so many seconds until the block is left."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(every)
            tell(Note(sentence()))

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
