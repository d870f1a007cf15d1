"""Ctrl-C: the first one asks a run to stop at a good place, the second one ends it.

A terminal that is closed asks too, and never more than that: nobody is there to be impatient, and
the kernel and the shell may both tell of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = "Stopping after this step (press again to stop now)."
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OUTPUTS = (1, 2)


@contextmanager
def interruptible(talk: Callable[[str], None], *, said: str) -> Iterator[asyncio.Event]:
    """Yield an event that the first Ctrl-C sets, or SIGTERM; the second raises KeyboardInterrupt.

    `said` is what the person is told then. What was ignored before, as nohup and a shell's `&` do,
    stays ignored. Must be entered while an event loop runs in the main thread. The handlers are
    plain ones, so that they also act while the loop itself is busy.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    asked = False
    terminals = [number for number in _OUTPUTS if os.isatty(number)]

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        del frame
        if number == signal.SIGHUP:
            _turn_away(terminals)
        if asked:
            if number == signal.SIGHUP:
                return
            raise KeyboardInterrupt
        asked = True
        # Not from here: a handler may have interrupted the very write that talking would repeat.
        loop.call_soon_threadsafe(stop.set)
        loop.call_soon_threadsafe(talk, said)

    with _handled(handle):
        yield stop


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the block as Ctrl-C does, so that it can tell of it."""
    with _handled(signal.default_int_handler):
        yield


@contextmanager
def _handled(handle: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Hear the signals that nobody chose to ignore."""
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _turn_away(terminals: Iterable[int]) -> None:
    """Let what is printed go nowhere once its terminal is gone: writing there would be an error."""
    for number in terminals:
        if not os.isatty(number):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)


@contextmanager
def answering() -> Iterator[None]:
    """While a question is open, the first Ctrl-C ends the run: nothing has begun yet."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
