"""`backstay apply`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from backstay.cli.commands import verb
from backstay.cli.session import console_of, finished, read_spec
from backstay.errors import ConfigError


@verb(
    "apply",
    examples=(
        "backstay apply",
        "backstay apply --yes --progress plain",
        "backstay plan --out plan.json && backstay apply plan.json",
    ),
    exits=(0, 1, 3, 4, 5, 130),
)
@click.argument("planfile", required=False, type=click.Path(path_type=Path))
@click.option("--yes", "-y", is_flag=True, help="Perform the plan without asking.")
@click.pass_context
def apply(ctx: click.Context, *, planfile: Path | None, yes: bool) -> None:
    """Make the machines as cluster.yaml says.

    The plan is shown first, and performed after you agree. To resume is to run it again: what is
    as wished is left alone. With PLANFILE, only that plan is performed, without asking; it is
    refused when the machines or cluster.yaml changed since it was saved.
    """
    from backstay.cli.applying import Agreement, run_apply

    console = console_of(ctx)
    expected = None if planfile is None else saved_identity(planfile)
    spec = read_spec(console.settings)
    finished(run_apply(console, spec, Agreement(yes, expected)), console.settings)


def saved_identity(path: Path) -> str:
    """Return the identity of a plan that `plan --out` wrote; ConfigError when it is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["kind"] == "Plan":
            return str(document["identity"])
        why = f"its kind is {document['kind']!r}"
    except (OSError, ValueError) as error:
        why = str(error)
    except (KeyError, TypeError):
        why = "it has no kind or no identity"
    raise ConfigError(
        f"{path} is not a saved plan",
        where=str(path),
        why=why,
        next_move=f"backstay plan --out {path}",
    )
