"""A node that lives says so, and when it did is told by its own clock."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

from backstay.drill.history import SECOND, Kind, Mark
from backstay.drill.load.kube import Api
from backstay.drill.recorder import Recorder
from backstay.drill.renewals import LEASES, RenewalWatch
from fakes import kube_api
from fakes.drill_stories import story
from fakes.drill_tls import credentials

BEGAN = 1_795_000_000
"""By the node's clock."""


def lease(name: str, second: float) -> dict[str, Any]:
    """A lease that was renewed so many seconds after the drill began."""
    moment = f"2026-11-18T11:06:{40 + second:09.6f}Z"
    return {"metadata": {"name": name}, "spec": {"renewTime": moment}}


async def test_each_renewal_is_marked_once_at_its_own_moment(tmp_path: Path) -> None:
    """Also over a second connection, which tells of all again; of other leases nothing is told."""
    recorder = Recorder.open(tmp_path / "history.jsonl", story().header, tell=lambda _: None)
    async with kube_api.kube_api() as server, asyncio.timeout(20):
        server.store("ADDED", f"{LEASES}/w-1", lease("w-1", 1.25))
        server.acts.append(kube_api.answers(200, b'{"object": {"metadata": null}}\n'))
        watch = RenewalWatch(Api(server.address, credentials().context()), {"w-1": BEGAN * SECOND})
        running = asyncio.ensure_future(watch.run(recorder))
        await _until(recorder, 1)
        for session in list(server.sessions):
            session.transport.abort()
        server.store("MODIFIED", f"{LEASES}/other", lease("other", 2))
        server.store("MODIFIED", f"{LEASES}/w-1", lease("w-1", 11.5))
        await _until(recorder, 2)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    recorder.close()
    assert recorder.records == [
        Mark(5 * SECOND // 4, Kind.RENEWAL, "w-1"),
        Mark(23 * SECOND // 2, Kind.RENEWAL, "w-1"),
    ]


async def _until(recorder: Recorder, count: int) -> None:
    while len(recorder.records) < count:
        await asyncio.sleep(0.01)
