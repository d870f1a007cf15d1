"""What a lab remembers, before any machine is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_room_values import make_lab

from backstay.errors import ConfigError, PreflightError, UsageError
from backstay.lab import LabWish, labs, places_of, read, ssh_argv, status, statuses, up
from backstay.lab.access import State, console_text, logs_argv
from backstay.lab.model import Lab, to_json


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
def lab() -> Lab:
    """Return a lab that was made, with no machine running."""
    made = make_lab()
    places_of(made.name).directory.mkdir(parents=True)
    places_of(made.name).memory.write_text(to_json(made))
    return made


def test_no_lab_is_an_empty_list() -> None:
    """The directory need not exist."""
    assert labs() == ()
    assert statuses() == ()


def test_a_lab_that_does_not_exist_is_refused_with_what_helps() -> None:
    """Also by its name, if it can be none."""
    with pytest.raises(PreflightError, match="lab list"):
        read("nope")
    with pytest.raises(UsageError):
        read("../etc")


def test_a_lab_is_listed_with_what_its_machines_do(lab: Lab) -> None:
    """None runs here."""
    (found,) = statuses()
    assert found.lab == lab
    assert {one.state for one in found.machines} == {State.STOPPED}
    assert status("demo") == found


def test_a_broken_lab_is_listed_with_the_reason(lab: Lab) -> None:
    """And does not hide the others."""
    broken = places_of("broken")
    broken.directory.mkdir()
    broken.memory.write_text("{")
    (places_of("empty").directory).mkdir()
    found = {one.name: one for one in statuses()}
    assert found["broken"].lab is None
    assert "JSON" in found["broken"].why
    assert found["empty"].why
    assert found[lab.name].lab == lab


async def test_a_broken_memory_stops_up_before_anything_is_made(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is guessed about machines that may be running."""
    places_of(lab.name).memory.write_text("{")
    monkeypatch.setattr("backstay.lab.lifecycle.check_requirements", lambda: None)
    monkeypatch.setattr("backstay.lab.lifecycle.ensure_image", _no_image)
    with pytest.raises(ConfigError):
        await up(LabWish(name=lab.name))


async def _no_image(**_named: object) -> str:
    return "0123456789abcdef"


async def test_an_impossible_wish_is_refused_first() -> None:
    """Before this computer is looked at or an image is made."""
    with pytest.raises(UsageError):
        await up(LabWish(name="UPPER"))
    with pytest.raises(UsageError):
        await up(LabWish(control_planes=0))


def test_ssh_reads_and_writes_nothing_of_the_users(lab: Lab) -> None:
    """No configuration, no agent's keys, no known_hosts but the lab's own."""
    argv = ssh_argv(lab.name, "cp-1", ("uptime",))
    directory = places_of(lab.name).directory
    assert argv[:5] == ("ssh", "-F", "none", "-i", str(directory / "id_ed25519"))
    assert f'UserKnownHostsFile="{directory}/known_hosts"' in argv
    assert "StrictHostKeyChecking=yes" in argv
    assert argv[-2:] == ("root@10.213.7.11", "uptime")


def test_logs_of_a_machine_that_does_not_run_can_be_read(lab: Lab) -> None:
    """From its files, not through SSH."""
    argv = logs_argv(lab.name, "w-1", ("-n", "5"))
    assert argv[0] == "journalctl"
    assert argv[1].endswith("/demo/machines/w-1/upper/var/log/journal")
    assert argv[2:] == ("-n", "5")
    assert console_text(lab.name, "w-1") == ""
    with pytest.raises(UsageError):
        logs_argv(lab.name, "w-9")
