"""As much of JSON Schema (draft 2020-12) as the schema of `cluster.yaml` makes use of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

Schema = Mapping[str, Any]
TELLING = {"$schema", "$defs", "title", "description", "default", "examples"}
"""Keywords that ask for nothing (Core §8, Validation §9)."""
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
_FORMATS: Mapping[str, Callable[[str], object]] = {
    "ipv4": IPv4Address,
    "ipv6": IPv6Address,
    "ipv4network": IPv4Network,
    "ipv6network": IPv6Network,
}


def parts(schema: Schema) -> Iterator[Schema]:
    """Yield the schema and all that are written within it."""
    yield schema
    inner = [*schema.get("anyOf", ()), *schema.get("properties", {}).values()]
    inner += schema.get("$defs", {}).values()
    inner += [schema[key] for key in ("items", "propertyNames") if key in schema]
    more = schema.get("additionalProperties")
    for one in (*inner, *((more,) if isinstance(more, dict) else ())):
        yield from parts(one)


def accepts(whole: Schema, value: object, part: Schema | None = None) -> bool:
    """Whether the value is as the part (or the whole) asks; KeyError of a keyword not known."""
    asked = whole if part is None else part
    return all(_RULES[keyword](whole, asked, value) for keyword in asked if keyword not in TELLING)


def _is_type(_whole: Schema, asked: Schema, value: object) -> bool:
    if isinstance(value, bool) and asked["type"] != "boolean":
        return False
    return isinstance(value, _TYPES[asked["type"]])


def _has_format(_whole: Schema, asked: Schema, value: object) -> bool:
    try:
        _FORMATS[asked["format"]](str(value))
    except ValueError:
        return False
    return True


def _properties(whole: Schema, asked: Schema, value: object) -> bool:
    known = asked["properties"]
    return not isinstance(value, dict) or all(
        accepts(whole, inner, known[key]) for key, inner in value.items() if key in known
    )


def _others(whole: Schema, asked: Schema, value: object) -> bool:
    others = set(value) - set(asked.get("properties", ())) if isinstance(value, dict) else set()
    more = asked["additionalProperties"]
    if isinstance(more, bool):
        return more or not others
    return all(accepts(whole, value[key], more) for key in others)  # type: ignore[index]


def _each(whole: Schema, asked: Schema, value: object) -> bool:
    return not isinstance(value, list) or all(accepts(whole, one, asked["items"]) for one in value)


def _names(whole: Schema, asked: Schema, value: object) -> bool:
    return not isinstance(value, dict) or all(
        accepts(whole, name, asked["propertyNames"]) for name in value
    )


def _follow(whole: Schema, asked: Schema, value: object) -> bool:
    place, _, name = asked["$ref"].rpartition("/")
    assert place == "#/$defs"
    return accepts(whole, value, whole["$defs"][name])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_RULES: Mapping[str, Callable[[Schema, Schema, Any], bool]] = {
    "type": _is_type,
    "enum": lambda _, asked, value: value in asked["enum"],
    "anyOf": lambda whole, asked, value: any(accepts(whole, value, o) for o in asked["anyOf"]),
    "$ref": _follow,
    "properties": _properties,
    "required": lambda _, asked, value: (
        not isinstance(value, dict) or set(asked["required"]) <= set(value)
    ),
    "additionalProperties": _others,
    "propertyNames": _names,
    "items": _each,
    "uniqueItems": lambda _, asked, value: (
        not (asked["uniqueItems"] and isinstance(value, list))
        or len({repr(one) for one in value}) == len(value)
    ),
    "minimum": lambda _, asked, value: not _is_number(value) or value >= asked["minimum"],
    "maximum": lambda _, asked, value: not _is_number(value) or value <= asked["maximum"],
    "pattern": lambda _, asked, value: (
        not isinstance(value, str) or bool(re.search(asked["pattern"], value))
    ),
    "format": _has_format,
}
