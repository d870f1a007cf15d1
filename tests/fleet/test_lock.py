"""One run changes a cluster at a time, and a run that died is in nobody's way."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backstay.errors import (
    LockedError,
    PreflightError,
    StalePlanError,
    StepFailedError,
    UnreachableError,
)
from backstay.fleet import lock
from backstay.fleet.lock import locked
from backstay.fleet.ssh import SshMachine, connect
from fakes.sshd import Sshd

# A run in a process of its own, which can be killed: takes the lock, says so, and stays.
RUN = """
import asyncio, json, sys
from backstay.fleet import lock
from backstay.fleet.ssh import connected
from backstay.spec.model import ClusterSpec

async def run(spec, path):
    lock.LOCK_FILE = path
    async with connected(ClusterSpec.model_validate_json(spec)) as machines:
        async with lock.locked(list(machines.values()), holder="the first"):
            print("held", flush=True)
            await asyncio.sleep(60)

asyncio.run(run(*sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def lock_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep the lock in the test's folder."""
    path = tmp_path / "lock"
    monkeypatch.setattr(lock, "LOCK_FILE", str(path))
    return path


@pytest.fixture
async def machine(sshd: Sshd) -> AsyncIterator[SshMachine]:
    """Return a machine behind a connection of its own."""
    spec = sshd.spec("a")
    found = await connect(spec, spec.host("a"))
    yield found
    found.connection.close()


async def other(sshd: Sshd) -> SshMachine:
    spec = sshd.spec("a")
    return await connect(spec, spec.host("a"))


async def test_the_second_run_is_told_who_has_it(sshd: Sshd, machine: SshMachine) -> None:
    """M1: refused at once (exit 5), with the holder's name and process, and what to do."""
    async with locked([machine], holder="ann@desk pid 7"):
        began = time.monotonic()
        with pytest.raises(LockedError, match="another run") as caught:
            async with locked([await other(sshd)], holder="bob@desk pid 8"):
                pytest.fail("two runs at once")
        assert time.monotonic() - began < 5
    assert caught.value.exit_code == 5
    assert caught.value.where == "a"
    assert "ann@desk pid 7, there process " in caught.value.why
    assert "kill" in caught.value.next_move


async def test_it_is_free_again_at_once(machine: SshMachine) -> None:
    """What ends well lets go before it is over: the next run needs no second try."""
    for number in range(5):
        async with locked([machine], holder=str(number)):
            pass


async def test_an_error_lets_go(sshd: Sshd, machine: SshMachine) -> None:
    """Whatever ends a run also ends its lock, and the error is the run's own."""
    with pytest.raises(StepFailedError, match="no room"):
        async with locked([machine], holder="a"):
            raise StepFailedError("no room")
    async with locked([await other(sshd)], holder="b"):
        pass


async def test_what_a_dead_run_wrote_is_no_lock(machine: SshMachine, lock_file: Path) -> None:
    """T7: a name in the file is no proof; only the kernel's lock is."""
    lock_file.write_text("somebody@gone pid 1\n")
    async with locked([machine], holder="x y'z $(id)"):
        assert lock_file.read_text().startswith("x y'z $(id), there process ")
    assert lock_file.read_text() == ""


async def test_a_killed_run_lets_go(sshd: Sshd, machine: SshMachine, lock_file: Path) -> None:
    """T1, T7: kill -9 of the tool, and the next run has the lock without anybody's help."""
    spec = sshd.spec("a").model_dump_json(by_alias=True)
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", RUN, spec, str(lock_file)), stdout=asyncio.subprocess.PIPE
    )
    assert run.stdout is not None
    assert await asyncio.wait_for(run.stdout.readline(), 20) == b"held\n"
    with pytest.raises(LockedError):
        async with locked([machine], holder="second"):
            pytest.fail("two runs at once")
    run.kill()
    await run.wait()
    async with asyncio.timeout(5):
        await taken(machine)


async def taken(machine: SshMachine) -> None:
    """Return when the lock could be taken."""
    while True:
        try:
            async with locked([machine], holder="next"):
                return
        except LockedError:
            await asyncio.sleep(0.02)


async def test_a_lost_connection_lets_go_and_the_run_ends(sshd: Sshd, machine: SshMachine) -> None:
    """T2: the holder's way out does not hang on a machine that is gone."""
    async with asyncio.timeout(10), locked([machine], holder="first"):
        sshd.cut()
    async with asyncio.timeout(5):
        await taken(await other(sshd))


async def test_a_plan_from_before_another_run_is_refused(machine: SshMachine) -> None:
    """M1: planned, then somebody else ran and ended: the plan is stale (exit 5), not performed."""
    clock = "date +%s.%N"
    looked = float((await machine.run(clock, deadline=5)).stdout)
    # The first run of all finds no file.
    async with locked([machine], holder="somebody else", looked={"a": looked}):
        pass
    with pytest.raises(StalePlanError) as caught:
        async with locked([machine], holder="we", looked={"a": looked}):
            pytest.fail("a stale plan")
    assert (caught.value.exit_code, caught.value.where) == (5, "a")
    looked = float((await machine.run(clock, deadline=5)).stdout)
    async with locked([machine], holder="we", looked={"a": looked}):
        pass


async def test_a_talkative_login_shell_has_no_lock(sshd: Sshd, machine: SshMachine) -> None:
    """I7: a banner is neither an answer nor somebody's name."""
    sshd.noise = "held up in traffic\ntaken\n"
    async with locked([machine], holder="a"):
        with pytest.raises(LockedError, match="the lock is held by a, there"):
            async with locked([await other(sshd)], holder="b"):
                pytest.fail("two runs at once")


async def test_a_machine_without_flock_is_told_apart(sshd: Sshd, machine: SshMachine) -> None:
    """What is missing is said, and it is not said that somebody else has the lock."""
    sshd.environment["PATH"] = "/nowhere"
    with pytest.raises(PreflightError) as caught:
        async with locked([machine], holder="a"):
            pytest.fail("no lock")
    assert "flock" in caught.value.next_move


async def test_a_machine_that_does_not_answer_is_told(
    sshd: Sshd, machine: SshMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing waits for ever."""
    monkeypatch.setattr(lock, "ANSWER_SECONDS", 0.3)
    sshd.shell = ("/bin/sh", "-c", "exec sleep 3", "sh")
    with pytest.raises(UnreachableError, match="no answer about the lock"):
        async with locked([machine], holder="a"):
            pytest.fail("no lock")
