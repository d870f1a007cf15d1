"""`backstay drill list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from backstay.cli.commands import verb
from backstay.cli.completing import complete_scenarios, complete_suites
from backstay.cli.console import Report
from backstay.cli.session import console_of

if TYPE_CHECKING:
    from backstay.drill.faults.scenario import Scenario


@verb(
    "list",
    examples=(
        "backstay drill list",
        "backstay drill list apiserver-freeze",
        "backstay drill list --suite quick",
    ),
    exits=(0, 64),
)
@click.argument("name", required=False, shell_complete=complete_scenarios)
@click.option(
    "--suite", metavar="NAME", help="Only those of a set.", shell_complete=complete_suites
)
@click.pass_context
def list_(ctx: click.Context, *, name: str | None, suite: str | None) -> None:
    """List the scenarios with their targets and promises, or explain one; -o wide explains all."""
    from backstay.cli.scenario_text import explanation, list_text
    from backstay.drill.faults.catalogue import SUITES

    found = _chosen(name, suite)
    names = tuple(one.name for one in found)
    whole: dict[str, object] = {
        "apiVersion": "backstay.dev/v1",
        "kind": "ScenarioList",
        "items": [_document(one) for one in found],
    }
    sizes = {each: len(held) for each, held in SUITES.items()}
    console = console_of(ctx)
    if name is None:
        console.show(Report(whole, lambda look: list_text(found, sizes, look), names))
    else:
        console.show(Report(whole, lambda look: explanation(found[0], look), names))


def _chosen(name: str | None, suite: str | None) -> tuple[Scenario, ...]:
    from backstay.drill.faults import catalogue

    if name is not None and suite is not None:
        raise click.UsageError("either a scenario or a suite is listed")
    if name is not None:
        return (catalogue.scenario(name),)
    return tuple(catalogue.SCENARIOS.values()) if suite is None else catalogue.suite(suite)


def _document(one: Scenario) -> dict[str, object]:
    from backstay.drill.faults.catalogue import SUITES

    return {
        "name": one.name,
        "explanation": one.explanation,
        "target": one.target,
        "seconds": one.seconds,
        "objectives": list(one.objectives),
        "planned": one.is_planned,
        "needs_power": one.needs_power,
        "needs_disk": one.needs_disk,
        "shows": list(one.shows),
        "suites": [name for name, held in SUITES.items() if one.name in held],
    }
