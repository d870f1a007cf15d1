"""`backstay drill`: break a cluster on purpose, and measure what that costs its users."""

from __future__ import annotations

from dataclasses import replace

import click

from backstay.cli.commands import Entry, Verbs
from backstay.cli.options import Gathered

_HERE = "backstay.cli.verbs"


GOES_ON = {"undo": "backstay drill undo"}
"""The words to go on with what was stopped; a drill itself says what it left."""


@click.group(
    cls=Verbs,
    sections={
        "Prove": {
            "run": Entry(f"{_HERE}.drill_run:run", "Drill one scenario."),
            "suite": Entry(f"{_HERE}.drill_run:suite", "Drill a set of them, and print one table."),
            "undo": Entry(f"{_HERE}.drill_run:undo", "Undo what a drill that died left."),
        },
        "Look": {
            "list": Entry(f"{_HERE}.drill_list:list_", "List the scenarios, or explain one."),
            "check": Entry(f"{_HERE}.drill_look:check", "Judge a kept history again."),
            "compare": Entry(f"{_HERE}.drill_look:compare", "Put two reports side by side."),
        },
    },
    examples=(
        "backstay drill list",
        "backstay drill run etcd-leader-kill",
        "backstay drill suite quick",
    ),
)
@click.pass_context
def drill(ctx: click.Context) -> None:
    """Break a cluster on purpose, measure what its users see, and prove that nothing was lost.

    Every fault undoes itself on the machines, also when this computer dies.
    """
    gathered = ctx.ensure_object(Gathered)
    again = GOES_ON.get(ctx.invoked_subcommand or "", "")
    gathered.settings = replace(gathered.settings, again=again)
