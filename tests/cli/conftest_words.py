"""Every verb there is, as words: taken from the program itself."""

from __future__ import annotations

import click

from backstay.cli.main import backstay as program


def _below(command: click.Command, words: tuple[str, ...]) -> list[tuple[str, ...]]:
    found = [words]
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None
            found += _below(inner, (*words, name))
    return found


VERBS = _below(program, ())
