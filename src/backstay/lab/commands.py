"""The one place where the lab starts programs of this computer and waits for them."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable
from typing import IO

from backstay.errors import PreflightError, StepFailedError

TAIL_LINES = 15
"""Lines of a program's last words in an error: enough for a reason, short enough to read."""


def tail(text: str, *, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a text that say something."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


async def run(*argv: str, stdin: str = "") -> str:
    """Run a program to its end and return its standard output.

    StepFailedError, with its last words, if it ends with a status other than zero;
    PreflightError if there is no such program.
    """
    process = await _start(argv)
    output, complaint = await process.communicate(stdin.encode())
    _check(argv, process.returncode, complaint.decode(errors="replace"))
    return output.decode(errors="replace")


async def follow(*argv: str, line: Callable[[str], None], log: IO[str]) -> None:
    """Run a program, hand each line it prints on standard error to `line` and to a log."""
    process = await _start(argv)
    process.stdin.close()  # type: ignore[union-attr]
    said = []
    while text := await process.stderr.readline():  # type: ignore[union-attr]
        said.append(text.decode(errors="replace").rstrip())
        print(said[-1], file=log, flush=True)
        line(said[-1])
    _check(argv, await process.wait(), "\n".join(said))


async def _start(argv: tuple[str, ...]) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise PreflightError(
            f"there is no program {argv[0]} on this computer",
            why=str(error),
            next_move="backstay lab up lists what is missing",
        ) from error


def _check(argv: tuple[str, ...], status: int | None, complaint: str) -> None:
    if status != 0:
        raise StepFailedError(
            f"{argv[0]} ended with status {status}",
            where=f"this computer: {shlex.join(argv)}",
            why=tail(complaint),
        )
