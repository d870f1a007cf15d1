"""YAML as a person would write it, from plain values; the same values give the same text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

# Text that no YAML reader takes for anything but a string: begins with a letter or a slash, and
# has none of the signs that mean something.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9/._-]*(:[A-Za-z0-9/._-]+)*")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def yaml_text(document: Mapping[str, object]) -> str:
    """Return the document in block style, keys in the order given, with a newline at the end."""
    return "\n".join(_mapping(document, "")) + "\n"


def _mapping(value: Mapping[str, object], indent: str) -> Iterator[str]:
    for key, item in value.items():
        yield from _entry(f"{indent}{_scalar(key)}:", item, f"{indent}  ")


def _sequence(value: Sequence[object], indent: str) -> Iterator[str]:
    for item in value:
        if isinstance(item, Mapping) and item:
            first, *rest = _mapping(item, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield from _entry(f"{indent}-", item, f"{indent}  ")


def _entry(head: str, item: object, indent: str) -> Iterator[str]:
    """Yield `head` with the item behind it, or below it when it has parts."""
    if isinstance(item, Mapping) and item:
        yield head
        yield from _mapping(item, indent)
    elif isinstance(item, list | tuple) and item:
        yield head
        yield from _sequence(item, indent)
    else:
        yield f"{head} {_scalar(item)}"


def _scalar(value: object) -> str:
    """Return a value without parts: JSON is YAML, so quoting is JSON's."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
