"""A drill keeps other drills and changes away, and begins only where nothing of another is left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backstay.drill.faults.scripts import FOLDER
from backstay.errors import (
    AuthenticationError,
    HostKeyError,
    LockedError,
    RefusedError,
    UnreachableError,
)
from backstay.fleet.lock import locked, this_run
from backstay.fleet.ssh import connected
from backstay.fleet.world import World
from backstay.operations.drill_alone import alone, require_nothing_left
from fakes.sshd import Sshd, serve

PROGRAMS = {"systemctl": "exit 0", "nft": "exit 1", "pgrep": "exit 1"}


@pytest.fixture
async def sshd(tmp_path: Path) -> AsyncIterator[Sshd]:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, does in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o700)
    async with serve(tmp_path) as found:
        found.environment["PATH"] = f"{programs}:/usr/bin:/bin"
        yield found


@pytest.fixture
async def world(sshd: Sshd) -> AsyncIterator[World]:
    async with connected(sshd.spec("a", "b")) as machines:
        yield World(machines)


async def test_a_second_drill_is_told_who_drills(sshd: Sshd, world: World) -> None:
    """On whichever machine it looks first; when the first has ended, it may begin."""
    async with alone(world, None), connected(sshd.spec("b")) as others:
        with pytest.raises(LockedError) as caught:
            async with alone(World(others), None):
                pytest.fail("two drills at once")
        assert f"{this_run()}, a drill" in caught.value.why
    async with connected(sshd.spec("b")) as others, alone(World(others), None):
        pass


async def test_a_change_of_the_cluster_is_kept_away_as_well(sshd: Sshd, world: World) -> None:
    """`apply` takes the same lock."""
    async with alone(world, None), connected(sshd.spec("a")) as others:
        with pytest.raises(LockedError):
            async with locked(tuple(World(others).reached.values()), holder="an apply"):
                pytest.fail("changed in the middle of a drill")


async def test_where_a_fault_stands_no_drill_begins(world: World) -> None:
    """It would be measured as if it were the cluster; and the lock is let go."""
    left = f"mkdir -p {FOLDER}; echo '# a drill'\"'\"'s fault: cut off' >{FOLDER}/cut.undo\n"
    await world.machine("b").run(left, deadline=10)
    with pytest.raises(RefusedError) as caught:
        async with alone(world, None):
            pytest.fail("a drill began")
    assert (caught.value.where, caught.value.why) == ("b", "b: fault cut off")
    assert "backstay drill undo" in caught.value.next_move
    await world.machine("b").run(f"rm {FOLDER}/cut.undo\n", deadline=10)
    async with alone(world, None):
        pass


async def test_a_machine_that_is_silent_is_not_called_broken_by_a_drill(world: World) -> None:
    """Nobody knows; where something is known to be left beside it, that is said first."""
    silent = World({**world.machines, "c": UnreachableError("no answer on SSH")})
    with pytest.raises(UnreachableError) as caught:
        async with alone(silent, None):
            pytest.fail("a drill began")
    assert (caught.value.where, caught.value.why) == ("c", "c: unknown: no answer on SSH")
    left = f'mkdir -p {FOLDER}; echo "# a drill\'s fault: cut off" >{FOLDER}/cut.undo\n'
    await world.machine("b").run(left, deadline=10)
    with pytest.raises(RefusedError) as refused:
        await require_nothing_left(silent, None)
    await world.machine("b").run(f"rm {FOLDER}/cut.undo\n", deadline=10)
    assert refused.value.where == "b"


@pytest.mark.parametrize("kind", [AuthenticationError, HostKeyError])
async def test_a_machine_that_refuses_the_login_says_so(
    world: World, kind: type[UnreachableError]
) -> None:
    """As `status` tells it, with what to do: it answers, and waiting for it is no use."""
    refused = kind("the machine does not let us in", where="c", next_move="ssh-add")
    silent = UnreachableError("no answer on SSH")
    with pytest.raises(kind) as caught:
        async with alone(World({**world.machines, "a": silent, "c": refused}), None):
            pytest.fail("a drill began")
    assert caught.value is refused
    assert caught.value.exit_code == 4
