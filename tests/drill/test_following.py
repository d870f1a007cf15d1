"""A journal is heard to its end, over as many connections as that takes; or it is said so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from backstay.drill import journals
from backstay.drill.again import again
from backstay.drill.history import SECOND, Kind, LogLine, Mark
from backstay.drill.journals import Ear, Follower, follower
from backstay.fleet.ssh import connect
from backstay.spec.model import ClusterSpec
from fakes.sshd import Sshd, serve

NOBODY = {"name": "a", "address": "127.0.0.1", "port": 1, "roles": ["control-plane"]}
ZERO = 1_795_440_000
JOURNALCTL = """\
#!/bin/sh
echo "$@" >>"$ASKED"
case $* in *--follow*) exec tail -n +1 -f "$JOURNAL" ;; *) cat "$JOURNAL" ;; esac
"""


def line(second: int, state: str) -> str:
    return f"{ZERO + second}.000000 a Keepalived_vrrp[465]: (kubernetes) Entering {state} STATE\n"


@dataclass
class Heard:
    """A real sshd, a journal that is a file, and what is heard of it."""

    sshd: Sshd
    folder: Path
    records: list[Mark | LogLine] = field(default_factory=list)
    deaf: list[str] = field(default_factory=list)

    @property
    def journal(self) -> Path:
        """What the machine wrote."""
        return self.folder / "journal"

    @property
    def asked(self) -> list[str]:
        """With which words journalctl was called."""
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def states(self) -> list[str]:
        """What was heard, in order."""
        return [one.state for one in self.records if isinstance(one, Mark)]

    def write(self, text: str) -> None:
        """Let the machine write a line."""
        with self.journal.open("a") as file:
            file.write(text)

    def new(self) -> Follower:
        """Return a follower from the beginning on."""
        spec = self.sshd.spec("a")
        return follower(Ear("a", ZERO * SECOND, {}), self.records.append, again(spec))

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Follower]:
        """Follow until the block ends, and to the end of the journal."""
        spec, one = self.sshd.spec("a"), self.new()
        machine = await connect(spec, spec.host("a"))
        task = asyncio.ensure_future(one.follow(machine, deaf=lambda: self.deaf.append("a")))
        try:
            yield one
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            machine.connection.close()

    async def until(self, check: Callable[[], object]) -> None:
        """Wait for something that happens soon."""
        async with asyncio.timeout(20):
            while not check():
                await asyncio.sleep(0.02)


@pytest.fixture
async def heard(tmp_path: Path) -> AsyncIterator[Heard]:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "journalctl").write_text(JOURNALCTL)
    (programs / "journalctl").chmod(0o700)
    async with serve(tmp_path) as sshd:
        found = Heard(sshd, tmp_path)
        found.journal.touch()
        sshd.environment |= {
            "PATH": f"{programs}:/usr/bin:/bin",
            "JOURNAL": str(found.journal),
            "ASKED": str(tmp_path / "asked"),
        }
        yield found


async def test_what_is_written_is_heard_at_once(heard: Heard) -> None:
    """While the drill goes on, with the machine's own times."""
    async with heard.following():
        heard.write(line(1, "MASTER"))
        await heard.until(lambda: heard.states)
    assert heard.records == [Mark(SECOND, Kind.VIP, "a", "holds")]


async def test_a_lost_connection_loses_no_line_and_doubles_none(heard: Heard) -> None:
    """What was written meanwhile comes with the next connection, which asks from then on."""
    async with heard.following():
        heard.write(line(100, "MASTER"))
        await heard.until(lambda: heard.states == ["holds"])
        heard.sshd.cut()
        heard.write(line(101, "BACKUP"))
        await heard.until(lambda: len(heard.states) > 1)
        assert heard.states == ["holds", "backup"]
    assert f"--since=@{ZERO}" in heard.asked[0]
    assert f"--since=@{ZERO + 95}" in heard.asked[1]


async def test_a_process_that_ends_by_itself_is_followed_by_another(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a drill takes: nobody has to know that before."""
    monkeypatch.setattr(journals, "ROUND_SECONDS", 1.0)
    async with heard.following():
        await heard.until(lambda: len(heard.asked) > 1)
        heard.write(line(1, "MASTER"))
        await heard.until(lambda: heard.states == ["holds"])


async def test_the_rest_is_read_at_the_end(heard: Heard) -> None:
    """A line that was on its way is a line of the drill."""
    async with heard.following() as one:
        await heard.until(lambda: one.process)
        heard.sshd.cut()
        heard.write(line(1, "MASTER"))
    assert (heard.states, heard.deaf) == (["holds"], [])


async def test_nothing_goes_on_following_there(heard: Heard) -> None:
    """The process ends with the drill, not with the next line or the hour."""
    async with heard.following() as one:
        await heard.until(lambda: one.process)
        process = Path(f"/proc/{one.process}")
        assert process.exists()
    await heard.until(lambda: not process.exists())


async def test_a_machine_that_cannot_be_asked_at_the_end_was_deaf(heard: Heard) -> None:
    """Nobody may conclude from its silence that nothing happened."""
    async with heard.following() as one:
        await heard.until(lambda: one.process)
        nobody = heard.sshd.document("a")
        one.reach = again(ClusterSpec.model_validate({**nobody, "hosts": [NOBODY]}))
        heard.sshd.cut()
    assert heard.deaf == ["a"]
