"""Ctrl-C: the first one asks a run to stop at a good place, the second one ends it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = "Stopping after this step (press again to stop now)."
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible(talk: Callable[[str], None], *, resume: str) -> Iterator[asyncio.Event]:
    """Yield an event that the first Ctrl-C (or SIGTERM) sets; the second raises KeyboardInterrupt.

    Must be entered while an event loop runs in the main thread. The handlers are plain ones, so
    that they also act while the loop itself is busy.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        del number, frame
        if asked:
            raise KeyboardInterrupt
        asked = True
        # Not from here: a handler may have interrupted the very write that talking would repeat.
        loop.call_soon_threadsafe(stop.set)
        loop.call_soon_threadsafe(talk, f"{STOPPING} To go on later: {resume}")

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def answering() -> Iterator[None]:
    """While a question is open, the first Ctrl-C ends the run: nothing has begun yet."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
