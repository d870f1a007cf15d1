"""Wait for conditions with a name, a deadline, and their last answer; never for a fixed time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from backstay.errors import GateTimeoutError

POLL_SECONDS = 0.05
"""Short against the second that a machine takes to boot."""

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


async def banner_missing(address: str, *, port: int = 22, seconds: float = 1.0) -> str | None:
    """Say why no SSH server answers at the address; None if one does."""
    try:
        greeting = await asyncio.wait_for(_greeting(address, port), timeout=seconds)
    except (OSError, TimeoutError) as error:
        return f"{address} port {port}: {error or 'no answer'}"
    return None if greeting.startswith(b"SSH-") else f"{address} port {port} said {greeting!r}"


async def _greeting(address: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(address, port)
    try:
        return await reader.readline()
    finally:
        writer.close()
