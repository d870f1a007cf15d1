"""`backstay status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from backstay.cli.commands import verb
from backstay.cli.console import Console, Report
from backstay.cli.session import console_of, finished, read_spec

if TYPE_CHECKING:
    from backstay.planning.health import ClusterHealth
    from backstay.spec.model import ClusterSpec

NOT_HEALTHY = 2


@verb(
    "status",
    examples=(
        "backstay status",
        "backstay status -o json | jq .verdict",
        "backstay status -o wide",
    ),
    exits=(0, 2, 3, 4),
    exit_0="the cluster is healthy",
    exit_2="it is degraded or down; what is wrong is listed",
    exit_4="no machine answers",
)
@click.pass_context
def status(ctx: click.Context) -> int:
    """Show how the cluster is, right now; machines that are down are shown as such."""
    from backstay.cli.health_table import document, text
    from backstay.planning.health import Verdict

    console = console_of(ctx)
    spec = read_spec(console.settings)
    found = finished(_health(console, spec), console.settings)
    names = (host.name for host in found.hosts)
    console.show(Report(document(found), lambda look: text(found, look), names))
    return 0 if found.verdict is Verdict.HEALTHY else NOT_HEALTHY


async def _health(console: Console, spec: ClusterSpec) -> ClusterHealth:
    from backstay.cli.progress import following
    from backstay.operations.session import session
    from backstay.operations.status import status as ask

    with following(console) as follower:
        async with session(spec, tell=follower.tell) as world:
            return await ask(spec, world=world)
