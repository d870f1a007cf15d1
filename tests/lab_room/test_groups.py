"""Control groups, by files that look like the kernel's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from backstay.errors import GateTimeoutError
from backstay.lab import groups
from backstay.lab.groups import is_frozen, kill_all, processes, set_frozen

BEYOND_ALL = 2**22 + 1
"""Greater than the greatest process id that Linux gives."""


def make_group(path: Path, *pids: int, **files: str) -> Path:
    """Make a directory that looks like a group."""
    path.mkdir(parents=True)
    (path / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
    for name, text in files.items():
        (path / name.replace("_", ".")).write_text(text)
    return path


def test_processes_of_all_groups_below_are_found_once(tmp_path: Path) -> None:
    """A process stands in every hierarchy."""
    one = make_group(tmp_path / "one", 11, 12)
    make_group(tmp_path / "one/deep/er", 13)
    two = make_group(tmp_path / "two", 12)
    assert processes((one, two, tmp_path / "gone")) == {11, 12, 13}


def test_processes_that_we_cannot_name_are_left_out(tmp_path: Path) -> None:
    """To kill process 0 is to kill ourselves."""
    assert processes((make_group(tmp_path / "one", 0, 7),)) == {7}


def test_both_generations_are_frozen_in_their_own_words(tmp_path: Path) -> None:
    """FROZEN and 1; groups that cannot be frozen are passed over."""
    old = make_group(tmp_path / "old", freezer_state="THAWED\n")
    new = make_group(tmp_path / "new", cgroup_freeze="0\n", cgroup_events="frozen 0\n")
    other = make_group(tmp_path / "other")
    set_frozen((old, new, other), frozen=True)
    assert (old / "freezer.state").read_text() == "FROZEN"
    assert (new / "cgroup.freeze").read_text() == "1"
    assert is_frozen((old,))
    set_frozen((old, new, other), frozen=False)
    assert not is_frozen((old, new, other))


async def test_who_is_frozen_below_is_thawed_to_die(tmp_path: Path) -> None:
    """A whole lab ends although a drill that died left one of its machines frozen."""
    lab = make_group(tmp_path / "lab", freezer_state="THAWED")
    machine = make_group(lab / "cp-1", freezer_state="FROZEN")
    await kill_all(lambda: (lab,), where="here")
    assert (machine / "freezer.state").read_text() == "THAWED"


@pytest.mark.parametrize(
    ("events", "frozen"), [("populated 1\nfrozen 1\n", True), ("populated 1\nfrozen 0\n", False)]
)
def test_version_2_tells_in_events(tmp_path: Path, events: str, *, frozen: bool) -> None:
    """cgroup.freeze is the wish, cgroup.events is the state."""
    group = make_group(tmp_path / "new", cgroup_freeze="1", cgroup_events=events)
    assert is_frozen((group,)) is frozen


def sleeper() -> subprocess.Popen[bytes]:
    """Start something to kill."""
    return subprocess.Popen(("sleep", "60"))


async def test_killing_ends_when_nobody_is_left(tmp_path: Path) -> None:
    """A real process, whose group is emptied when it is dead."""
    victim = sleeper()
    group = make_group(tmp_path / "one", victim.pid)

    def find() -> tuple[Path, ...]:
        if victim.poll() is not None:
            (group / "cgroup.procs").write_text("")
        return (group,)

    await kill_all(find, where="here")
    assert victim.wait() == -9


async def test_what_does_not_die_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a group that goes on listing a process, here one that no computer has."""
    monkeypatch.setattr(groups, "GONE_SECONDS", 0.1)
    group = make_group(tmp_path / "one", BEYOND_ALL)
    with pytest.raises(GateTimeoutError, match=str(BEYOND_ALL)):
        await kill_all(lambda: (group,), where="here")
