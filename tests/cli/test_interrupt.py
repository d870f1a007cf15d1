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
from backstay.cli.interrupt import STOPPING, _turn_away, answering, interruptible
from backstay.cli.settings import Settings


async def test_the_first_ctrl_c_asks_the_run_to_stop() -> None:
    """The event is set, what happens now is said, and nothing is cut off."""
    said: list[str] = []
    with interruptible(said.append, said=STOPPING) as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(stop.wait(), 5)
        await asyncio.sleep(0)
    assert said == [STOPPING]


def test_the_second_ctrl_c_ends_the_run_at_once() -> None:
    """KeyboardInterrupt leaves the loop; what was open is closed on the way."""
    closed: list[str] = []

    async def run() -> None:
        with interruptible(lambda _text: None, said="") as stop:
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
    with interruptible(lambda _text: None, said="") as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), 5)


async def test_a_closed_terminal_asks_and_never_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """I11: the kernel and the shell may both tell of it; after Ctrl-C it is no second one."""
    turned: list[list[int]] = []
    monkeypatch.setattr("backstay.cli.interrupt._turn_away", lambda them: turned.append(list(them)))
    with interruptible(lambda _text: None, said="") as stop:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGHUP):
            signal.raise_signal(number)
        await asyncio.wait_for(stop.wait(), 5)
    assert len(turned) == 2


def test_what_is_printed_after_the_terminal_is_gone_goes_nowhere() -> None:
    """Writing there would be an error in the middle of a stage; a living one is left alone."""
    ours, theirs = pty.openpty()
    _turn_away([theirs])
    os.write(theirs, b"x")
    assert os.read(ours, 1) == b"x"
    os.close(ours)
    with pytest.raises(OSError, match="Input/output"):
        os.write(theirs, b"x")
    _turn_away([theirs])
    os.write(theirs, b"x")
    os.close(theirs)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
async def test_what_was_ignored_stays_ignored(number: signal.Signals) -> None:
    """Who started us with nohup, or a shell with `&`, means it."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with interruptible(lambda _text: None, said="") as stop:
            signal.raise_signal(number)
            await asyncio.sleep(0.01)
            assert not stop.is_set()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


async def test_while_a_question_is_open_ctrl_c_ends_the_run() -> None:
    """Nothing has begun, so there is no good place to wait for."""
    with interruptible(lambda _text: None, said="") as stop, answering():
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
