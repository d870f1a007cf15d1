"""`backstay tune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from backstay.cli.commands import verb
from backstay.cli.console import Console, Report
from backstay.cli.session import console_of, finished, read_spec

if TYPE_CHECKING:
    from backstay.operations.tune import Tuning
    from backstay.spec.model import ClusterSpec

TOO_QUICK = 2


@verb(
    "tune",
    examples=(
        "backstay tune",
        "backstay tune -o wide",
        "backstay tune -o json | jq -r .cluster_yaml",
    ),
    exits=(0, 2, 3, 4),
    exit_0="the timers of cluster.yaml fit the machines that answer",
    exit_2="they are quicker than the machines allow, none fit, or too little was measured",
    exit_4="no machine answers",
)
@click.pass_context
def tune(ctx: click.Context) -> int:
    """Measure the machines, and propose the timers that decide a failover.

    Round trips between members, fsync, and how late a process runs are measured for a few
    seconds; what etcd counted of itself is used where it suffices. Nothing is changed: the
    lines for cluster.yaml are printed, and apply brings them in, one machine at a time.

    A machine that says nothing for ten seconds is named, and the others are measured.
    """
    from backstay.cli.tuning_text import document, text

    console = console_of(ctx)
    spec = read_spec(console.settings)
    found = finished(_tuning(console, spec), console.settings)
    names = (one.host for one in found.measured)
    console.show(Report(document(found), lambda look: text(found, look), dict.fromkeys(names)))
    return 0 if found.fits else TOO_QUICK


async def _tuning(console: Console, spec: ClusterSpec) -> Tuning:
    from backstay.cli.progress import following
    from backstay.operations.session import session
    from backstay.operations.tune import tune as ask

    with following(console) as follower:
        async with session(spec, tell=follower.tell) as world:
            return await ask(spec, world=world)
