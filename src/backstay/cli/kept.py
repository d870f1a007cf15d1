"""What drills keep, read again: by its own name, by its folder, or by what is beside it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from backstay.cli.drilling import Results
from backstay.errors import ConfigError

if TYPE_CHECKING:
    from backstay.drill.history import History
    from backstay.drill.report.reading import Document

HISTORY = "the history of a drill"
REPORT = "the report of a drill"
SIGNS: Mapping[str, re.Pattern[str]] = {
    HISTORY: re.compile(r'\{"scenario":'),
    REPORT: re.compile(r'\{[^{}]*"kind":\s*"Drill"'),
    "the page of a drill": re.compile("<!doctype html>", re.IGNORECASE),
}
"""How a file begins that a drill leaves, whatever it is called by now."""

HEAD = 1000
"""So many characters tell what a file is; a history may have millions."""


def history_at(path: Path) -> History:
    """Return the history of a drill; raises ConfigError."""
    from backstay.drill.history_file import BadHistoryError, read_history

    file = _meant(path, lambda results: results.history)
    try:
        with file.open(encoding="utf-8") as lines:
            return read_history(lines)
    except (OSError, UnicodeDecodeError, BadHistoryError) as error:
        raise ConfigError(
            f"{path} is no history of a drill",
            where=str(file),
            why=_why(file, error, HISTORY),
            next_move=_to_a_history(file),
        ) from error


def report_at(path: Path) -> Document:
    """Return the report of a drill, as programs read it; raises ConfigError."""
    from backstay.drill.report.reading import read_report

    file = _meant(path, lambda results: results.document)
    try:
        return read_report(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} is no report of a drill",
            where=str(file),
            why=_why(file, error, REPORT),
            next_move=_to_a_report(path),
        ) from error


def _meant(path: Path, kept: Callable[[Results], Path]) -> Path:
    """Return the file of the wanted kind: in a folder, or beside another that a drill keeps."""
    results = Results(_folder(path))
    wanted = kept(results)
    is_of_drill = path in {results.history, results.document, results.page}
    return wanted if path.is_dir() or (is_of_drill and wanted.exists()) else path


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _why(file: Path, error: Exception, wanted: str) -> str:
    """Return what is wrong: what else it is, if that is known, is plainer than a parser's words."""
    found = _sign(file)
    return f"it is {found}" if found and found != wanted else str(error)


def _sign(file: Path) -> str:
    """Return what of a drill a file is, by how it begins; empty for anything else."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            head = lines.read(HEAD)
    except OSError:
        return ""
    return next((what for what, begins in SIGNS.items() if begins.match(head)), "")


def _to_a_history(file: Path) -> str:
    """Return how to get a history: it may be beside what was named."""
    beside = Results(file.parent).history
    if beside != file and beside.exists():
        return f"backstay drill check {shlex.quote(str(beside))}"
    return "a drill keeps its own as history.jsonl: backstay drill run NAME"


def _to_a_report(path: Path) -> str:
    """Return how to get a report: of a history it can be made."""
    history = Results(path).history if path.is_dir() else path
    if _sign(history) == HISTORY:
        return f"make it: backstay drill check {shlex.quote(str(history))} -o json >report.json"
    return "a drill keeps its own as report.json: backstay drill run NAME"
