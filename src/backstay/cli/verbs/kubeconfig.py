"""`backstay kubeconfig`."""

from __future__ import annotations

import getpass
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backstay.cli.commands import verb
from backstay.cli.console import Console
from backstay.cli.options import Duration
from backstay.cli.session import console_of, finished, read_spec
from backstay.cli.settings import STDIN
from backstay.errors import RejectedError

if TYPE_CHECKING:
    from backstay.fleet.kubeconfigs import Access
    from backstay.spec.model import ClusterSpec


@verb(
    "kubeconfig",
    examples=(
        "backstay kubeconfig && kubectl get nodes",
        "backstay kubeconfig --ttl 1h -o - > short.conf",
        "backstay kubeconfig -o prod.conf --user deploy",
    ),
    exits=(0, 1, 3, 4),
)
@click.option("--ttl", type=Duration(), help="How long it is valid. [default: pki.adminLifetime]")
@click.option("--user", metavar="NAME", help="Who you are in audit logs. [default: your login]")
@click.option(
    "-o",
    "--output",
    metavar="FILE|-",
    envvar="BACKSTAY_KUBECONFIG_OUTPUT",
    help="Write a file of its own, or print (-), instead of merging.",
)
@click.option("--stdout", is_flag=True, help="The same as -o -.")
@click.pass_context
def kubeconfig(
    ctx: click.Context, *, ttl: float | None, user: str | None, output: str | None, stdout: bool
) -> None:
    """Give yourself access with kubectl for some hours.

    A client certificate is issued in memory and merged into $KUBECONFIG or ~/.kube/config, whose
    old text is kept beside it. The context is named after the cluster, and becomes the current one.
    """
    console = console_of(ctx)
    spec = read_spec(console.settings)
    lifetime = None if ttl is None else timedelta(seconds=ttl)
    work = _access(console, spec, user or getpass.getuser(), lifetime)
    access = finished(work, console.settings)
    if stdout or output == STDIN:
        _print(console, access)
    else:
        _store(console, access, None if output is None else Path(output))


async def _access(
    console: Console, spec: ClusterSpec, user: str, lifetime: timedelta | None
) -> Access:
    from backstay.cli.progress import following
    from backstay.operations.kubeconfig import control_planes_only, make_access
    from backstay.operations.session import session

    with following(console) as follower:
        async with session(control_planes_only(spec), tell=follower.tell) as world:
            return await make_access(spec, world=world, user=user, lifetime=lifetime)


def _print(console: Console, access: Access) -> None:
    from backstay.fleet.kubeconfigs import merged

    console.data(merged("", access, where="standard output"))


def _store(console: Console, access: Access, path: Path | None) -> None:
    from backstay.fleet.kubeconfigs import default_path, merge_into, merged, write_private

    target = path or default_path(os.environ)
    backup = None
    try:
        if path is None:
            backup = merge_into(target, access)
        else:
            write_private(path, merged("", access, where=str(path)))
    except OSError as error:
        raise RejectedError(
            "the kubeconfig cannot be written",
            where=str(target),
            why=str(error),
            next_move="print it instead: backstay kubeconfig -o -",
        ) from error
    kept = f" (its old text is in {backup})" if backup else ""
    console.talk(f"Wrote {target}{kept}. Try: kubectl --context {access.cluster} get nodes")
