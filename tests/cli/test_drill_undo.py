"""What `backstay drill undo` says, and with which exit code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from backstay.errors import StepFailedError
from backstay.fleet.lock import locked
from backstay.fleet.ssh import connected
from backstay.fleet.world import World
from backstay.operations import drill_undo
from fakes.program import Ended, Program
from fakes.sshd import Sshd, serve

CLUSTER = """\
name: drilled
endpoint: {vip: 127.0.0.100}
hosts: [{name: a, address: 127.0.0.1, port: 1, roles: [control-plane]}]
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "cluster.yaml"
    path.write_text(CLUSTER)
    return str(path)


def test_machines_that_do_not_answer_are_not_called_clean(backstay: Program, file: str) -> None:
    """Nobody was asked: exit code 4, and not a word of all being well."""
    said = backstay("drill", "undo", "-c", file)
    assert said.code == 4, said.err
    assert "nobody knows what a drill left there" in said.err
    assert "Nothing of any drill is left" not in said.err + said.out


def test_what_was_undone_is_told_though_something_is_left(
    backstay: Program, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error comes last."""

    async def undo(_spec: object, _machines: object, *, tell: Callable[[str, str], None]) -> None:
        tell("a", "table x")
        raise StepFailedError("what a drill left is not undone", where="b")

    monkeypatch.setattr(drill_undo, "undo", undo)
    said = backstay("drill", "undo", "-c", file)
    assert said.code == 1
    assert said.err.index("a: undone: table x") < said.err.index("is not undone")
    assert "Nothing of any drill is left" not in said.err


def test_where_nothing_was_left_that_is_said(
    backstay: Program, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only then."""

    async def undo(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr(drill_undo, "undo", undo)
    said = backstay("drill", "undo", "-c", file)
    assert (said.code, said.err) == (0, "Nothing of any drill is left.\n")


@pytest.fixture
async def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sshd]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with serve(tmp_path) as found:
        yield found


async def undone(
    backstay: Program, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[Ended, bool]:
    """Undo as users do, in a thread beside the sshd; return what is said, and if it was done."""
    called = False

    async def undo(*_: object, **__: object) -> None:
        nonlocal called
        called = True

    monkeypatch.setattr(drill_undo, "undo", undo)
    (backstay.folder / "cluster.yaml").write_text(sshd.yaml("a", "b", "c"))
    return await asyncio.to_thread(backstay, "drill", "undo", *words), called


async def test_nothing_is_undone_under_the_hands_of_somebody_who_drills(
    backstay: Program, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who that is is said, and how to go on; whoever knows better says so."""
    async with connected(sshd.spec("b")) as machines:
        drilling = tuple(World(machines).reached.values())
        async with locked(drilling, holder="ada@there pid 7, a drill"):
            said, was_undone = await undone(backstay, sshd, monkeypatch)
            assert (said.code, was_undone) == (5, False), said.err
            assert "the lock is held by ada@there pid 7, a drill" in said.err
            assert "backstay drill undo --force" in said.err
            forced, was_undone = await undone(backstay, sshd, monkeypatch, "--force")
            assert (forced.code, was_undone) == (0, True), forced.err
    free, was_undone = await undone(backstay, sshd, monkeypatch)
    assert (free.code, was_undone) == (0, True), free.err


async def test_a_machine_without_locks_keeps_nobody_from_undoing(
    backstay: Program, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be broken just by what is to be undone."""
    sshd.environment["PATH"] = "/nowhere"
    said, was_undone = await undone(backstay, sshd, monkeypatch)
    assert (said.code, was_undone) == (0, True), said.err
