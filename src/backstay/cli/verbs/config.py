"""`backstay config`: about cluster.yaml itself."""

from __future__ import annotations

import json

import click

from backstay.cli.commands import Entry, Verbs, verb
from backstay.cli.session import console_of


@click.group(
    cls=Verbs,
    sections={
        "Verbs": {
            "schema": Entry("backstay.cli.verbs.config:schema", "Print the JSON Schema."),
        }
    },
    examples=("backstay config schema > cluster.schema.json",),
)
def config() -> None:
    """About cluster.yaml itself."""


@verb(
    "schema",
    examples=(
        "backstay config schema > cluster.schema.json",
        "backstay config schema -o yaml",
    ),
)
@click.pass_context
def schema(ctx: click.Context) -> None:
    """Print the JSON Schema of cluster.yaml, for editors and checkers."""
    from backstay.cli.console import Report
    from backstay.operations.schema import schema as of_cluster

    found = of_cluster()
    as_text = json.dumps(found, indent=2, ensure_ascii=False)
    console_of(ctx).show(Report(found, lambda _look: as_text, (str(found.get("title", "")),)))
