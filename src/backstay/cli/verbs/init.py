"""`backstay init`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from backstay.cli.commands import verb
from backstay.cli.console import Console
from backstay.cli.session import console_of
from backstay.errors import RejectedError, UsageError
from backstay.spec.limits import LARGEST_BYTES


@verb(
    "init",
    examples=(
        "backstay init 10.0.0.11 10.0.0.12 10.0.0.13 --vip 10.0.0.10",
        "backstay init cp-1=10.0.0.11 w-1=10.0.0.21 --control-plane 1 --endpoint api.prod --write",
        "backstay init --vip 10.0.0.10 --write",
    ),
    exits=(0, 3),
)
@click.argument("hosts", nargs=-1, metavar="[HOST]...")
@click.option("--name", default="cluster", show_default=True, help="The cluster's name.")
@click.option(
    "--control-plane",
    type=click.IntRange(min=1),
    help="How many of the machines without a role. [default: 3, or 1 of fewer]",
)
@click.option("--vip", metavar="ADDRESS", help="A free address that moves between balancers.")
@click.option("--endpoint", metavar="NAME", help="A name of yours for the API instead of --vip.")
@click.option("--write", is_flag=True, help="Write the file instead of printing it.")
@click.pass_context
def init(
    ctx: click.Context,
    *,
    hosts: tuple[str, ...],
    name: str,
    control_plane: int | None,
    vip: str | None,
    endpoint: str | None,
    write: bool,
) -> None:
    """Write a cluster.yaml from a list of machines; no machine is asked anything.

    HOST is ADDRESS or NAME=ADDRESS. Without any, lines `NAME ADDRESS ROLE...` are read from
    standard input. Host keys are pinned as far as your known_hosts file knows them.
    """
    from backstay.fleet.known_hosts import known_key, system_files
    from backstay.operations.init import Wanted, draft
    from backstay.spec.hostlist import read_lines

    console = console_of(ctx)
    lines = tuple(read_lines(hosts or _standard_input()))
    files = system_files()
    text = draft(
        lines,
        wanted=Wanted(name, control_plane, vip, endpoint),
        known_key=lambda address: known_key(address, files=files),
    )
    if write:
        _write(console, text)
    else:
        console.data(text)


def _standard_input() -> tuple[str, ...]:
    if sys.stdin.isatty():
        raise UsageError("no machines are given", next_move="backstay init HOST... --vip ADDRESS")
    from backstay.spec.source import decode

    data = sys.stdin.buffer.read(LARGEST_BYTES + 1)
    return tuple(decode(data, name="standard input").splitlines()) if data.strip() else ()


def _write(console: Console, text: str) -> None:
    path = console.settings.config_path or Path("/dev/stdout")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise RejectedError(
            f"{path} is there already",
            where=str(path),
            why="what you wrote is never overwritten",
            next_move="name another: backstay -c FILE init ...",
        ) from error
    except OSError as error:
        raise RejectedError(f"{path} cannot be written", where=str(path), why=str(error)) from error
    console.talk(f"Wrote {path}. Look at it, then: backstay plan -c {path}")
