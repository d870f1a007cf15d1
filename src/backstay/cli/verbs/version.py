"""`backstay version`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from backstay.cli.commands import verb
from backstay.cli.console import Report
from backstay.cli.session import console_of
from backstay.cli.tables import table

if TYPE_CHECKING:
    from backstay.operations.version import Versions
    from backstay.planning.look import Look


@verb(
    "version",
    examples=("backstay version", "backstay version -o json | jq -r .releases[0].etcd"),
)
@click.pass_context
def version(ctx: click.Context) -> None:
    """Print our version, and the versions of Kubernetes and etcd that can be built."""
    from backstay.operations.version import versions

    console_of(ctx).show(_report(versions()))


HEAD = ("KUBERNETES", "ETCD", "CONTAINERD", "RUNC", "CNI", "COREDNS")


def _report(found: Versions) -> Report:
    def text(look: Look) -> str:
        rows = [
            (one.kubernetes, one.etcd, one.containerd, one.runc, one.cni, one.coredns)
            for one in found.releases
        ]
        ours = f"backstay {found.backstay}, Python {found.python}. What it builds and runs:"
        return f"{ours}\n\n{table(HEAD, rows, look=look)}"

    return Report(found.document(), text, (found.backstay,))
