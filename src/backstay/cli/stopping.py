"""Pieces of work that end in good order when a person, a supervisor or the clock says so.

The first Ctrl-C, SIGTERM or closed terminal cancels what is under way, which undoes on its way out
whatever it broke. The second one leaves that to the machines.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from backstay.cli.console import Console
from backstay.cli.interrupt import interruptible
from backstay.cli.session import finished

Result = TypeVar("Result")


@dataclass(slots=True)
class Orderly:
    """Runs one piece after the other, all within one `--timeout`; `said` is told who stops it."""

    console: Console
    said: str
    began: float = field(default_factory=time.monotonic)
    is_stopped: bool = False
    talk: Callable[[str], None] | None = None

    @property
    def is_late(self) -> bool:
        """Whether the time of the whole run is over."""
        limit = self.console.settings.timeout
        return limit is not None and time.monotonic() >= self.began + limit

    @contextmanager
    def talking(self, talk: Callable[[str], None]) -> Iterator[None]:
        """Talk like this for a while, as where something else is drawn on the terminal."""
        self.talk = talk
        try:
            yield
        finally:
            self.talk = None

    def run(self, work: Coroutine[object, object, Result]) -> Result | None:
        """Run a piece to its end; None if it was stopped, and has undone what it broke.

        Raises GateTimeoutError when the time of the whole run is over, KeyboardInterrupt when it
        was stopped once more.
        """
        return finished(self._heeding(work), self.console.settings, began=self.began)

    async def _heeding(self, work: Coroutine[object, object, Result]) -> Result | None:
        working = asyncio.current_task()
        with interruptible(self._say, said=self.said) as stop:
            stopping = asyncio.create_task(self._cancel(working, stop))
            try:
                found = await work
            except asyncio.CancelledError:
                if not self.is_stopped:
                    raise
                return None
            else:
                # What was asked for while the loop itself was busy is heard now.
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
                return found
            finally:
                self.is_stopped |= stop.is_set()
                stopping.cancel()

    async def _cancel(self, working: asyncio.Task[object] | None, stop: asyncio.Event) -> None:
        await stop.wait()
        self.is_stopped = True
        if working is not None:
            working.cancel()

    def _say(self, text: str) -> None:
        (self.talk or self.console.talk)(text)
