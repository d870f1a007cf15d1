"""Waiting for conditions."""

from __future__ import annotations

import asyncio

import pytest

from backstay.errors import GateTimeoutError
from backstay.lab.waiting import banner_missing, wait_for


async def greet(*words: bytes) -> asyncio.Server:
    """Start a server that says something to everybody."""

    def say(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.writelines(words)
        if words:
            writer.close()

    return await asyncio.start_server(say, "127.0.0.1", 0)


def port_of(server: asyncio.Server) -> int:
    """Return where the server listens."""
    port: int = server.sockets[0].getsockname()[1]
    return port


async def test_a_condition_that_holds_needs_no_wait() -> None:
    """It is asked once, also when there is no time at all."""
    asked = []

    async def holds() -> str | None:
        asked.append(1)
        return None

    await wait_for("it", holds, seconds=0, where="here")
    assert asked == [1]


async def test_the_last_answer_is_the_reason() -> None:
    """Not the first one."""
    answers = iter(f"answer {number}" for number in range(1000))

    async def never() -> str | None:
        return next(answers)

    with pytest.raises(GateTimeoutError) as caught:
        await wait_for("it", never, seconds=0.2, where="here")
    assert caught.value.why not in {"", "answer 0"}
    assert caught.value.where == "here"


async def test_a_server_of_ssh_is_known_by_its_greeting() -> None:
    """Something else on the port is not enough."""
    ssh, other = await greet(b"SSH-2.0-test\r\n"), await greet(b"220 mail\r\n")
    assert await banner_missing("127.0.0.1", port=port_of(ssh)) is None
    assert "220 mail" in str(await banner_missing("127.0.0.1", port=port_of(other)))


async def test_a_server_that_is_silent_or_gone_is_no_server() -> None:
    """A frozen machine takes connections and says nothing."""
    silent = await greet()
    assert await banner_missing("127.0.0.1", port=port_of(silent), seconds=0.1)
    port = port_of(silent)
    silent.close()
    assert "Errno 111" in str(await banner_missing("127.0.0.1", port=port))
