"""Read `cluster.yaml`: text in, specification out, or every problem with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import islice
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from backstay.spec.model import ClusterSpec
from backstay.spec.partial import readable
from backstay.spec.problems import Path, Problem, SpecError, nearest
from backstay.spec.rules import Violation, violations
from backstay.spec.source import MOST_PROBLEMS, Source, decode, read

_MESSAGES = {
    "missing": "the key {key!r} is missing",
    "extra_forbidden": "there is no key {key!r} here",
    "string_type": "a text is needed; write it in quotes",
    "int_type": "a whole number is needed",
    "int_parsing": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "bool_type": "true or false is needed",
    "model_type": "a mapping is needed, such as {{key: value}}",
    "model_attributes_type": "a mapping is needed, such as {{key: value}}",
    "dict_type": "a mapping is needed, such as {{key: value}}",
    "tuple_type": "a list is needed, such as [one, two]",
    "frozen_set_type": "a list is needed, such as [one, two]",
    "ip_v4_address": "this is no IPv4 or IPv6 address",
    "ip_v6_address": "this is no IPv4 or IPv6 address",
    "ip_any_address": "this is no IPv4 or IPv6 address",
    "ip_v4_network": "this is no network, such as 10.244.0.0/16 (without host bits)",
    "ip_v6_network": "this is no network, such as 10.244.0.0/16 (without host bits)",
}


def parse(data: bytes | str, *, name: str = "cluster.yaml") -> ClusterSpec:
    """Return the specification; SpecError with every problem, each with line and column."""
    source = read(decode(data, name=name), name=name)
    try:
        spec = ClusterSpec.model_validate(source.value)
    except ValidationError as error:
        shape = _unique(_problem(detail, source) for detail in error.errors(include_url=False))
        problems = tuple(islice(shape, MOST_PROBLEMS))
        raise SpecError((*problems, *_of_the_rest(problems, source)), name=name) from None
    broken = tuple(_broken(one, one.path, source) for one in violations(spec))
    if broken:
        raise SpecError(broken[:MOST_PROBLEMS], name=name)
    return spec


def _of_the_rest(problems: Sequence[Problem], source: Source) -> Iterator[Problem]:
    """Yield what rules find in the part that could be read: all mistakes are told at once."""
    rest = readable(source.value, (problem.path for problem in problems))
    if rest is None:
        return
    try:
        spec = ClusterSpec.model_validate(rest.value)
    except ValidationError:
        return
    for one in islice(violations(spec, complete=False), MOST_PROBLEMS):
        yield _broken(one, rest.path(one.path), source)


def _broken(one: Violation, path: Path, source: Source) -> Problem:
    return Problem(one.message, path, source.place(path), one.suggestion)


def _unique(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Yield one problem per path and message: a union complains once per member."""
    seen: set[tuple[Path, str]] = set()
    for problem in problems:
        mark = (problem.path, problem.message)
        if mark not in seen:
            seen.add(mark)
            yield problem


def _problem(detail: ErrorDetails, source: Source) -> Problem:
    loc = tuple(part for part in detail["loc"] if isinstance(part, str | int))
    kind = detail["type"]
    if kind == "missing":
        path = loc[:-1]
        return Problem(_message(detail, loc), path, source.place(path))
    path = _known_part(loc, source)
    message = _message(detail, path)
    if kind == "extra_forbidden":
        place = source.keys.get(path) or source.place(path)
        return Problem(message, path, place, nearest(path[-1], _fields_at(path[:-1])))
    return Problem(message, path, source.place(path), _suggestion(detail))


def _known_part(loc: Path, source: Source) -> Path:
    """Cut what pydantic adds to tell the members of a union apart."""
    while loc and loc not in source.values:
        loc = loc[:-1]
    return loc


def _message(detail: ErrorDetails, path: Path) -> str:
    template = _MESSAGES.get(detail["type"])
    if template is not None:
        return template.format(key=path[-1] if path else "")
    text = detail["msg"].removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _suggestion(detail: ErrorDetails) -> str:
    expected = str(detail.get("ctx", {}).get("expected", ""))
    words = [word.strip(" '") for word in expected.replace(" or ", ",").split(",")]
    return nearest(detail["input"], [word for word in words if word])


def _fields_at(path: Path) -> tuple[str, ...]:
    """Return the keys that the mapping at the path may have."""
    model: Any = ClusterSpec
    for part in path:
        model = _below(model, part)
        if model is None:
            return ()
    if isinstance(model, type) and issubclass(model, BaseModel):
        return tuple(info.alias or name for name, info in model.model_fields.items())
    return ()


def _below(model: Any, part: str | int) -> Any:  # noqa: ANN401  # annotations are anything
    if isinstance(model, type) and issubclass(model, BaseModel):
        by_alias: Mapping[object, Any] = {
            info.alias or name: info.annotation for name, info in model.model_fields.items()
        }
        annotation = by_alias.get(part)
    else:
        annotation = model
    candidates = (annotation, *get_args(annotation))
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, BaseModel | Enum):
            return candidate
    return None
