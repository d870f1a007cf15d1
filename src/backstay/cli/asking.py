"""Questions to the person: never asked of a pipe, never answered by silence."""

from __future__ import annotations

import sys

import click

from backstay.cli.console import Console
from backstay.cli.interrupt import answering


def confirmed(console: Console, question: str) -> bool:
    """Ask `[y/N]`; a usage error when nobody is there to answer, so that no run ever hangs."""
    if not console.may_ask:
        raise click.UsageError(
            "a confirmation is needed, and nobody is there to give it: add --yes", _context()
        )
    console.err.write(f"{question} [y/N] ")
    console.err.flush()
    with answering():
        return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _context() -> click.Context | None:
    return click.get_current_context(silent=True)
