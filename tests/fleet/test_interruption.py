"""Stopping `backstay apply`: once, twice, by a supervisor, with its terminal, with an axe.

The whole program runs in a process of its own; machine, connection and signals are real.
"""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from backstay.errors import LockedError
from backstay.fleet import lock
from backstay.fleet.lock import locked
from backstay.fleet.ssh import connect
from fakes import staged_run
from fakes.sshd import Sshd

LONG = 60.0


@dataclass
class Run:
    """A run of apply that is in the middle of its second stage."""

    sshd: Sshd
    folder: Path
    process: Process

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def go(self) -> None:
        """Let the second stage end."""
        (self.folder / "go").touch()

    async def said(self, words: str) -> str:
        """Read standard error up to a line with these words."""
        assert self.process.stderr is not None
        seen = ""
        async with asyncio.timeout(LONG):
            while words not in seen:
                line = await self.process.stderr.readline()
                assert line, seen
                seen += line.decode()
        return seen

    async def ended(self) -> tuple[int, str]:
        """Wait for the end; return the exit code, and the rest of standard error."""
        rest = b""
        async with asyncio.timeout(LONG):
            if self.process.stderr is not None:
                rest = await self.process.stderr.read()
            code = await self.process.wait()
        return code, rest.decode()

    @property
    def there(self) -> list[str]:
        """Which files of the plan are written."""
        return [name for name in staged_run.STAGES if (self.folder / name).exists()]

    @property
    def journal(self) -> list[str]:
        """The kinds of all lines of the journal; every one of them must be valid."""
        (path,) = self.folder.rglob("*.jsonl")
        text = path.read_text()
        assert text.endswith("\n")
        return [json.loads(line)["type"] for line in text.splitlines()]

    async def is_unlocked(self) -> None:
        """Wait until the lock is free; it must be so without anybody's help."""
        spec = self.sshd.spec("a")
        machine = await connect(spec, spec.host("a"))
        async with asyncio.timeout(5):
            while True:
                with suppress(LockedError):
                    async with locked([machine], holder="the next one"):
                        break
                await asyncio.sleep(0.02)
        machine.connection.close()


@pytest.fixture
async def config(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Path]:
    """Write a cluster.yaml that leads to the server."""
    monkeypatch.setattr(lock, "LOCK_FILE", str(tmp_path / "lock"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "cluster.yaml"
    path.write_text(sshd.yaml("a"))
    yield path
    (tmp_path / "go").touch()


async def begun(sshd: Sshd, config: Path, **streams: int) -> Run:
    """Start a run, and return it in the middle of its second stage."""
    folder = config.parent
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, staged_run.__file__, str(config), str(folder)),
        **{"stdin": DEVNULL, "stdout": DEVNULL, "stderr": PIPE, **streams},  # type: ignore[arg-type]
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(staged_run.__file__).parents[1])},
    )
    async with asyncio.timeout(LONG):
        while not (folder / "began").exists():
            assert process.returncode is None, await process.communicate()
            await asyncio.sleep(0.02)
    return Run(sshd, folder, process)


async def test_a_run_that_nobody_stops_ends_well(sshd: Sshd, config: Path) -> None:
    """The rest of this file means something: all three stages are performed."""
    run = await begun(sshd, config)
    run.go()
    code, said = await run.ended()
    assert (code, run.there) == (0, ["one", "two", "three"]), said
    assert run.journal.count("StageDone") == 3


async def test_once_ends_after_the_stage(sshd: Sshd, config: Path) -> None:
    """I11: what is under way is finished, the next stage is not begun; 130, and how to go on.

    To go on is to run it again.
    """
    run = await begun(sshd, config)
    run.send(signal.SIGTERM)
    said = await run.said("Stopping after this step")
    assert f"backstay apply -c {config}" in said
    run.go()
    code, rest = await run.ended()
    assert (code, run.there) == (130, ["one", "two"])
    assert "stopped before stage 'three'" in rest
    assert f"next   backstay apply -c {config}" in rest
    assert run.journal[-1] == "StageDone"
    await run.is_unlocked()
    again = await begun(sshd, config)
    assert (await again.ended())[0] == 0
    assert again.there == ["one", "two", "three"]


async def test_twice_ends_now(sshd: Sshd, config: Path) -> None:
    """I11: nobody waits for the stage; no file is half, the lock is free, the journal is valid."""
    run = await begun(sshd, config)
    run.send(signal.SIGINT)
    await run.said("Stopping after this step")
    run.send(signal.SIGINT)
    code, rest = await run.ended()
    assert (code, run.there) == (130, ["one"]), rest
    assert f"Stopped. To go on where it stopped: backstay apply -c {config}" in rest
    assert "Traceback" not in rest
    assert run.journal[-1] == "StepStarted"
    await run.is_unlocked()


async def test_an_axe_leaves_lock_and_journal_in_order(sshd: Sshd, config: Path) -> None:
    """T1: kill -9 cannot be answered; the kernel lets go of the lock all the same."""
    run = await begun(sshd, config)
    run.process.kill()
    await run.ended()
    assert run.there == ["one"]
    assert run.journal[-1] == "StepStarted"
    await run.is_unlocked()


async def test_a_closed_terminal_asks_like_ctrl_c(
    sshd: Sshd, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I11: the stage is finished although nobody can be told any more."""
    monkeypatch.setenv("BACKSTAY_PROGRESS", "live")
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    run = await begun(sshd, config, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.close(ours)
    run.send(signal.SIGHUP)
    run.send(signal.SIGHUP)
    await asyncio.sleep(0.3)
    assert run.process.returncode is None
    run.go()
    code, _ = await run.ended()
    assert (code, run.there) == (130, ["one", "two"])
    assert run.journal[-1] == "StageDone"
    await run.is_unlocked()


async def test_a_lost_machine_in_the_middle(sshd: Sshd, config: Path) -> None:
    """T2: the machine's step is finished by the machine or not at all; told, and run again."""
    run = await begun(sshd, config)
    sshd.cut()
    code, rest = await run.ended()
    assert code == 1
    assert "the connection was lost" in rest
    assert run.there == ["one"]
    run.go()
    again = await begun(sshd, config)
    assert (await again.ended())[0] == 0
    assert again.there == ["one", "two", "three"]
