"""Machines that answer what they were told to, for what happens above the transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from backstay.errors import UnreachableError
from backstay.fleet.transport import Completed


@dataclass
class FakeMachine:
    """`answer` gives what a script prints; scripts are kept for tests to look at."""

    name: str
    answer: Callable[[str], Completed]
    scripts: list[str] = field(default_factory=list)

    async def run(
        self, script: str, *, deadline: float, on_line: Callable[[str], None] | None = None
    ) -> Completed:
        """Return the answer to a script."""
        del deadline, on_line
        self.scripts.append(script)
        return self.answer(script)

    async def send(self, script: str, source: Path, *, deadline: float) -> Completed:
        """Refuse: nothing is sent to these machines."""
        raise NotImplementedError

    @asynccontextmanager
    async def reach(self, host: str, port: int) -> AsyncIterator[int]:
        """Find nothing behind any address."""
        raise UnreachableError(f"nothing listens on {host}:{port}")
        yield 0
