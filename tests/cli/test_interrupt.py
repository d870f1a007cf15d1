"""Ctrl-C once asks, twice ends; a question never hangs."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import signal
import sys

import click
import pytest

from backstay.cli.asking import confirmed
from backstay.cli.console import Console
from backstay.cli.interrupt import STOPPING, answering, interruptible
from backstay.cli.settings import Settings


async def test_the_first_ctrl_c_asks_the_run_to_stop() -> None:
    """The event is set, the words to go on are said, and nothing is cut off."""
    said: list[str] = []
    with interruptible(said.append, resume="backstay apply") as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(stop.wait(), 5)
        await asyncio.sleep(0)
    assert said == [f"{STOPPING} To go on later: backstay apply"]


def test_the_second_ctrl_c_ends_the_run_at_once() -> None:
    """KeyboardInterrupt leaves the loop; what was open is closed on the way."""
    closed: list[str] = []

    async def run() -> None:
        with interruptible(lambda _text: None, resume="") as stop:
            os.kill(os.getpid(), signal.SIGINT)
            await stop.wait()
            try:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(30)
            finally:
                closed.append("connection")

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(run())
    assert closed == ["connection"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


async def test_sigterm_asks_like_the_first_ctrl_c() -> None:
    """A supervisor that ends us gets a run that stops at a good place."""
    with interruptible(lambda _text: None, resume="") as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), 5)


async def test_while_a_question_is_open_ctrl_c_ends_the_run() -> None:
    """Nothing has begun, so there is no good place to wait for."""
    with interruptible(lambda _text: None, resume="") as stop, answering():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert not stop.is_set()


def _console(settings: Settings | None = None) -> Console:
    return Console(settings or Settings(), io.StringIO(), sys.stderr, {})


@pytest.mark.parametrize("settings", [Settings(), Settings(no_input=True)])
def test_a_question_without_a_person_is_a_usage_error(settings: Settings) -> None:
    """No terminal and no --yes: refused, never waited for."""
    with pytest.raises(click.UsageError, match="--yes"):
        confirmed(_console(settings), "Perform this plan?")


@pytest.mark.parametrize(
    ("typed", "expected"), [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False)]
)
def test_only_yes_is_yes(monkeypatch: pytest.MonkeyPatch, typed: str, *, expected: bool) -> None:
    """Silence and anything else is no."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r+b", buffering=0) as raw, os.fdopen(ours, "r+b", buffering=0) as mine:
        terminal = io.TextIOWrapper(raw, line_buffering=True, write_through=True)
        monkeypatch.setattr(sys, "stdin", terminal)
        mine.write(typed.encode())
        console = Console(Settings(), io.StringIO(), terminal, {})
        assert confirmed(console, "Perform this plan?") is expected
        terminal.detach()
