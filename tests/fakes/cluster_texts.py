"""Texts of `cluster.yaml` for tests of its rules, and what is told of those that break one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from backstay.spec.parse import parse
from backstay.spec.problems import SpecError


def cluster(*, hosts: Mapping[str, str], **parts: str) -> str:
    """Return a cluster of hosts (`name: "address, roles"`) with other parts as they are written."""
    rows = (f"  - {{name: {name}, {rest}}}\n" for name, rest in hosts.items())
    others = "".join(f"{key}: {value}\n" for key, value in parts.items())
    return f"name: demo\n{others}hosts:\n{''.join(rows)}"


def machines(
    count: int, *, roles: str = "control-plane", prefix: str = "10.0.0.1"
) -> dict[str, str]:
    """Return so many machines of the roles, with names and addresses that differ."""
    first = roles.partition(",")[0]
    return {
        f"{first}-{number}": f'address: "{prefix}{number}", roles: [{roles}]'
        for number in range(1, count + 1)
    }


def told(text: str) -> list[tuple[str, str]]:
    """Return the path and the message of each problem; none of a good file."""
    try:
        parse(text)
    except SpecError as error:
        assert all(one.place is not None for one in error.problems)
        return [(".".join(map(str, one.path)), one.message) for one in error.problems]
    return []


def told_one(text: str) -> tuple[str, str]:
    """Return the path and the message of the only problem."""
    found = told(text)
    if len(found) != 1:
        pytest.fail(f"{len(found)} problems: {found}")
    return found[0]
