"""Which nodes are Ready: told by an API that may also say what makes no sense."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from backstay.drill.history import Kind, Mark
from backstay.drill.load.kube import Api
from backstay.drill.nodes import NODES, NodeWatch
from backstay.drill.recorder import Recorder
from fakes import kube_api
from fakes.drill_stories import story
from fakes.drill_tls import credentials


def node(ready: str) -> dict[str, Any]:
    """A node in a condition."""
    conditions = [{"type": "Ready", "status": ready}]
    return {"metadata": {"name": "w-1"}, "status": {"conditions": conditions}}


async def watched(folder: Path, acts: list[kube_api.Act]) -> list[tuple[str, str]]:
    """What is marked of a node that is Ready, then not, when requests are answered like this."""
    recorder = Recorder.open(folder / "history.jsonl", story().header, tell=lambda _: None)
    async with kube_api.kube_api() as server, asyncio.timeout(20):
        server.store("ADDED", f"{NODES}/w-1", node("True"))
        server.acts.extend(acts)
        running = asyncio.ensure_future(
            NodeWatch(Api(server.address, credentials().context())).run(recorder)
        )
        while not server.watchers and not running.done():
            await asyncio.sleep(0.01)
        server.store("MODIFIED", f"{NODES}/w-1", node("Unknown"))
        while len(recorder.records) < 2 and not running.done():
            await asyncio.sleep(0.01)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    recorder.close()
    marks = [one for one in recorder.records if isinstance(one, Mark)]
    assert {one.kind for one in marks} == {Kind.NODE}
    return [(one.subject, one.state) for one in marks]


@pytest.mark.parametrize(
    "act",
    [
        kube_api.serve,
        kube_api.cut,
        kube_api.answers(429, b"Too many requests, please try again later.\n"),
        kube_api.answers(500, b'{"items": []}'),
        kube_api.answers(200, b"[]"),
        kube_api.answers(200, b'{"items": [{"metadata": {"name": "w-1"}, "status": null}]'),
    ],
)
async def test_it_watches_on_whatever_it_is_answered(tmp_path: Path, act: kube_api.Act) -> None:
    """No answer is a node that stays Ready, and none is the end of watching."""
    assert await watched(tmp_path, [act]) == [("w-1", "True"), ("w-1", "Unknown")]


async def test_a_line_that_makes_no_sense_ends_its_stream(tmp_path: Path) -> None:
    """It does not stay open beside the next one."""
    recorder = Recorder.open(tmp_path / "history.jsonl", story().header, tell=lambda _: None)
    async with kube_api.kube_api() as server, asyncio.timeout(20):
        running = asyncio.ensure_future(
            NodeWatch(Api(server.address, credentials().context())).run(recorder)
        )
        while not server.watchers:
            await asyncio.sleep(0.01)
        ((session, stream),) = server.watchers
        session.line(stream, {"type": "ADDED"})
        while not server.resets and not running.done():
            await asyncio.sleep(0.01)
        assert server.resets == [stream]
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    recorder.close()
