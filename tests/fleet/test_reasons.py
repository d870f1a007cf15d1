"""Why a connection came to nothing is said in words."""

from __future__ import annotations

import asyncio
import ssl

import httpx2
import pytest

from backstay.fleet.reasons import reason
from fakes.wire import reset


async def _asked(port: int) -> str:
    """Return why an API on that port does not answer."""
    context = ssl.create_default_context()
    with pytest.raises(httpx2.HTTPError) as caught:
        async with httpx2.AsyncClient(verify=context, timeout=0.3, trust_env=False) as client:
            await client.get(f"https://127.0.0.1:{port}/readyz")
    return reason(caught.value, seconds=0.3)


async def _close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer.transport)


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (_close, "connection refused or closed"),
        (_reset, "connection refused or closed"),
        (_say_nothing, "no answer in 0.3 s"),
    ],
)
async def test_an_api_that_does_not_answer(server: object, words: str) -> None:
    """Whatever wraps it, the cause is told."""
    serving = await asyncio.start_server(server, "127.0.0.1", 0)  # type: ignore[arg-type]
    async with serving:
        assert await _asked(serving.sockets[0].getsockname()[1]) == words


async def test_a_port_on_which_nothing_listens() -> None:
    """The first reason below the library's own words."""
    assert await _asked(1) == "connection refused"


class NobodyKnowsError(Exception):
    """An error of a library without any words."""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer in 10 s"),
        (OSError(113, "Connect call failed ('10.0.0.13', 22)"), "no route to host"),
        (FileNotFoundError(2, "No such file", "/key"), "[Errno 2] No such file: '/key'"),
        (ValueError("of its own"), "of its own"),
        (NobodyKnowsError(), "nobody knows error"),
    ],
)
def test_each_error_has_words(error: Exception, words: str) -> None:
    """Also one without any."""
    assert reason(error, seconds=10) == words
