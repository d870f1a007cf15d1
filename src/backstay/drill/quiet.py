"""A watch on which nothing ever happens: what cuts connections that are idle shows in it alone."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field

from backstay.drill.history import Kind, Stream
from backstay.drill.load.access import Access
from backstay.drill.load.kube import NAMESPACES, Api
from backstay.drill.load.store import WatchEndedError
from backstay.drill.recorder import Recorder

NAME = "quiet watch"
NOTHING = f"{NAMESPACES}/backstay-drill-quiet/configmaps"
"""In a namespace that there is not: every other has a map of its authorities."""
WATCH = f"{NOTHING}?watch=1&resourceVersion=0&timeoutSeconds=3600"
"""Without bookmarks, for longer than any drill: an apiserver ends others after half an hour."""
CONNECT_SECONDS = 5.0
AGAIN_SECONDS = 0.2


@dataclass(slots=True)
class QuietWatch:
    """Marks when the watch was opened, and how it ended, over a connection of its own."""

    api: Api
    is_open: bool = field(default=False)

    @classmethod
    def on(cls, access: Access) -> QuietWatch:
        """Return a watch through the endpoint."""
        return cls(Api(access.endpoint, access.kubernetes.context()))

    async def run(self, recorder: Recorder) -> None:
        """Open it again and again until cancelled; that it cannot be opened is no end."""
        try:
            while True:
                try:
                    await self._turn(recorder)
                except WatchEndedError as error:
                    self._end(error, recorder)
                await asyncio.sleep(AGAIN_SECONDS)
        finally:
            await self.api.close()

    async def _turn(self, recorder: Recorder) -> None:
        def opened() -> None:
            self.is_open = True
            recorder.mark(Kind.STREAM, NAME, Stream.OPENED)

        lines = self.api.lines(WATCH, seconds=CONNECT_SECONDS, opened=opened)
        async with aclosing(lines) as heard:
            async for _ in heard:
                pass

    def _end(self, error: WatchEndedError, recorder: Recorder) -> None:
        if self.is_open:
            turn = Stream.FAILED if error.error else Stream.CLOSED
            recorder.mark(Kind.STREAM, NAME, turn, error.error)
        self.is_open = False
