"""Running programs on this computer."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.compiler import APT_LINE, c_toolchain
from backstay.fleet.artefacts.golang import go_program
from backstay.fleet.artefacts.heartbeat import heartbeat
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.programs import LAST_LINES, run
from backstay.fleet.events import Event, Note, nobody


async def test_lines_are_heard_as_they_come() -> None:
    """Both streams, in order, and the status at the end."""
    heard: list[str] = []
    outcome = await run(("sh", "-c", "echo one; echo two >&2; exit 3"), heard=heard.append)
    assert heard == ["one", "two"]
    assert (outcome.status, outcome.tail) == (3, "one\ntwo")


async def test_only_the_last_lines_are_kept() -> None:
    """An error shows what a person can read."""
    outcome = await run(("sh", "-c", "seq 1000"))
    assert outcome.tail.splitlines() == [str(n) for n in range(1001 - LAST_LINES, 1001)]


async def test_a_program_that_is_not_there_has_the_status_of_the_shell() -> None:
    """No traceback for a missing program."""
    assert (await run(("/no/such/program",))).status == 127


def is_running(process: int) -> bool:
    """Tell whether a process lives; one that only waits to be buried does not."""
    with suppress(FileNotFoundError):
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    return False


async def test_children_end_with_us(tmp_path: Path) -> None:
    """Also those that the program started itself."""
    number = tmp_path / "pid"
    script = f"sleep 600 & echo $! >{number}.part; mv {number}.part {number}; wait"
    task = asyncio.create_task(run(("sh", "-c", script)))
    async with asyncio.timeout(20):
        while not number.exists():
            await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    child = int(number.read_text())
    async with asyncio.timeout(20):
        while is_running(child):
            await asyncio.sleep(0.01)


async def test_life_is_shown_while_nothing_else_is() -> None:
    """A sentence comes every so often, and none after the end."""
    told: list[Event] = []
    enough = asyncio.Event()

    def heard(event: Event) -> None:
        told.append(event)
        if len(told) == 3:
            enough.set()

    async with heartbeat(heard, lambda: "still here", every=0.005):
        await asyncio.wait_for(enough.wait(), 5)
    count = len(told)
    await asyncio.sleep(0.02)
    assert told == [Note("still here")] * count


async def test_a_missing_compiler_comes_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is missing is listed as a whole."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArtefactError, match="gcc, ld, pkg-config") as caught:
        await c_toolchain()
    assert caught.value.next_move == APT_LINE


def program(folder: Path, name: str, script: str) -> None:
    """Put a program into a folder."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


async def test_another_compiler_or_library_is_another_identity(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever goes into the bytes of runc is in it, and nothing else."""
    libraries = {name: tmp_path / name for name in ("libseccomp.a", "libc.a")}
    for path in libraries.values():
        path.write_text("library")
    answer = f'case $1 in --version) echo "gcc 1";; *) echo {tmp_path}/${{1#*=}};; esac'
    program(tmp_path, "gcc", answer)
    program(tmp_path, "ld", 'echo "ld 1"; echo "Copyright"')
    program(tmp_path, "pkg-config", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    first = await c_toolchain()
    assert first.startswith("gcc 1, ld 1, libseccomp.a ")
    assert await c_toolchain() == first
    libraries["libc.a"].write_text("a security update")
    second = await c_toolchain()
    program(tmp_path, "ld", 'echo "ld 2"')
    assert len({first, second, await c_toolchain()}) == 3


async def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The compiler alone is not enough: gcc answers with the bare name for what it lacks."""
    program(tmp_path, "gcc", "echo ${1#*=}")
    program(tmp_path, "ld", "exit 0")
    program(tmp_path, "pkg-config", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ArtefactError, match=r"not found: libseccomp\.a, libc\.a"):
        await c_toolchain()


async def test_the_go_on_this_computer_is_used_if_it_is_the_pinned_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is installed then."""
    program(tmp_path, "go", "echo go1.27.3")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    places = Places(tmp_path / "cache")
    assert await go_program(places, "1.27.3", tell=nobody) == tmp_path / "go"
    assert not places.root.exists()
