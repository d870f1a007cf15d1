"""`backstay lab up` and `backstay lab down`."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from backstay.cli.commands import verb
from backstay.cli.console import Console
from backstay.cli.session import console_of, finished, read_spec
from backstay.cli.verbs.lab_options import lab_name, same_lab

if TYPE_CHECKING:
    from pathlib import Path

    from backstay.lab import Lab, LabWish


@verb(
    "up",
    examples=(
        "backstay lab up",
        "backstay lab up --control-plane 1 --workers 0 --name small",
        "backstay lab up --machines-only",
    ),
    exits=(0, 1, 3, 4, 5, 130),
)
@click.option("--control-plane", type=int, default=3, show_default=True, help="How many.")
@click.option("--workers", type=int, default=1, show_default=True, help="How many.")
@click.option("--load-balancers", type=int, default=0, show_default=True, help="How many.")
@click.option("--kubernetes", metavar="VERSION", help="Which Kubernetes. [default: the newest]")
@click.option("--machines-only", is_flag=True, help="Make the machines, but no cluster.")
@lab_name
@click.pass_context
def up(
    ctx: click.Context,
    *,
    control_plane: int,
    workers: int,
    load_balancers: int,
    kubernetes: str | None,
    machines_only: bool,
    name: str,
) -> None:
    """Make machines on this computer, and a cluster on them.

    The machines get a cluster.yaml with pinned host keys; then it is exactly `backstay apply`.
    What is there already is kept: to go on after an interruption is to run it again.
    """
    from backstay.lab import LabWish

    wish = LabWish(name, control_plane, workers, load_balancers)
    if kubernetes is not None:
        wish = replace(wish, kubernetes=kubernetes.removeprefix("v"))
    console = console_of(ctx)
    began = time.monotonic()
    config = finished(_machines(console, wish), console.settings)
    if not machines_only:
        _cluster(console, config, name, began)


async def _machines(console: Console, wish: LabWish) -> Path:
    """Make the machines, and return the path of their cluster.yaml."""
    from backstay.cli.progress import following
    from backstay.fleet.events import Note
    from backstay.lab import places_of, up

    with following(console) as follower:
        lab = await up(wish, progress=lambda text: follower.tell(Note(text, host="lab")))
    config = places_of(lab.name).cluster
    console.talk(_made(lab, config))
    return config


def _made(lab: Lab, config: Path) -> str:
    machines = ", ".join(f"{one.name} {one.address}" for one in lab.machines)
    return f"Machines of lab {lab.name}: {machines}\nThe same as: backstay apply -c {config}"


def _cluster(console: Console, config: Path, name: str, began: float) -> None:
    from backstay.cli.applying import Agreement, run_apply, spoken

    inside = replace(console, settings=replace(console.settings, config=str(config)))
    finished(run_apply(inside, read_spec(inside.settings), Agreement(yes=True)), inside.settings)
    console.talk(
        f"Ready in {spoken(time.monotonic() - began)}.   "
        f"Look: backstay status -c {config}   "
        f"Use: backstay kubeconfig -c {config}   "
        f"Remove: backstay lab down{same_lab(name)}"
    )


@verb(
    "down",
    examples=("backstay lab down", "backstay lab down --name small"),
    exits=(0, 1, 3),
)
@lab_name
@click.pass_context
def down(ctx: click.Context, *, name: str) -> None:
    """Remove a lab whole: machines, links, files, and its cluster. Caches are kept."""
    from backstay.lab import down as remove

    console = console_of(ctx)
    was_there = finished(remove(name), console.settings)
    console.talk(f"Lab {name} is gone." if was_there else f"There is no lab {name}.")
