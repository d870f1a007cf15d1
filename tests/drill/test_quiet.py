"""A watch on which nothing happens is there to be cut, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from backstay.drill.history import Kind, Mark
from backstay.drill.load.kube import Api
from backstay.drill.quiet import QuietWatch
from backstay.drill.recorder import Recorder
from fakes import kube_api
from fakes.drill_stories import story
from fakes.drill_tls import credentials
from fakes.quiet_streams import at_work, until
from fakes.wire import reset


@asynccontextmanager
async def quiet(folder: Path) -> AsyncIterator[tuple[kube_api.Api, list[tuple[str, str]]]]:
    """Give a server that has such a watch, and what is marked of it."""
    told: list[tuple[str, str]] = []

    def tell(record: object) -> None:
        if isinstance(record, Mark):
            assert (record.kind, record.subject) == (Kind.STREAM, "quiet watch")
            told.append((record.state, record.detail))

    recorder = Recorder.open(folder / "history.jsonl", story().header, tell=tell)
    async with kube_api.kube_api() as server:
        watch = QuietWatch(Api(server.address, credentials().context()))
        async with at_work(watch, recorder, begun=lambda: bool(server.watchers)):
            yield server, told


async def test_it_stays_while_nobody_cuts_it(tmp_path: Path) -> None:
    """What happens elsewhere is nothing to it."""
    async with quiet(tmp_path) as (server, told):
        server.store("ADDED", "/api/v1/namespaces/a/configmaps/b", {"metadata": {"name": "b"}})
        await asyncio.sleep(0.1)
        assert told == [("opened", "")]


async def test_what_cuts_it_is_told_and_it_is_opened_again(tmp_path: Path) -> None:
    """A reset connection is an error, and no end in order."""
    async with quiet(tmp_path) as (server, told):
        for session in list(server.sessions):
            reset(session.transport)
        await until(lambda: len(told) == 3)
        assert told == [("opened", ""), ("failed", "reset"), ("opened", "")]


@pytest.mark.parametrize("act", [kube_api.cut, kube_api.answers(503)])
async def test_an_end_in_order_is_none_and_who_cannot_open_it_is_not_cut_again(
    tmp_path: Path, act: kube_api.Act
) -> None:
    """A server that goes away ends its streams; until the next serves, nothing is told."""
    async with quiet(tmp_path) as (server, told):
        server.acts.append(act)
        ((session, stream),) = server.watchers
        server.watchers.clear()
        session.http.end_stream(stream)
        session.flush()
        await until(lambda: len(told) == 3)
        assert told == [("opened", ""), ("closed", ""), ("opened", "")]
