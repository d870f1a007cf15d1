"""The JSON Schema of `cluster.yaml`, and a page of reference made from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema

from backstay.spec.durations import format_duration
from backstay.spec.model import ClusterSpec
from backstay.spec.profiles import TIMERS

_HEAD = """\
# cluster.yaml

What may stand in it, made from the schema that `backstay config schema` prints for editors.
Where no default is told, nothing is said by default. Whole files: [examples](../examples).
"""
DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _AsWritten(GenerateJsonSchema):
    """Tells defaults as people write them: 365d, where the library's own form would be P1Y."""

    def encode_default(self, dft: object) -> Any:  # noqa: ANN401  # JSON values
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) with every key, meaning and default.

    A default is told where its key is, and only there: a part's are with its own keys.
    """
    made = ClusterSpec.model_json_schema(by_alias=True, schema_generator=_AsWritten)
    for field in made["properties"].values():
        if isinstance(field.get("default"), Mapping):
            del field["default"]
    return {"$schema": DIALECT, **made, "title": "cluster.yaml of backstay"}


def reference() -> str:
    """Return docs/cluster-yaml.md: one table per part, made from the schema."""
    made = schema()
    parts = {"ClusterSpec": made, **made["$defs"]}
    pages = [_table(name, part) if "properties" in part else "" for name, part in parts.items()]
    choices = [_choices(name, part) if "enum" in part else "" for name, part in parts.items()]
    return "\n".join((_HEAD, *filter(None, pages), *filter(None, choices), _profiles()))


def _profiles() -> str:
    """Return what each profile gives to the timers."""
    head = " | ".join(f"`{profile}`" for profile in TIMERS)
    columns = [timers.values() for timers in TIMERS.values()]
    rows = "\n".join(
        f"| `{to_camel(name)}` | {' | '.join(str(values[name]) for values in columns)} |"
        for name in columns[0]
    )
    ruler = "|---" * (len(columns) + 1)
    return f"## Timers of each profile\n\n| timer | {head} |\n{ruler}|\n{rows}\n"


def _table(name: str, part: Mapping[str, Any]) -> str:
    rows = "\n".join(_rows(part))
    head = "| key | type | default | meaning |\n|---|---|---|---|"
    return f"## {_title(name)}\n\n{_line(part['description'])}\n\n{head}\n{rows}\n"


def _choices(name: str, part: Mapping[str, Any]) -> str:
    words = ", ".join(f"`{word}`" for word in part["enum"])
    return f"## {name}\n\n{_line(part['description'])}\n\nOne of {words}.\n"


def _title(name: str) -> str:
    return "Top level" if name == "ClusterSpec" else name


def _rows(part: Mapping[str, Any]) -> Iterator[str]:
    needed = part.get("required", ())
    for key, field in part["properties"].items():
        default = "**needed**" if key in needed else _default(field)
        yield f"| `{key}` | {_type(field)} | {default} | {_line(field['description'])} |"


def _default(field: Mapping[str, Any]) -> str:
    """Return the default as it would be written; of a part, none of its own."""
    default = field.get("default")
    return "" if default is None else f"`{json.dumps(default, ensure_ascii=False)}`"


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _type(field: Mapping[str, Any]) -> str:
    match field:
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": choices}:
            return " or ".join(_type(one) for one in choices if one.get("type") != "null")
        case {"type": "array", "items": items}:
            return f"list of {_type(items)}"
        case {"type": "object", "propertyNames": names, "additionalProperties": values}:
            return f"{_type(names)} to {_type(values)}"
        case {"type": "object", "additionalProperties": values}:
            return f"any name to {_type(values)}"
        case {"minimum": least, "maximum": most}:
            return f"{field['type']} {least}-{most}"
        case _:
            return str(field.get("format") or field["type"])
