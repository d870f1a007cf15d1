"""Fetching over HTTP."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from backstay.fleet.artefacts import web
from backstay.fleet.artefacts.heartbeat import heartbeat
from backstay.fleet.events import Event, Note


async def test_a_long_download_shows_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The address and the megabytes, while the server still sends."""
    monkeypatch.setattr(web, "heartbeat", partial(heartbeat, every=0.005))
    told: list[str] = []
    half_is_shown = asyncio.Event()

    def heard(event: Event) -> None:
        assert isinstance(event, Note)
        told.append(event.text)
        if event.text.endswith(": 2 MB"):
            half_is_shown.set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 << 20))
        writer.write(bytes(2 << 20))
        await half_is_shown.wait()
        writer.write(bytes(2 << 20))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    address = f"http://{host}:{port}/kubelet"
    async with asyncio.timeout(20), server, web.client() as client:
        assert await web.download(client, address, target=tmp_path / "file", tell=heard)
    assert f"fetching {address}: 2 MB" in told
    assert (tmp_path / "file").stat().st_size == 4 << 20
