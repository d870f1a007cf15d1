"""`backstay plan`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backstay.cli.commands import verb
from backstay.cli.console import Console, Report
from backstay.cli.session import console_of, finished, read_spec
from backstay.cli.settings import STDIN
from backstay.errors import RejectedError

if TYPE_CHECKING:
    from backstay.planning.look import Look
    from backstay.planning.plan import Plan
    from backstay.spec.model import ClusterSpec

CHANGES_PENDING = 2


@verb(
    "plan",
    examples=(
        "backstay plan",
        "backstay plan --show-files | less -R",
        "backstay plan --detailed-exitcode -o json > plan.json",
    ),
    exits=(0, 2, 3, 4, 5),
    exit_2="with --detailed-exitcode: changes are pending",
)
@click.option("--out", type=click.Path(path_type=Path), help="Save the plan for: apply FILE.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when changes are pending.")
@click.option("--show-files", is_flag=True, help="Show the files' differences line by line.")
@click.pass_context
def plan(ctx: click.Context, *, out: Path | None, detailed_exitcode: bool, show_files: bool) -> int:
    """Show what apply would change, and in which order; nothing is changed."""
    console = console_of(ctx)
    spec = read_spec(console.settings)
    made = finished(_plan(console, spec), console.settings)
    console.show(_report(made, spec, show_files=show_files))
    if out is not None:
        save(made, out)
        apply = console.settings.resume
        console.talk(f"Saved. To perform exactly this plan: {apply} {out}")
    return CHANGES_PENDING if detailed_exitcode and not made.is_empty else 0


async def _plan(console: Console, spec: ClusterSpec) -> Plan:
    from backstay.cli.progress import following
    from backstay.operations.binaries import foreseen
    from backstay.operations.plan import make_plan
    from backstay.operations.session import session

    with following(console) as follower:
        path = console.settings.config_path
        catalogue = await foreseen(spec, config=path, tell=follower.tell)
        async with session(spec, tell=follower.tell) as world:
            return (await make_plan(spec, world=world, catalogue=catalogue)).plan


def _report(made: Plan, spec: ClusterSpec, *, show_files: bool) -> Report:
    from backstay.planning import render

    def text(look: Look) -> str:
        shown = render.files(made, look=look) if show_files else ""
        return f"{shown}\n{render.text(made, spec=spec, look=look)}".lstrip("\n")

    names = (f"{host}/{change.key.kind}/{change.key.name}" for host, change in made.changes)
    return Report(render.document(made), text, names)


def save(made: Plan, path: Path) -> None:
    """Write the plan's document beside the path and move it there; `-` is refused."""
    from backstay.planning import render

    if str(path) == STDIN:
        raise click.BadParameter("a plan on standard output is: -o json", param_hint="--out")
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(json.dumps(render.document(made), indent=2) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise RejectedError(
            "the plan could not be saved",
            where=str(path),
            why=str(error),
            next_move="choose another --out",
        ) from error
