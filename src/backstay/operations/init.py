"""`backstay init`: the text of a cluster.yaml out of a list of machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from backstay.errors import UsageError
from backstay.spec.hostlist import Line
from backstay.spec.model import Role
from backstay.spec.parse import parse
from backstay.spec.write import render

# Three members are the fewest that survive the loss of one.
USUAL_CONTROL_PLANES = 3
V6 = 6
RANGES_V6 = {
    "pods": "fd00:10:244::/48",
    "podsPerNodePrefix": 64,
    "services": "fd00:10:96::/112",
}
"""The usual ranges, said in IPv6: 65,536 nodes, and as many Services."""
UNKNOWN_KEY = "# hostKey: not known here yet; compare it on the machine's console, then pin it:"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for beside the machines; `control_planes` None means the usual number."""

    name: str = "cluster"
    control_planes: int | None = None
    vip: str | None = None
    endpoint: str | None = None


def draft(lines: Sequence[Line], *, wanted: Wanted, known_key: Callable[[str], str | None]) -> str:
    """Return cluster.yaml; a machine whose host key is not known gets a comment instead.

    Raises UsageError without machines or endpoint, ConfigError when they make no cluster.
    """
    if not lines:
        raise UsageError("no machines are given", next_move="backstay init HOST... --vip ADDRESS")
    hosts = [_host(line, known_key) for line in _named(_with_roles(lines, wanted))]
    values = {"name": wanted.name, "endpoint": _endpoint(wanted, lines), "hosts": hosts}
    if all(line.address.version == V6 for line in lines):
        values["network"] = RANGES_V6
    # JSON is YAML: what you typed is judged by the rules that judge a file.
    spec = parse(json.dumps(values, indent=2), name="the cluster.yaml to be")
    return "\n".join(_with_comments(render(spec).splitlines(), hosts)) + "\n"


def _with_roles(lines: Sequence[Line], wanted: Wanted) -> Iterator[Line]:
    """Yield each machine with a role: the first that have none become control planes."""
    given = sum(Role.CONTROL_PLANE in line.roles for line in lines)
    usual = min(USUAL_CONTROL_PLANES, 1 if len(lines) < USUAL_CONTROL_PLANES else len(lines))
    missing = (usual if wanted.control_planes is None else wanted.control_planes) - given
    for line in lines:
        if line.roles:
            yield line
            continue
        role = Role.CONTROL_PLANE if missing > 0 else Role.WORKER
        missing -= 1
        yield replace(line, roles=frozenset({role}))
    if wanted.control_planes is not None and missing > 0:
        raise UsageError(
            f"{wanted.control_planes} control planes are asked for, {len(lines)} machines are given"
        )


def _named(lines: Iterable[Line]) -> Iterator[Line]:
    counts = dict.fromkeys(_PREFIXES, 0)
    for line in lines:
        role = next(role for role in _PREFIXES if role in line.roles)
        counts[role] += 1
        yield line if line.name else replace(line, name=f"{_PREFIXES[role]}-{counts[role]}")


_PREFIXES = {
    Role.CONTROL_PLANE: "cp",
    Role.ETCD: "etcd",
    Role.LOAD_BALANCER: "lb",
    Role.WORKER: "w",
}


def _host(line: Line, known_key: Callable[[str], str | None]) -> dict[str, object]:
    host: dict[str, object] = {"name": line.name, "address": str(line.address)}
    host["roles"] = sorted(line.roles)
    key = known_key(str(line.address))
    return host if key is None else {**host, "hostKey": key}


def _endpoint(wanted: Wanted, lines: Sequence[Line]) -> Mapping[str, str]:
    given = {"vip": wanted.vip, "name": wanted.endpoint}
    if said := {key: value for key, value in given.items() if value is not None}:
        return said
    if len(lines) == 1:
        return {"name": str(lines[0].address)}
    raise UsageError(
        "where shall clients find the API?",
        why="several machines need one address that moves between them",
        next_move="add --vip ADDRESS (a free one in their network) or --endpoint NAME",
    )


def _with_comments(lines: Iterable[str], hosts: Iterable[Mapping[str, object]]) -> Iterator[str]:
    unknown = {f'address: "{host["address"]}"' for host in hosts if "hostKey" not in host}
    for line in lines:
        yield line
        if line.strip() in unknown:
            indent = " " * (len(line) - len(line.lstrip()))
            address = line.split('"')[1]
            yield f"{indent}{UNKNOWN_KEY}"
            yield f"{indent}#   ssh-keyscan -t ed25519 {address}"
