"""What the verbs of the lab say, as far as no machine is needed."""

from __future__ import annotations

import json
from typing import NoReturn

import pytest
from inline_snapshot import snapshot

from backstay.errors import RejectedError
from backstay.lab.model import Lab
from backstay.lab.names import lab_handle
from fakes.frozen_lab import make_frozen_lab
from fakes.program import Program


def test_there_is_nothing_to_remove_of_a_lab_that_never_was(
    backstay: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no failure, and nothing is claimed to have been there."""
    monkeypatch.setattr("backstay.lab.teardown.check_root", lambda: None)
    ended = backstay("lab", "down", "--name", "never-was")
    assert (ended.code, ended.out, ended.err) == (0, "", "There is no lab never-was.\n")


@pytest.fixture
def lab(backstay: Program, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Make a lab of which cp-1 is frozen, where the program keeps its own."""
    monkeypatch.setattr("os.execvp", _no_program)
    return make_frozen_lab(backstay.folder / "state", monkeypatch)


def _no_program(name: str, argv: tuple[str, ...]) -> NoReturn:
    raise RejectedError(f"became {name} {argv[1]}")


def test_no_shell_is_opened_on_a_paused_machine(backstay: Program, lab: Lab) -> None:
    """It is known at once that nobody would answer: exit 3."""
    ended = backstay("lab", "ssh", "--name", lab.name, "cp-1")
    assert (ended.code, ended.err) == snapshot(
        (
            3,
            """\
error: machine cp-1 is paused
  where  lab demo
  why    its processes are frozen, and none of them answers
  next   backstay lab unpause cp-1 --name demo
""",
        )
    )
    assert "became ssh -F" in backstay("lab", "ssh", "--name", lab.name, "cp-2").err


def test_logs_of_a_paused_machine_end_there(backstay: Program, lab: Lab) -> None:
    """They are files of this computer, and shown; why nothing more comes is said."""
    told = backstay("lab", "logs", "--name", lab.name, "cp-1").err.splitlines()
    assert told[0] == snapshot(
        "cp-1 is paused, and writes nothing more. "
        "To let it go on: backstay lab unpause cp-1 --name demo"
    )
    assert told[1].startswith("error: became journalctl")
    assert "is paused" not in backstay("lab", "logs", "--name", lab.name, "cp-2").err


def test_a_machine_cannot_be_cut_from_itself(backstay: Program, lab: Lab) -> None:
    """That is a usage error."""
    ended = backstay("lab", "cut", "--name", lab.name, "cp-1", "cp-1")
    assert (ended.code, ended.err) == snapshot(
        (
            64,
            """\
error: cp-1 has no link to itself
  where  lab demo
  next   name two machines, or a machine and `host`: backstay lab list
""",
        )
    )


def test_cuts_are_listed_with_both_machines(
    backstay: Program, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And for programs by name; `host` is no machine, and has no row."""

    async def cuts_of(_: str) -> tuple[tuple[str, str], ...]:
        return (("cp-1", "cp-2"), ("cp-2", "host"))

    del lab
    monkeypatch.setattr("backstay.lab.cuts_of", cuts_of)
    assert backstay("lab", "list").out == snapshot("""\
LAB   MACHINE  ADDRESS      ROLE           STATE
demo  cp-1     10.213.7.11  control-plane  paused, cut from cp-2
demo  cp-2     10.213.7.12  control-plane  stopped, cut from cp-1, host
""")
    (listed,) = json.loads(backstay("lab", "list", "-o", "json").out)["items"]
    assert [one["cut_from"] for one in listed["machines"]] == [["cp-2"], ["cp-1", "host"]]


def test_a_lab_that_cannot_be_asked_has_no_known_cuts(
    backstay: Program, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Null is not the same as none: another user's switch does not tell."""

    async def cuts_of(_: str) -> None:
        return None

    del lab
    monkeypatch.setattr("backstay.lab.cuts_of", cuts_of)
    (listed,) = json.loads(backstay("lab", "list", "-o", "json").out)["items"]
    assert {one["cut_from"] for one in listed["machines"]} == {None}
    assert "cut" not in backstay("lab", "list").out


def test_how_long_a_pause_takes_is_said_first(
    backstay: Program, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal is not given back before the machine goes on."""
    events = backstay.folder / "state/groups" / lab_handle(lab.name) / "cp-1/cgroup.events"

    def freeze(_: object, *, frozen: bool) -> None:
        events.write_text(f"frozen {frozen:d}\n")

    monkeypatch.setattr("backstay.lab.faults.set_frozen", freeze)
    ended = backstay("lab", "pause", "--name", lab.name, "cp-1", "--for", "100ms")
    assert (ended.code, ended.err) == snapshot(
        (
            0,
            """\
cp-1 is frozen, and goes on in 0.1 s; Ctrl-C: at once.
cp-1 was frozen for 0.1 s, and goes on.
""",
        )
    )
    assert events.read_text() == "frozen 0\n"
