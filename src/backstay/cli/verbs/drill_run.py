"""`backstay drill run`, `suite` and `undo`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backstay.cli.commands import verb
from backstay.cli.drilling import checked_objectives, lab_machines
from backstay.cli.options import Duration
from backstay.cli.session import console_of, finished, read_spec

if TYPE_CHECKING:
    from backstay.spec.model import ClusterSpec

HIGHEST_SEED = 999_999_999
EXITS = (0, 1, 2, 3, 4, 5, 64, 130)


def _shared(command: Callable[..., int]) -> Callable[..., int]:
    """Add what every drill takes."""
    options = (
        click.option("--confirm", metavar="NAME", default="", help="The cluster's name: no lab."),
        click.option(
            "--seed",
            type=click.IntRange(0, HIGHEST_SEED),
            default=0,
            help="Chooses targets and keys. [default: 0]",
        ),
        click.option(
            "--scale", type=float, default=1.0, help="Multiplies the load's rates. [default: 1]"
        ),
        click.option(
            "--output-dir",
            type=click.Path(path_type=Path, file_okay=False),
            help="Where results are kept. [default: with the cluster's journals]",
        ),
        click.option(
            "--junit",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write JUnit's XML too.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@verb(
    "run",
    examples=(
        "backstay drill run etcd-leader-kill",
        "backstay drill run machine-freeze-vip-holder --objective 'gap<1s,lost=0'",
        "backstay drill run apiserver-kill --target host:cp-2 --repeat 5",
    ),
    exits=EXITS,
    exit_2="a promise was broken, an objective missed, or nothing was proven",
    exit_5="the cluster is not whole, or is no lab and was not named",
)
@click.argument("name")
@click.option("--target", default="", help="Whom to hit: a role, or host:NAME.")
@click.option("--duration", type=Duration(), help="How long the fault stands.")
@click.option("--objective", multiple=True, help="What must hold, such as 'gap<2s,lost=0'.")
@click.option("--repeat", type=click.IntRange(1), default=1, help="How many times. [default: 1]")
@_shared
@click.pass_context
def run(
    ctx: click.Context,
    *,
    name: str,
    target: str,
    duration: float | None,
    objective: tuple[str, ...],
    repeat: int,
    confirm: str,
    seed: int,
    scale: float,
    output_dir: Path | None,
    junit: Path | None,
) -> int:
    """Drill one scenario: load, fault, healing, last reads, verdict."""
    from backstay.cli.drills import run_all
    from backstay.drill.faults.catalogue import scenario
    from backstay.drill.wish import Wish

    console = console_of(ctx)
    chosen = scenario(name)
    objectives = checked_objectives(objective)
    words = ["backstay", "drill", "run", name, "--seed", str(seed)]
    words += ["--target", target] if target else []
    wish = Wish(chosen, shlex.join(words), seed, target, duration, objectives, scale)
    spec = read_spec(console.settings)
    return run_all(
        console, spec, [wish] * repeat, confirm=confirm, parent=output_dir, junit_file=junit
    )


@verb(
    "suite",
    examples=(
        "backstay drill suite quick",
        "backstay drill suite default --junit drills.xml",
        "backstay drill suite planned",
    ),
    exits=EXITS,
    exit_2="a drill did not pass",
    exit_5="the cluster is not whole, or is no lab and was not named",
)
@click.argument("name", default="quick")
@_shared
@click.pass_context
def suite(
    ctx: click.Context,
    *,
    name: str,
    confirm: str,
    seed: int,
    scale: float,
    output_dir: Path | None,
    junit: Path | None,
) -> int:
    """Drill one scenario of a set after the other: quick, default, planned or all.

    What needs whole machines, or a disk of etcd's own, is left out where there is none.
    """
    from backstay.cli.drills import run_all
    from backstay.drill.wish import Wish
    from backstay.operations.drill_suite import chosen

    console = console_of(ctx)
    spec = read_spec(console.settings)
    scenarios = chosen(name, has_power=lab_machines(spec) is not None)
    wishes = [
        Wish(one, f"backstay drill run {one.name} --seed {seed}", seed, scale=scale)
        for one in scenarios
    ]
    return run_all(console, spec, wishes, confirm=confirm, parent=output_dir, junit_file=junit)


@verb(
    "undo",
    examples=("backstay drill undo",),
    exits=(0, 1, 3, 4),
    exit_0="nothing of any drill is left",
)
@click.pass_context
def undo(ctx: click.Context) -> None:
    """Undo at once what drills left on the machines, and what they would undo by themselves."""
    console = console_of(ctx)
    spec = read_spec(console.settings)
    found = finished(_undo(spec), console.settings)
    if not found:
        console.talk("Nothing of any drill is left.")
    for host, things in found.items():
        console.talk(f"{host}: undone: {'; '.join(things)}")


async def _undo(spec: ClusterSpec) -> dict[str, tuple[str, ...]]:
    from backstay.drill.undo import leftovers, undo_all
    from backstay.operations.session import session

    machines = lab_machines(spec)
    async with session(spec) as world:
        found = await leftovers(world, machines)
        await undo_all(world, machines)
    return dict(found)
