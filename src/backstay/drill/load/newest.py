"""How far each store has come, so that watches can be waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from backstay.drill.history import Action, Client, Operation, Outcome, Record
from backstay.drill.load.clients import Watching

POLL_SECONDS = 0.2
CATCH_UP_SECONDS = 55.0
"""A watch whose connection died without a word is opened again after 45 s (http2.CLIENT_GO)."""

STAND_SECONDS = 2.0
"""A watch that had heard of all, and ended at the last moment, is opened again by then."""


@dataclass(slots=True)
class Newest:
    """Passes records on, and knows the newest acknowledged write of each store."""

    pass_on: Callable[[Record], None]
    clients: Mapping[str, Client]
    revisions: dict[str, int] = field(default_factory=dict)

    def record(self, record: Record) -> None:
        """Take a record."""
        match record:
            case Operation(action=Action.WRITE, outcome=Outcome.OK, modified=int(modified)):
                store = self.clients[record.client].store
                self.revisions[store] = max(modified, self.revisions.get(store, 0))
            case _:
                pass
        self.pass_on(record)

    def has_reached(self, watch: Watching) -> bool:
        """Return whether a watch has come as far as its store's newest acknowledged write."""
        return (watch.after or 0) >= self.revisions.get(watch.client.store, 0)

    async def reached_by(self, watches: Sequence[Watching]) -> None:
        """Wait for all watches; what never hears of a write is the judge's to see."""
        await _until(lambda: all(map(self.has_reached, watches)), seconds=CATCH_UP_SECONDS)
        await _until(lambda: all(one.stands for one in watches), seconds=STAND_SECONDS)


async def _until(reached: Callable[[], bool], *, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not reached():  # noqa: ASYNC110  # seldom
                await asyncio.sleep(POLL_SECONDS)
