"""Write a `cluster.yaml` that says again what was said in the one that a specification is of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from backstay.spec.model import ClusterSpec

_NOTES = {
    "endpoint": "Where clients find the API.",
    "hosts": "The machines; a control plane also runs etcd and a balancer unless others do.",
    "ssh": "How the machines are reached.",
}
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/.")


def render(spec: ClusterSpec) -> str:
    """Return the text; reading it gives an equal specification."""
    values = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    values = {"name": spec.name, "kubernetes": spec.kubernetes, **values}
    for host in values["hosts"]:
        host["roles"] = sorted(host["roles"])
    blocks = []
    for key, value in values.items():
        note = f"# {_NOTES[key]}\n" if key in _NOTES else ""
        blocks.append(note + "\n".join(_lines(key, value, 0)))
    return "\n".join(blocks) + "\n"


def _lines(key: str, value: Any, depth: int) -> Iterator[str]:  # noqa: ANN401  # JSON values
    pad = "  " * depth
    match value:
        case Mapping() if value:
            yield f"{pad}{key}:"
            for inner, one in value.items():
                yield from _lines(inner, one, depth + 1)
        case [Mapping(), *_]:
            yield f"{pad}{key}:"
            for one in value:
                yield from _item(one, depth + 1)
        case _:
            yield f"{pad}{key}: {_scalar(value)}"


def _item(value: Mapping[str, Any], depth: int) -> Iterator[str]:
    lead = "- "
    for key, one in value.items():
        yield f"{'  ' * depth}{lead}{key}: {_scalar(one)}"
        lead = "  "


def _scalar(value: Any) -> str:  # noqa: ANN401  # JSON values
    if isinstance(value, list):
        return f"[{', '.join(_scalar(one) for one in value)}]"
    if isinstance(value, str) and value and set(value) <= _PLAIN and value[0].isalpha():
        reserved = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
        return json.dumps(value) if value.lower() in reserved else value
    return json.dumps(value, ensure_ascii=False)
