"""What the rest of the fleet needs of a machine, whatever carries it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Completed:
    """How a script ended on a machine: exit status, and what it printed."""

    status: int
    stdout: str
    stderr: str


class Machine(Protocol):
    """One machine over one connection that lasts the whole run."""

    @property
    def name(self) -> str:
        """The host's name in cluster.yaml."""

    async def run(
        self, script: str, *, deadline: float, on_line: Callable[[str], None] | None = None
    ) -> Completed:
        """Feed the script to a root `sh` on standard input, so that nothing of it is in argv.

        `deadline` in seconds. Raises UnreachableError when the connection is lost.
        """

    async def send(self, script: str, source: Path, *, deadline: float) -> Completed:
        """Run a short script (no secrets in it) with the file's bytes on standard input."""

    def reach(self, host: str, port: int) -> AbstractAsyncContextManager[int]:
        """Give a loopback port of this computer that leads to host:port as the machine sees it."""
