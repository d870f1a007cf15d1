"""Which rows are measured, and what happens when one cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench.__main__ import PARTS, main

from fakes import bench_rows as rows


def test_missed_numbers_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers are shown, not judged: the exit code is that of measuring."""
    assert main(["one", "two"], parts=rows.PARTS) == 0
    out = capsys.readouterr().out
    assert [word in out for word in ("one of them", "two a", "two b")] == [True] * 3
    assert "missed" in out


def test_a_part_that_breaks_takes_no_other_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was measured is shown and written, what was not is named, and the exit code is 1."""
    target = tmp_path / "bench.json"
    assert main(["-o", str(target)], parts=rows.PARTS) == 1
    written = json.loads(target.read_text())
    assert [row["what"] for row in written["rows"]] == ["one of them", "two a", "two b"]
    assert written["broken"] == {"broken": "the machine went away"}
    assert "broken could not be measured: the machine went away" in capsys.readouterr().err


def test_rows_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """So that one can be chosen."""
    with pytest.raises(SystemExit) as ended:
        main(["--list"])
    assert (ended.value.code, capsys.readouterr().out.split()) == (0, list(PARTS))


def test_unknown_rows_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is measured."""
    with pytest.raises(SystemExit) as ended:
        main(["one", "three"], parts=rows.PARTS)
    assert ended.value.code == 2
    assert "no such row: three; there are one, broken, two" in capsys.readouterr().err
