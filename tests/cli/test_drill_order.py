"""In which order a drill asks, locks, breaks and undoes, with a real sshd and its locks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path

import asyncssh
import pytest

from backstay.cli.broken_off import BrokenOffError
from backstay.cli.console import Console
from backstay.cli.drilling import Job, Results, run_drill
from backstay.cli.settings import Settings
from backstay.cli.stopping import Orderly
from backstay.drill.faults.catalogue import SCENARIOS
from backstay.drill.wish import Wish
from backstay.errors import LockedError, RefusedError
from backstay.fleet.lock import locked
from backstay.fleet.ssh import connected
from backstay.fleet.world import World
from backstay.spec.model import ClusterSpec
from fakes.program import Program
from fakes.sshd import Sshd, serve

PROGRAMS = {"systemctl": "exit 0", "nft": "exit 1", "pgrep": "exit 1"}


@pytest.fixture
async def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sshd]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, does in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o700)
    async with serve(tmp_path) as found:
        found.environment["PATH"] = f"{programs}:/usr/bin:/bin"
        yield found


@pytest.fixture
def results(tmp_path: Path) -> Results:
    folder = tmp_path / "kept"
    folder.mkdir()
    return Results(folder)


async def run(spec: ClusterSpec, scenario: str, results: Results) -> None:
    """Drill where nobody holds the machines' power."""
    orderly = Orderly(Console(Settings(), StringIO(), StringIO(), {}), "")
    job = Job(orderly, spec, Wish(SCENARIOS[scenario], ""), None, results)
    await run_drill(job, patience=0.0)


async def is_ours(spec: ClusterSpec) -> bool:
    """Whether somebody holds the lock of the cluster's machines."""
    async with connected(spec) as machines:
        try:
            async with locked(tuple(World(machines).reached.values()), holder="a colleague"):
                return False
        except LockedError as error:
            return "a drill" in error.why


@pytest.mark.parametrize("ending", [OSError("no space left"), RefusedError("no"), ValueError("?")])
async def test_what_broke_off_is_undone_while_the_lock_is_held(
    sshd: Sshd, results: Results, monkeypatch: pytest.MonkeyPatch, ending: Exception
) -> None:
    """Whatever ended it: else a drill that began in between would be undone, alive."""
    spec, held = sshd.spec("a", "b"), []

    async def nothing(*_: object) -> None:
        return None

    async def drill(*_: object, **__: object) -> None:
        results.history.write_text("{}\n")
        raise ending

    async def undo(*_: object, **__: object) -> None:
        held.append(await is_ours(spec))

    for name, fake in {
        "drill.look": nothing,
        "drill_gather.gathered": nothing,
        "drill.drill": drill,
        "drill_undo.undo": undo,
    }.items():
        monkeypatch.setattr(f"backstay.operations.{name}", fake)
    with pytest.raises(BrokenOffError) as caught:
        await run(spec, "apiserver-kill", results)
    assert caught.value.is_undone
    assert held == [True]
    assert not await is_ours(spec)


async def test_where_nobody_holds_the_power_nothing_is_touched(
    sshd: Sshd, results: Results
) -> None:
    """No machine is even asked: gathering roles on one of them would move etcd's leader."""
    with pytest.raises(RefusedError) as caught:
        await run(sshd.spec("a", "b"), "machine-freeze-all-in-one", results)
    assert "give a machine its power back" in caught.value.what
    assert sshd.connections == 0
    assert not results.folder.exists()


async def test_machines_that_do_not_let_us_in_are_told_as_by_status(
    sshd: Sshd, backstay: Program
) -> None:
    """Exit code 4, the same words, and nobody is sent to wait for machines that answer."""
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(sshd.user_key)
    (backstay.folder / "cluster.yaml").write_text(sshd.yaml("a", "b", "c"))
    status = await asyncio.to_thread(backstay.apart, "status")
    drill = await asyncio.to_thread(backstay.apart, "drill", "run", "idle", "--confirm", "test")
    assert (status.code, drill.code) == (4, 4)
    assert "error: the machine does not let us in\n" in status.err
    assert drill.err.endswith(status.err)
