"""The changing functions, run by a real sh on real files: all or nothing."""

from __future__ import annotations

import base64
import select
import subprocess
from pathlib import Path

import pytest

from backstay.fleet.observe import script_text
from backstay.fleet.perform import _guarded

MARK = "mark"


def perform(*lines: str) -> subprocess.CompletedProcess[str]:
    script = "\n".join((f"mark={MARK}", script_text("perform.sh"), *lines, ""))
    return subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, check=False)


def placing(path: Path, content: bytes, *words: str) -> list[str]:
    text = base64.encodebytes(content).decode()
    argv = ("place", str(path), *(words or ("644", "root:root")))
    return _guarded(f"file {path}", argv, heredoc=f"{text}END", ending="END")


COMMIT = _guarded("commit", ("commit",))


def test_files_are_written_whole_with_mode_and_owner(tmp_path: Path) -> None:
    """Content, mode and owner are as wished, and nothing is left beside the file."""
    path = tmp_path / "new" / "f"
    done = perform(*placing(path, b"a\0b'$x\n", "600", "root:root"), *COMMIT)
    assert (done.returncode, path.read_bytes()) == (0, b"a\0b'$x\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["f"]


def test_nothing_is_moved_into_place_when_a_later_file_fails(tmp_path: Path) -> None:
    """A failure before the commit leaves every old file as it was."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("old")
    refused = placing(second, b"new", "644", "root:root", "false")
    done = perform(*placing(first, b"new"), *refused, *COMMIT)
    assert (done.returncode, first.read_text()) == (1, "old")
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    assert f"{MARK}\tfailed\tfile {second}" in done.stdout


def test_a_check_sees_the_candidate_before_it_is_in_place(tmp_path: Path) -> None:
    """The checking command gets the candidate's path, and its complaint is told."""
    path = tmp_path / "f"
    check = ("sh", "-c", 'grep -q good "$1" || { echo "bad content" >&2; exit 1; }', "sh", "{}")
    assert perform(*placing(path, b"good", "644", "root:root", *check), *COMMIT).returncode == 0
    done = perform(*placing(path, b"evil", "644", "root:root", *check), *COMMIT)
    assert path.read_text() == "good"
    assert f"{MARK}\twhy\tbad content" in done.stdout


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """T5: with no room for the new file, the old one stays and the reason is told."""
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mount], check=True)
    try:
        path = mount / "f"
        path.write_text("old")
        done = perform(*placing(path, b"x" * 200_000), *COMMIT)
        assert (done.returncode, path.read_text()) == (1, "old")
        assert "No space left" in done.stdout
        assert [one.name for one in mount.iterdir()] == ["f"]
    finally:
        subprocess.run(["umount", mount], check=True)


def test_a_read_only_folder_is_told(tmp_path: Path) -> None:
    """I6: a folder that cannot be written fails with its own words."""
    mount = tmp_path / "ro"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", mount], check=True)
    try:
        done = perform(*placing(mount / "f", b"x"), *COMMIT)
        assert done.returncode == 1
        assert "Read-only" in done.stdout
    finally:
        subprocess.run(["umount", mount], check=True)


@pytest.mark.parametrize("name", ["a b", "$(touch x)", "q'q", 'd"d', "-dash"])
def test_names_are_only_names(tmp_path: Path, name: str) -> None:
    """I4: whatever a path is made of, it is one word to the shell."""
    folder = tmp_path / "d"
    done = perform(*_guarded("x", ("make_directory", f"{folder}/{name}", "755", "root:root")))
    assert (done.returncode, [one.name for one in folder.iterdir()]) == (0, [name])


def test_mode_and_owner_alone_are_adjusted_in_place(tmp_path: Path) -> None:
    """A wrong mode does not rewrite the file."""
    path = tmp_path / "f"
    path.write_text("x")
    inode = path.stat().st_ino
    done = perform(*_guarded("x", ("adjust", str(path), "600", "root:root")))
    assert (done.returncode, path.stat().st_ino) == (0, inode)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_step_waits_for_the_one_before_it(tmp_path: Path) -> None:
    """T4: what a cut-off run left at work ends first, and then the next begins."""
    mark, after = tmp_path / "mark", tmp_path / "after"
    held = f"touch {mark}; while [ ! -e {after} ]; do sleep 0.05; done"
    script = "\n".join((f"mark={MARK}", script_text("perform.sh"), held, ""))
    with subprocess.Popen(["sh", "-s"], stdin=subprocess.PIPE, text=True) as first:
        assert first.stdin is not None
        first.stdin.write(script)
        first.stdin.close()
        while not mark.exists():
            assert first.poll() is None
        second = subprocess.Popen(
            ["sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert second.stdin is not None
        second.stdin.write("\n".join((f"mark={MARK}", script_text("perform.sh"), "echo in", "")))
        second.stdin.close()
        assert second.stdout is not None
        assert not select.select([second.stdout], [], [], 0.3)[0]
        after.touch()
        assert second.stdout.read() == "in\n"
        assert second.wait() == 0
