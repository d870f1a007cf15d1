"""Words that the verbs of the lab share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

DEFAULT_NAME = "lab"
Command = TypeVar("Command", bound=Callable[..., Any])


def complete_machines(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the machines of the lab that the line names; nothing is asked but its file."""
    from backstay.cli.completing import hosts_in
    from backstay.lab.places import places_of

    del param
    names = hosts_in(places_of(ctx.params.get("name") or DEFAULT_NAME).cluster)
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def lab_name(command: Command) -> Command:
    """Give a verb `--name`."""
    option = click.option(
        "--name", default=DEFAULT_NAME, show_default=True, help="The lab's name.", is_eager=True
    )
    return option(command)


def same_lab(name: str) -> str:
    """Return the words that name the lab again; none for the one that is meant without."""
    return "" if name == DEFAULT_NAME else f" --name {name}"


def machine(command: Command) -> Command:
    """Give a verb the name of one machine."""
    argument = click.argument("machine", shell_complete=complete_machines)
    return argument(command)
