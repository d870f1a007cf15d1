"""The process that runs a machine."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from backstay.lab.places import MachinePlaces
from backstay.lab.process import launch, launch_apart, remembered, start_time
from backstay.lab.waiting import wait_for
from backstay.operations.drill_priority import favoured
from fakes.real_lab import eventually


@pytest.fixture
def places(tmp_path: Path) -> MachinePlaces:
    """Return the places of a machine whose boot script says a word and sleeps."""
    found = MachinePlaces(tmp_path)
    found.boot_script.write_text("echo booted\nexec sleep 60\n")
    return found


async def test_a_process_is_known_again_until_it_ends(places: MachinePlaces) -> None:
    """It stands in a session of its own and prints into the console's file."""
    running = launch(places)
    assert running is not None
    assert remembered(places) == running
    assert os.getsid(running.pid) == running.pid

    async def silent() -> str | None:
        return None if places.console.read_text() == "booted\n" else "nothing said"

    await wait_for("the console", silent, seconds=5, where="here")
    os.kill(running.pid, signal.SIGKILL)

    async def lives() -> str | None:
        return None if remembered(places) is None else "it lives"

    await wait_for("the end", lives, seconds=5, where="here")


def test_another_process_with_the_same_number_is_not_taken_for_it(places: MachinePlaces) -> None:
    """We are alive, and did not start at that time."""
    mine = start_time(os.getpid())
    assert mine is not None
    places.process.write_text(json.dumps({"pid": os.getpid(), "started": mine - 1}))
    assert remembered(places) is None
    places.process.write_text(json.dumps({"pid": os.getpid(), "started": mine}))
    assert remembered(places) is not None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": "x", "started": 0}', "\0"])
def test_a_broken_memory_is_no_process(places: MachinePlaces, text: str) -> None:
    """A run that was killed may leave half a file."""
    places.process.write_text(text)
    assert remembered(places) is None


def test_a_corpse_does_not_run(places: MachinePlaces) -> None:
    """A child that ended and that nobody waited for."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert start_time(pid) is None
    os.waitpid(pid, 0)
    assert places.directory.is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can come first")
def test_what_outlives_us_does_not_come_first_because_we_do(tmp_path: Path) -> None:
    """A machine that a drill starts again has the priority of one that `lab up` started."""
    niceness = tmp_path / "nice"
    read = f"sleep 0.2; cut -d ' ' -f 19 /proc/self/stat >{niceness}.new"
    with favoured():
        assert os.getpriority(os.PRIO_PROCESS, 0) < 0
        launch_apart(
            ("sh", "-c", f"{read}; mv {niceness}.new {niceness}"),
            tmp_path / "memory",
            console=tmp_path / "console",
        )
    eventually(niceness.exists, seconds=5, what="the program's word")
    assert niceness.read_text() == "0\n"
