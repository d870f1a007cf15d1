"""Runs programs on this computer: their lines are heard, and they end when we do."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LAST_LINES = 12
"""As much of a failed program's output as fits into an error."""

GRACE_SECONDS = 5.0
"""What a program gets to clean up before it is killed."""

LINE_BYTES = 1 << 20
"""Longest line that is read: the compiler prints whole commands when it fails."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended, and what it said last."""

    status: int
    tail: str


async def run(
    argv: tuple[str, ...],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    heard: Callable[[str], None] | None = None,
) -> Outcome:
    """Run a program to its end; `heard` gets each line of its two streams as it comes.

    A program that cannot be started has status 127. When we are cancelled it is ended first.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            cwd=folder,
            env=environment,
            limit=LINE_BYTES,
            # Ctrl-C is for us: we decide whether what runs shall be finished first.
            start_new_session=True,
        )
    except OSError as error:
        return Outcome(127, str(error))
    try:
        tail = await _listen(process, heard)
        return Outcome(await process.wait(), "\n".join(tail))
    finally:
        await _end(process)


async def _listen(process: Process, heard: Callable[[str], None] | None) -> deque[str]:
    tail: deque[str] = deque(maxlen=LAST_LINES)
    if process.stdout is not None:
        async for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip()
            tail.append(line)
            if heard is not None:
                heard(line)
    return tail


async def _end(process: Process) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await process.wait()
