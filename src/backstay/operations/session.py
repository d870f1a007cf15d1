"""The beginning of every verb that talks to machines: connections, a journal, and a listener."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from platformdirs import user_state_path

from backstay.fleet.events import Event, Listener, nobody
from backstay.fleet.journal import Journal
from backstay.fleet.ssh import connected
from backstay.fleet.world import World, utc_now
from backstay.spec.model import ClusterSpec


def state_folder(cluster: str) -> Path:
    """Return where the journals of a cluster are kept on this computer."""
    return user_state_path("backstay") / "clusters" / cluster


@asynccontextmanager
async def session(
    spec: ClusterSpec,
    *,
    tell: Listener = nobody,
    should_stop: Callable[[], bool] = lambda: False,
) -> AsyncIterator[World]:
    """Connect to every machine at once, and write down what happens for people to read."""
    journal = Journal.open(state_folder(spec.name), now=utc_now())

    def tell_both(event: Event) -> None:
        journal.write(event, now=utc_now())
        tell(event)

    try:
        async with connected(spec) as machines:
            yield World(machines, tell=tell_both, should_stop=should_stop)
    finally:
        journal.close()
