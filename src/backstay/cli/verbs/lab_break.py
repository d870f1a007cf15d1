"""`backstay lab reboot`, `pause`, `unpause`, `cut` and `heal`."""

from __future__ import annotations

import click

from backstay.cli.commands import verb
from backstay.cli.options import Duration
from backstay.cli.session import console_of, finished
from backstay.cli.verbs.lab_options import complete_machines, lab_name, machine, same_lab

_EXITS = (0, 1, 3)


@verb("reboot", examples=("backstay lab reboot cp-1",), exits=_EXITS)
@machine
@lab_name
@click.pass_context
def reboot(ctx: click.Context, *, machine: str, name: str) -> None:
    """Reboot a machine, and wait until SSH answers again."""
    from backstay.lab import reboot as operation

    console = console_of(ctx)
    finished(operation(name, machine), console.settings)
    console.talk(f"{machine} is back.")


@verb(
    "pause",
    examples=("backstay lab pause cp-1", "backstay lab pause cp-1 --for 30s"),
    exits=_EXITS,
)
@machine
@click.option("--for", "seconds", type=Duration(), help="Wait this long, and let it go on.")
@lab_name
@click.pass_context
def pause(ctx: click.Context, *, machine: str, seconds: float | None, name: str) -> None:
    """Freeze every process of a machine: it keeps its links and says nothing."""
    from backstay.lab import pause as operation
    from backstay.lab import pause_for

    console = console_of(ctx)
    if seconds is None:
        finished(operation(name, machine), console.settings)
        console.talk(
            f"{machine} is frozen. To let it go on: backstay lab unpause {machine}{same_lab(name)}"
        )
    else:
        begun = f"{machine} is frozen, and goes on in {seconds:g} s; Ctrl-C: at once."
        pausing = pause_for(name, machine, seconds=seconds, begun=lambda: console.talk(begun))
        finished(pausing, console.settings)
        console.talk(f"{machine} was frozen for {seconds:g} s, and goes on.")


@verb("unpause", examples=("backstay lab unpause cp-1",), exits=_EXITS)
@machine
@lab_name
@click.pass_context
def unpause(ctx: click.Context, *, machine: str, name: str) -> None:
    """Let a frozen machine go on."""
    from backstay.lab import unpause as operation

    console = console_of(ctx)
    finished(operation(name, machine), console.settings)
    console.talk(f"{machine} goes on.")


@verb(
    "cut",
    examples=("backstay lab cut cp-1 cp-2", "backstay lab cut cp-1 host"),
    exits=_EXITS,
)
@click.argument("first", shell_complete=complete_machines)
@click.argument("second", shell_complete=complete_machines)
@lab_name
@click.pass_context
def cut(ctx: click.Context, *, first: str, second: str, name: str) -> None:
    """Cut the link between two machines, both ways; `host` stands for this computer."""
    from backstay.lab import cut as operation

    console = console_of(ctx)
    finished(operation(name, first, second), console.settings)
    console.talk(
        f"Nothing passes between {first} and {second}. To undo: backstay lab heal{same_lab(name)}"
    )


@verb("heal", examples=("backstay lab heal",), exits=_EXITS)
@lab_name
@click.pass_context
def heal(ctx: click.Context, *, name: str) -> None:
    """Undo all cuts of a lab."""
    from backstay.lab import heal as operation

    console = console_of(ctx)
    finished(operation(name), console.settings)
    console.talk("All links are whole.")
