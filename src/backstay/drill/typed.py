"""Fields of a history, held to the types that their dataclasses name: files get damaged."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from math import isfinite
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
Test = Callable[[Any], bool]

LARGEST = 2**63
"""Times are nanoseconds and revisions are int64; a longer number is no number of ours."""


def typed(kind: type[T], found: Mapping[str, Any]) -> T:
    """Return a dataclass of its fields' values; ValueError names the first of a wrong type."""
    tests = _tests(cast("Hashable", kind))
    for name, value in found.items():
        if (test := tests.get(name)) is None:
            raise ValueError(f"{name!r} is no field of {kind.__name__}")
        if not test(value):
            raise ValueError(f"{name} cannot be {str(value)[:40]!r}")
    return kind(**found)


@cache
def _tests(kind: Hashable) -> Mapping[str, Test]:
    return {name: _test(hint) for name, hint in get_type_hints(kind).items()}


def _test(hint: Any) -> Test:  # noqa: ANN401  # whatever may stand as a type of a field
    """Return what tells whether a value is of the type."""
    origin, parts = get_origin(hint), [_test(one) for one in get_args(hint) if one is not ...]
    if origin in {Union, UnionType}:
        return lambda value: any(part(value) for part in parts)
    if origin is tuple:
        return lambda value: isinstance(value, tuple) and all(map(parts[0], value))
    if origin is Mapping:
        key, content = parts
        return lambda value: (
            isinstance(value, dict) and all(map(key, value)) and all(map(content, value.values()))
        )
    return _PLAIN.get(hint, lambda value: isinstance(value, hint))


def _is_number(value: object) -> bool:
    return type(value) is int and -LARGEST < value < LARGEST


def _is_real(value: object) -> bool:
    return _is_number(value) or (isinstance(value, float) and isfinite(value))


def _is_text(value: object) -> bool:
    """Half a pair of UTF-16, which JSON can escape, is no text that could be written again."""
    return isinstance(value, str) and not _HALF.search(value)


_HALF = re.compile("[\ud800-\udfff]")
_PLAIN: Mapping[Any, Test] = {int: _is_number, float: _is_real, str: _is_text}
