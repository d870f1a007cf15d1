"""`backstay drill list`, `check` and `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from backstay.cli.commands import verb
from backstay.cli.console import Report
from backstay.cli.session import console_of
from backstay.errors import ConfigError

if TYPE_CHECKING:
    from backstay.drill.faults.scenario import Scenario
    from backstay.drill.history import History
    from backstay.drill.report.reading import Document

ANSWER_IS_NO = 2


@verb(
    "list",
    examples=("backstay drill list", "backstay drill list apiserver-freeze"),
    exits=(0, 64),
)
@click.argument("name", required=False)
@click.pass_context
def list_(ctx: click.Context, *, name: str | None) -> None:
    """List the scenarios with their targets and promises, or explain one."""
    from backstay.cli.drill_text import explanation, list_text
    from backstay.drill.faults.catalogue import SCENARIOS, scenario

    console = console_of(ctx)
    found = tuple(SCENARIOS.values()) if name is None else (scenario(name),)
    names = tuple(one.name for one in found)
    whole: dict[str, object] = {"items": [_document(one) for one in found]}
    if name is None:
        console.show(Report(whole, lambda look: list_text(found, look), names))
    else:
        console.show(Report(whole, lambda look: explanation(found[0], look), names))


def _document(one: Scenario) -> dict[str, object]:
    return {
        "name": one.name,
        "explanation": one.explanation,
        "target": one.target,
        "seconds": one.seconds,
        "objectives": list(one.objectives),
        "planned": one.is_planned,
        "needs_power": one.needs_power,
        "shows": list(one.shows),
    }


@verb(
    "check",
    examples=(
        "backstay drill check history.jsonl",
        "backstay drill check history.jsonl --html report.html",
    ),
    exits=(0, 2, 3),
    exit_2="a promise was broken, an objective missed, or nothing was proven",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the page.")
@click.pass_context
def check(ctx: click.Context, *, file: Path, html: Path | None) -> int:
    """Judge a kept history again: the checks may have become better."""
    from backstay.cli.drill_text import drill_text
    from backstay.cli.drilling import page_text
    from backstay.drill.oracle.verdict import Verdict
    from backstay.drill.report.document import document
    from backstay.operations.drill import judged

    console = console_of(ctx)
    found = judged(_history(file))
    if html is not None:
        html.write_text(page_text(found), encoding="utf-8")
    names = (found.header.scenario,)
    console.show(Report(document(found), lambda look: drill_text(found, look), names))
    return 0 if found.verdict is Verdict.PASS else ANSWER_IS_NO


def _history(file: Path) -> History:
    from backstay.drill.history import BadHistoryError, read_history

    try:
        with file.open(encoding="utf-8") as lines:
            return read_history(lines)
    except (OSError, UnicodeDecodeError, BadHistoryError) as error:
        raise ConfigError(
            f"{file} is no history of a drill",
            where=str(file),
            why=str(error),
            next_move="a drill keeps its own as history.jsonl: backstay drill run NAME",
        ) from error


@verb(
    "compare",
    examples=(
        "backstay drill compare before/ after/",
        "backstay drill compare ours.json theirs.json --html both.html",
    ),
    exits=(0, 3),
)
@click.argument("one", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page.")
@click.pass_context
def compare(ctx: click.Context, *, one: Path, other: Path, html: Path | None) -> None:
    """Put the numbers of two drills side by side: files, or the folders that drills leave."""
    from backstay.cli.compare_text import compare_text
    from backstay.cli.drilling import comparison_text
    from backstay.drill.report.compare import compared

    console = console_of(ctx)
    reports = (_report(one), _report(other))
    rows = tuple(compared(*reports))
    if html is not None:
        html.write_text(comparison_text(*reports), encoding="utf-8")
    whole: dict[str, object] = {"items": [row.document for row in rows]}
    console.show(Report(whole, lambda look: compare_text(*reports, look)))


def _report(path: Path) -> Document:
    from backstay.drill.report.reading import read_report

    file = path / "report.json" if path.is_dir() else path
    try:
        return read_report(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} is no report of a drill",
            where=str(file),
            why=str(error),
            next_move="a drill keeps its own as report.json: backstay drill run NAME",
        ) from error
