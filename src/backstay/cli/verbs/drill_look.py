"""`backstay drill check` and `compare`."""

from __future__ import annotations

from pathlib import Path

import click

from backstay.cli.commands import verb
from backstay.cli.console import Report
from backstay.cli.session import console_of

ANSWER_IS_NO = 2
NO_PLACE = "the page cannot be written there"


@verb(
    "check",
    examples=(
        "backstay drill check history.jsonl",
        "backstay drill check history.jsonl --html report.html",
    ),
    exits=(0, 2, 3, 5),
    exit_2="a promise was broken, an objective missed, or nothing was proven",
    exit_5=NO_PLACE,
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the page.")
@click.pass_context
def check(ctx: click.Context, *, file: Path, html: Path | None) -> int:
    """Judge a kept history again: the checks may have become better.

    FILE is the history, or the folder that the drill left.
    """
    from backstay.cli.drill_text import drill_text
    from backstay.cli.drilling import page_text, write_report
    from backstay.cli.kept import history_at
    from backstay.drill.oracle.verdict import Verdict
    from backstay.drill.report.document import document
    from backstay.operations.drill import judged

    console = console_of(ctx)
    found = judged(history_at(file))
    if html is not None:
        write_report(html, page_text(found))
    names = (found.header.scenario,)
    console.show(Report(document(found), lambda look: drill_text(found, look), names))
    return 0 if found.verdict is Verdict.PASS else ANSWER_IS_NO


@verb(
    "compare",
    examples=(
        "backstay drill compare before/ after/",
        "backstay drill compare ours.json theirs.json --html both.html",
    ),
    exits=(0, 3, 5),
    exit_5=NO_PLACE,
)
@click.argument("one", type=click.Path(path_type=Path))
@click.argument("other", type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page.")
@click.pass_context
def compare(ctx: click.Context, *, one: Path, other: Path, html: Path | None) -> None:
    """Put the numbers of two drills side by side: files, or the folders that drills leave."""
    from backstay.cli.compare_text import compare_text
    from backstay.cli.drilling import comparison_text, write_report
    from backstay.cli.kept import report_at
    from backstay.drill.report.compare import compared
    from backstay.drill.report.document import API_VERSION

    console = console_of(ctx)
    reports = (report_at(one), report_at(other))
    rows = tuple(compared(*reports))
    if html is not None:
        write_report(html, comparison_text(*reports))
    whole: dict[str, object] = {
        "apiVersion": API_VERSION,
        "kind": "Comparison",
        "items": [row.document for row in rows],
    }
    console.show(Report(whole, lambda look: compare_text(*reports, look)))
