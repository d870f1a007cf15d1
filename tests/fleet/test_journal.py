"""A journal is readable whatever ends the run, and holds no secret."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backstay.errors import PreflightError
from backstay.fleet.events import Failed, StepDone
from backstay.fleet.journal import Journal
from backstay.secret import Secret

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)

# Writes events as fast as it can, until it is killed.
WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from backstay.fleet.events import Note
from backstay.fleet.journal import Journal

journal = Journal.open(Path(sys.argv[1]), now=datetime.now(UTC))
number = 0
while True:
    journal.write(Note("x" * (number % 300)), now=datetime.now(UTC))
    number += 1
    if number == 100:
        print("begun", flush=True)
"""


def lines(folder: Path) -> list[dict[str, object]]:
    (path,) = folder.glob("*.jsonl")
    text = path.read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_each_event_is_a_line_of_json(tmp_path: Path) -> None:
    """Time, kind and fields; line breaks and odd letters stay inside of the line."""
    journal = Journal.open(tmp_path / "new" / "folder", now=NOW)
    journal.write(StepDone("a", "files", 0.5), now=NOW)
    journal.write(Failed("b", "x", "one\ntwo \udcff"), now=NOW)
    journal.close()
    time = NOW.isoformat()
    assert lines(tmp_path / "new" / "folder") == [
        {"time": time, "type": "StepDone", "host": "a", "what": "files", "seconds": 0.5},
        {"time": time, "type": "Failed", "host": "b", "what": "x", "why": "one\ntwo \udcff"},
    ]


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    """Names of machines and what was done to them are nobody else's business."""
    folder = tmp_path / "journals"
    Journal.open(folder, now=NOW).close()
    (path,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_secret_is_masked(tmp_path: Path) -> None:
    """P9: even one that an event should never have had."""
    journal = Journal.open(tmp_path, now=NOW)
    journal.write(Failed("a", "x", Secret(b"canary")), now=NOW)  # type: ignore[arg-type]
    journal.close()
    assert "canary" not in next(tmp_path.iterdir()).read_text()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_leaves_whole_lines(tmp_path: Path, end: signal.Signals) -> None:
    """I11, T1: whenever the run ends, every line is valid."""
    writer = subprocess.Popen((sys.executable, "-c", WRITER, tmp_path), stdout=subprocess.PIPE)
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"begun\n"
        writer.send_signal(end)
    assert len(lines(tmp_path)) >= 100


def test_a_full_disk_does_not_end_a_run(tmp_path: Path) -> None:
    """T4: what cannot be written down is done all the same."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    journal = Journal.open(tmp_path, now=NOW)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        journal.write(StepDone("a", "files", 0.5), now=NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    journal.write(StepDone("b", "files", 0.5), now=NOW)
    journal.close()
    assert [line["host"] for line in lines(tmp_path)] == ["b"]


def test_no_journal_no_run(tmp_path: Path) -> None:
    """T4: a place that cannot be written is told before anything is changed (exit 3)."""
    (tmp_path / "file").touch()
    with pytest.raises(PreflightError) as caught:
        Journal.open(tmp_path / "file" / "folder", now=NOW)
    assert caught.value.exit_code == 3
    assert "XDG_STATE_HOME" in caught.value.next_move
