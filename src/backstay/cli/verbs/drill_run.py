"""`backstay drill run`, `suite` and `undo`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from backstay.cli.commands import verb
from backstay.cli.completing import complete_scenarios, complete_suites, complete_targets
from backstay.cli.drilling import checked_objectives, checked_target, lab_machines
from backstay.cli.options import Duration, Factor
from backstay.cli.session import console_of, finished, read_spec

HIGHEST_SEED = 999_999_999
SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 10_800.0
"""Within what the clients' certificates last (drill.entry)."""
EXITS = (0, 1, 2, 3, 4, 5, 64, 130)


def _shared(command: Callable[..., int]) -> Callable[..., int]:
    """Add what every drill takes."""
    options = (
        click.option(
            "--confirm",
            metavar="NAME",
            help="The cluster's name, and no other; needed unless it is a lab of this computer.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(0, HIGHEST_SEED),
            default=0,
            help="Chooses targets and keys. [default: 0]",
        ),
        click.option(
            "--scale",
            type=Factor(0.01, 100.0),
            default=1.0,
            help="Multiplies the load's rates. [default: 1]",
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
    exit_5="the cluster is not whole, is no lab and was not named, or another was named",
)
@click.argument("name", shell_complete=complete_scenarios)
@click.option(
    "--target",
    default="",
    help="Whom to hit: host:NAME, or a role (docs/drill-report.md).",
    shell_complete=complete_targets,
)
@click.option(
    "--duration",
    type=Duration(least=SHORTEST_SECONDS, most=LONGEST_SECONDS),
    help="How long the fault stands.",
)
@click.option(
    "--objective",
    multiple=True,
    help="What must hold, such as 'gap<2s,lost=0' (names: docs/drill-report.md).",
)
@click.option(
    "--repeat",
    type=click.IntRange(1),
    help="How many times; one table then tells of all. [default: 1]",
)
@_shared
@click.pass_context
def run(
    ctx: click.Context,
    *,
    name: str,
    target: str,
    duration: float | None,
    objective: tuple[str, ...],
    repeat: int | None,
    confirm: str | None,
    seed: int,
    scale: float,
    output_dir: Path | None,
    junit: Path | None,
) -> int:
    """Drill one scenario: load, fault, healing, last reads, verdict."""
    from backstay.cli.drills import Asked, Shape, run_all
    from backstay.cli.repeating import repeatable
    from backstay.drill.faults.catalogue import scenario
    from backstay.drill.wish import Wish

    console = console_of(ctx)
    wish = Wish(scenario(name), "", seed, target, duration, checked_objectives(objective), scale)
    wish = repeatable(wish, console.settings, confirm=confirm)
    spec = read_spec(console.settings)
    checked_target(target, spec)
    shape = Shape.ONE if repeat is None else Shape.MANY
    return run_all(console, spec, Asked([wish] * (repeat or 1), shape, confirm, output_dir, junit))


@verb(
    "suite",
    examples=(
        "backstay drill suite quick",
        "backstay drill suite default --junit drills.xml",
        "backstay drill suite planned",
    ),
    exits=EXITS,
    exit_2="a drill did not pass",
    exit_5="the cluster is not whole, is no lab and was not named, or another was named",
)
@click.argument("name", default="quick", shell_complete=complete_suites)
@_shared
@click.pass_context
def suite(
    ctx: click.Context,
    *,
    name: str,
    confirm: str | None,
    seed: int,
    scale: float,
    output_dir: Path | None,
    junit: Path | None,
) -> int:
    """Drill the scenarios of a set: quick (if none is named), default, numbers, planned, all.

    What needs the power of machines, or gives etcd a disk of its own, is left out where the cluster
    is no lab of this computer. What a set holds: backstay drill list --suite NAME.
    """
    from backstay.cli.drills import Asked, Shape, run_all
    from backstay.cli.repeating import repeatable
    from backstay.drill.faults.catalogue import suite as of_suite
    from backstay.drill.wish import Wish
    from backstay.operations.drill_suite import chosen

    console = console_of(ctx)
    scenarios = of_suite(name)
    spec = read_spec(console.settings)
    possible, left_out = chosen(scenarios, has_power=lab_machines(spec) is not None)
    wishes = [
        repeatable(Wish(one, "", seed, scale=scale), console.settings, confirm=confirm)
        for one in possible
    ]
    missing = tuple(one.name for one in left_out)
    return run_all(console, spec, Asked(wishes, Shape.MANY, confirm, output_dir, junit, missing))


@verb(
    "undo",
    examples=("backstay drill undo",),
    exits=(0, 1, 3, 4, 5),
    exit_0="nothing of any drill is left",
    exit_1="something is still there, or could not be undone; safe to run again",
    exit_4="machines could not be asked; the others are undone",
    exit_5="somebody drills or changes the cluster just now; nothing was changed",
)
@click.option(
    "--force",
    is_flag=True,
    help="Undo also what somebody drills just now, as where that hangs.",
)
@click.pass_context
def undo(ctx: click.Context, *, force: bool) -> None:
    """Undo at once what drills left, and what the machines would undo by themselves.

    Namespaces and keys of all drills are removed as well. While somebody drills or changes the
    cluster nothing is undone, and it says who: a drill undoes what it broke, also when stopped.
    """
    from backstay.operations import drill_undo

    console = console_of(ctx)
    spec = read_spec(console.settings)
    told: list[str] = []

    def tell(where: str, what: str) -> None:
        told.append(where)
        console.talk(f"{where}: undone: {what}")

    undoing = drill_undo.undo if force else drill_undo.undo_alone
    finished(undoing(spec, lab_machines(spec), tell=tell), console.settings)
    if not told:
        console.talk("Nothing of any drill is left.")
