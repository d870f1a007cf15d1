"""Wait for conditions with a name, a deadline, and their last answer; never for a fixed time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from backstay.errors import GateTimeoutError

POLL_SECONDS = 0.05
"""Short against the second that a machine takes to boot."""

CONNECT_SECONDS = 1.0
"""A first packet that nobody took is sent again after a second: better to start anew."""

GREETING_SECONDS = 10.0
"""sshd greets within 20 ms, and within seconds on a computer that is overloaded or emulated."""

Question = Callable[[], Awaitable[str | None]]
"""Answers None when the condition holds, else in words what is still missing."""


async def wait_for(name: str, question: Question, *, seconds: float, where: str) -> None:
    """Ask until the answer is None; GateTimeoutError with the last answer after `seconds`."""
    deadline = time.monotonic() + seconds
    while (answer := await question()) is not None:
        if time.monotonic() > deadline:
            raise GateTimeoutError(
                f"{name} did not come true within {seconds:g} s", where=where, why=answer
            )
        await asyncio.sleep(POLL_SECONDS)


async def banner_missing(
    address: str, *, port: int = 22, seconds: float = GREETING_SECONDS
) -> str | None:
    """Say why no SSH server answers at the address; None if one does.

    `seconds` is for the greeting, once there is a connection.
    """
    where = f"{address} port {port}"
    try:
        greeting = await _greeting(address, port, seconds)
    except (OSError, TimeoutError) as error:
        return f"{where}: {str(error) or 'no answer'}"
    return None if greeting.startswith(b"SSH-") else f"{where} said {greeting!r}"


async def _greeting(address: str, port: int, seconds: float) -> bytes:
    connecting = asyncio.open_connection(address, port)
    reader, writer = await asyncio.wait_for(connecting, timeout=CONNECT_SECONDS)
    try:
        return await asyncio.wait_for(reader.readline(), timeout=seconds)
    finally:
        writer.close()
