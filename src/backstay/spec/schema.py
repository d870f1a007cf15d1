"""The JSON Schema of `cluster.yaml`, and a page of reference made from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from backstay.spec.model import ClusterSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) with every key, default and meaning."""
    made = ClusterSpec.model_json_schema(by_alias=True)
    return {"$schema": DIALECT, **made, "title": "cluster.yaml of backstay"}


def reference() -> str:
    """Return docs/cluster-yaml.md: one table per part, made from the schema."""
    made = schema()
    parts = {"ClusterSpec": made, **made.get("$defs", {})}
    pages = [_table(name, part) for name, part in parts.items() if "properties" in part]
    return "\n".join(("# cluster.yaml", "", *pages))


def _table(name: str, part: Mapping[str, Any]) -> str:
    title = "Top level" if name == "ClusterSpec" else name
    rows = "\n".join(_rows(part))
    head = "| key | type | default | meaning |\n|---|---|---|---|"
    return f"## {title}\n\n{_line(part.get('description', ''))}\n\n{head}\n{rows}\n"


def _rows(part: Mapping[str, Any]) -> Iterator[str]:
    needed = part.get("required", ())
    for key, field in part["properties"].items():
        default = "**needed**" if key in needed else f"`{_default(field)}`"
        yield f"| `{key}` | {_type(field)} | {default} | {_line(field.get('description', ''))} |"


def _default(field: Mapping[str, Any]) -> str:
    return json.dumps(field.get("default"), ensure_ascii=False)


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        name = str(field["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"] if one.get("type") != "null")
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    return str(field.get("format") or field.get("type") or "any")
