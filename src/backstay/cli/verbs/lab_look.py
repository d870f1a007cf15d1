"""`backstay lab list`, `ssh` and `logs`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from backstay.cli.commands import Takes, verb
from backstay.cli.console import Report
from backstay.cli.session import console_of, finished
from backstay.cli.tables import table
from backstay.cli.verbs.lab_options import lab_name, machine, same_lab

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backstay.lab import LabStatus, MachineStatus
    from backstay.planning.look import Look

HEAD = ("LAB", "MACHINE", "ADDRESS", "ROLE", "STATE")


@verb("list", examples=("backstay lab list", "backstay lab list -o json"))
@click.pass_context
def list_(ctx: click.Context) -> None:
    """List the labs of this computer and what their machines do."""
    from backstay.lab import statuses

    console, labs = console_of(ctx), statuses()
    cuts = finished(_cuts(labs), console.settings)
    console.show(_report(labs, cuts))


Cuts = tuple[tuple[str, str], ...] | None
"""Of one lab: pairs between which nothing passes; None if that cannot be known."""


async def _cuts(labs: tuple[LabStatus, ...]) -> Mapping[str, Cuts]:
    from backstay.lab import cuts_of

    return {one.name: await cuts_of(one.name) for one in labs if one.lab is not None}


def _cut_from(machine: str, cuts: Cuts) -> list[str] | None:
    """Return from whom the machine is cut off; None if that cannot be known."""
    if cuts is None:
        return None
    return [one for pair in cuts if machine in pair for one in pair if one != machine]


def _report(labs: tuple[LabStatus, ...], cuts: Mapping[str, Cuts]) -> Report:
    def text(look: Look) -> str:
        rows = [row for one in labs for row in _rows(one, cuts.get(one.name))]
        return (
            table(HEAD, rows, look=look) if rows else "There is no lab. Make one: backstay lab up"
        )

    items = [_document(one, cuts.get(one.name)) for one in labs]
    document = {"apiVersion": "backstay.dev/v1", "kind": "LabList", "items": items}
    return Report(document, text, (one.name for one in labs))


def _rows(one: LabStatus, cuts: Cuts) -> list[tuple[str, ...]]:
    if one.lab is None:
        return [(one.name, "", "", "", f"broken: {one.why}")]
    return [
        (
            *(one.name, seen.machine.name, str(seen.machine.address), seen.machine.role),
            _state(seen, cuts),
        )
        for seen in one.machines
    ]


def _state(seen: MachineStatus, cuts: Cuts) -> str:
    others = _cut_from(seen.machine.name, cuts)
    return f"{seen.state}, cut from {', '.join(others)}" if others else seen.state


def _document(one: LabStatus, cuts: Cuts) -> dict[str, object]:
    from backstay.lab import places_of

    machines = [
        {
            "name": seen.machine.name,
            "address": str(seen.machine.address),
            "role": seen.machine.role.value,
            "state": seen.state.value,
            "cut_from": _cut_from(seen.machine.name, cuts),
        }
        for seen in one.machines
    ]
    config = str(places_of(one.name).cluster)
    return {"name": one.name, "config": config, "machines": machines, "broken": one.why or None}


@verb(
    "ssh",
    examples=("backstay lab ssh cp-1", "backstay lab ssh cp-1 systemctl status etcd"),
    exits=(0, 3),
    takes=Takes.A_COMMAND,
)
@machine
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@lab_name
@click.pass_context
def ssh(ctx: click.Context, *, machine: str, command: tuple[str, ...], name: str) -> None:
    """Open a shell on a machine as root, or run COMMAND there; its exit code becomes ours."""
    from backstay.lab import require_answering, ssh_argv

    del ctx
    require_answering(name, machine)
    _become(ssh_argv(name, machine, command))


@verb(
    "logs",
    examples=(
        "backstay lab logs cp-1 --unit etcd --follow",
        "backstay lab logs cp-1 --console",
    ),
    exits=(0, 3),
)
@machine
@click.option("--unit", "-u", multiple=True, help="Only of this unit; may be repeated.")
@click.option("--follow", "-f", is_flag=True, help="Go on as lines come.")
@click.option("--lines", "-n", type=click.IntRange(min=1), help="Only the last so many.")
@click.option("--console", is_flag=True, help="What the machine printed while it booted.")
@lab_name
@click.pass_context
def logs(
    ctx: click.Context,
    *,
    machine: str,
    unit: tuple[str, ...],
    follow: bool,
    lines: int | None,
    console: bool,
    name: str,
) -> None:
    """Show a machine's journal, also when the machine is dead."""
    from backstay.lab import console_text, is_paused, logs_argv

    if console:
        console_of(ctx).data(console_text(name, machine))
        return
    if is_paused(name, machine):
        console_of(ctx).talk(
            f"{machine} is paused, and writes nothing more. "
            f"To let it go on: backstay lab unpause {machine}{same_lab(name)}"
        )
    options = (
        *("--no-pager",),
        *(word for one in unit for word in ("--unit", one)),
        *(("--follow",) if follow else ()),
        *(("--lines", str(lines)) if lines is not None else ()),
    )
    _become(logs_argv(name, machine, options))


def _become(argv: tuple[str, ...]) -> None:
    """Let the program take this process's place, so that its terminal and exit code are ours."""
    os.execvp(argv[0], argv)  # noqa: S606  # argv built by us, without a shell
