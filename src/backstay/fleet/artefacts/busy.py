"""One build at a time on this computer, held by a kernel lock that ends with its holder."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import IO

from backstay.fleet.artefacts.heartbeat import heartbeat
from backstay.fleet.artefacts.places import Places
from backstay.fleet.events import Listener, Note

POLL_SECONDS = 0.25


@asynccontextmanager
async def alone(places: Places, *, tell: Listener) -> AsyncIterator[None]:
    """Wait until nobody else builds on this computer, and keep it so."""
    places.root.mkdir(parents=True, exist_ok=True)
    with places.busy.open("a") as stream:
        if not _take(stream):
            tell(Note("another backstay is building on this computer; waiting for it"))
            async with heartbeat(tell, lambda: "still waiting for the other build"):
                while not _take(stream):  # noqa: ASYNC110 - the kernel tells nobody
                    await asyncio.sleep(POLL_SECONDS)
        yield


@contextmanager
def unless_busy(places: Places) -> Iterator[bool]:
    """Keep others from building meanwhile; False, at once, when somebody builds already."""
    with places.busy.open("a") as stream:
        yield _take(stream)


def _take(stream: IO[str]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
