"""Streams on which nothing ever happens: what cuts idle connections shows in them alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from backstay.drill.history import Kind, Note, Stream
from backstay.drill.load.access import Access
from backstay.drill.load.kube import NAMESPACES, Api
from backstay.drill.load.store import WatchEndedError
from backstay.drill.recorder import Recorder
from backstay.drill.run import Watcher

NOTHING = f"{NAMESPACES}/backstay-drill-quiet/configmaps"
"""In a namespace that there is not: every other has a map of its authorities."""
WATCH = f"{NOTHING}?watch=1&resourceVersion=0&timeoutSeconds=3600"
"""Without bookmarks, for longer than any drill: an apiserver ends others after half an hour."""
CONNECT_SECONDS = 5.0
AGAIN_SECONDS = 0.2


class Quiet(Protocol):
    """A stream through the endpoint that can be opened again and again."""

    @property
    def name(self) -> str:
        """What its marks call it."""

    async def turn(self, opened: Callable[[], None]) -> None:
        """Open it, say so, and wait for its end; raises WatchEndedError with the error, if any."""

    async def close(self) -> None:
        """Leave nothing open."""


def marked(stream: Quiet) -> Watcher:
    """Return who marks when the stream was opened, and how it ended, until cancelled.

    That it cannot be opened again is no end; one that never was open is noted, since no cut of it
    proves nothing.
    """

    async def run(recorder: Recorder) -> None:
        marks = _Marks(stream.name, recorder)
        try:
            while True:
                try:
                    await stream.turn(marks.opened)
                except WatchEndedError as error:
                    marks.ended(error.error)
                await asyncio.sleep(AGAIN_SECONDS)
        finally:
            try:
                marks.close()
            finally:
                await stream.close()

    return run


@dataclass(slots=True)
class _Marks:
    name: str
    recorder: Recorder
    is_open: bool = False
    was_open: bool = False
    last: str = ""
    """How it ended the last time, or could not be opened."""

    def opened(self) -> None:
        self.is_open = self.was_open = True
        self.recorder.mark(Kind.STREAM, self.name, Stream.OPENED)

    def ended(self, error: str) -> None:
        if self.is_open:
            turn = Stream.FAILED if error else Stream.CLOSED
            self.recorder.mark(Kind.STREAM, self.name, turn, error)
        self.is_open, self.last = False, error

    def close(self) -> None:
        if not self.was_open:
            said = f"{self.name} was never open: {self.last or 'no answer'}"
            self.recorder.mark(Kind.NOTE, Note.WATCHER_FAILED, said)


@dataclass(frozen=True, slots=True)
class QuietWatch:
    """A watch of its own connection, on things that nobody makes."""

    api: Api
    name: str = "quiet watch"

    @classmethod
    def on(cls, access: Access) -> QuietWatch:
        """Return a watch through the endpoint."""
        return cls(Api(access.endpoint, access.kubernetes.context()))

    async def turn(self, opened: Callable[[], None]) -> None:
        """Watch once."""
        lines = self.api.lines(WATCH, seconds=CONNECT_SECONDS, opened=opened)
        async with aclosing(lines) as heard:
            async for _ in heard:
                pass

    async def close(self) -> None:
        """Close the connection."""
        await self.api.close()
