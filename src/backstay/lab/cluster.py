"""Write the `cluster.yaml` of a lab: the same file that an owner of real machines writes."""

from __future__ import annotations

import json
from pathlib import Path

from backstay.lab.model import API_PORT, Lab, Machine

HEADER = "# Written by `backstay lab up`, and yours to change: a changed file is left as it is.\n"


def cluster_text(lab: Lab, *, key: Path) -> str:
    """Return `cluster.yaml` for a lab whose machines are opened by the private key in `key`."""
    return HEADER + "".join(
        (
            f"name: {lab.name}\n",
            f"kubernetes: {_quoted(lab.kubernetes)}\n",
            "endpoint:\n",
            f"  vip: {_quoted(str(lab.vip))}\n",
            f"  port: {API_PORT}\n",
            f"  virtualRouterId: {lab.index + 1}\n",
            "ssh:\n",
            "  user: root\n",
            f"  key: {_quoted(str(key))}\n",
            "hosts:\n",
            *(_host(machine) for machine in lab.machines),
        )
    )


def _host(machine: Machine) -> str:
    return (
        f"  - name: {machine.name}\n"
        f"    address: {_quoted(str(machine.address))}\n"
        f"    roles: [{machine.role.value}]\n"
        f"    hostKey: {_quoted(machine.host_key)}\n"
    )


def _quoted(text: str) -> str:
    """Return a string of JSON, which is a string of YAML."""
    return json.dumps(text)


def write_cluster(path: Path, *, old: str | None, new: str) -> None:
    """Write the text, unless the file holds something else than what we wrote there before."""
    if not path.exists() or path.read_text() == old:
        path.write_text(new)
