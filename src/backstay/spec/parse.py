"""Read `cluster.yaml`: text in, specification out, or every problem with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from itertools import islice
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from backstay.spec.limits import MOST_PROBLEMS
from backstay.spec.model import ClusterSpec
from backstay.spec.partial import readable
from backstay.spec.problems import Path, Problem, SpecError, nearest
from backstay.spec.rules import violations
from backstay.spec.source import Source, decode, read
from backstay.spec.violation import Violation
from backstay.spec.words import WHOLE

_MESSAGES = {
    "missing": "the key {key!r} is missing",
    "extra_forbidden": "there is no key {key!r} here",
    "string_type": "a text is needed; write it in quotes",
    "int_type": "a whole number is needed",
    "int_parsing": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "greater_than_equal": "{ge} at least",
    "less_than_equal": "{le} at most",
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
    spec, wrong = _judged(source)
    problems = _together(source, wrong)
    if spec is None or problems:
        raise SpecError(problems[:MOST_PROBLEMS], name=name)
    return spec


def _judged(source: Source) -> tuple[ClusterSpec | None, tuple[Problem, ...]]:
    """Return the specification, if its shape is right, and what is wrong with it."""
    try:
        spec = _validated(source.value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        shape = tuple(islice(_unique(_problem(one, source) for one in details), MOST_PROBLEMS))
        rest = _of_the_rest(details, source) if len(details) <= MOST_PROBLEMS else ()
        return None, (*shape, *rest)
    return spec, tuple(_broken(one, one.path, source) for one in violations(spec))


def _validated(value: object) -> ClusterSpec:
    return ClusterSpec.model_validate(value, by_alias=True, by_name=False)


def _of_the_rest(details: Iterable[ErrorDetails], source: Source) -> Iterator[Problem]:
    """Yield what rules find in the part that could be read: all mistakes are told at once."""
    rest = readable(source.value, (path for one in details for path in _lost(one, source)))
    if rest is None:
        return
    try:
        spec = _validated(rest.value)
    except ValidationError:
        return
    for one in islice(violations(spec, lost=rest.lost), MOST_PROBLEMS):
        yield _broken(one, rest.path(one.path), source)


def _lost(detail: ErrorDetails, source: Source) -> Iterator[Path]:
    """Yield the path of what cannot be used, and of what a misspelt key was to say."""
    loc = tuple(part for part in detail["loc"] if isinstance(part, str | int))
    path = loc if detail["type"] == "missing" else _known_part(loc, source)
    yield path
    if detail["type"] == "extra_forbidden":
        meant = nearest(path[-1], _fields_at(path[:-1]))
        yield from ((*path[:-1], meant),) if meant else ()


def _together(source: Source, wrong: Sequence[Problem]) -> tuple[Problem, ...]:
    """Return all problems in the order of the file; a trap lends its number to a complaint."""
    told = {problem.path for problem in wrong}
    lent = (_with_number(problem, source.traps.get(problem.path)) for problem in wrong)
    silent = (trap for path, trap in source.traps.items() if path not in told)
    return tuple(sorted((*source.problems, *lent, *silent), key=_order))


def _with_number(problem: Problem, trap: Problem | None) -> Problem:
    if trap is None or problem.message != _MESSAGES["int_type"] or '"' in trap.suggestion:
        return problem
    return replace(problem, suggestion=trap.suggestion)


def _order(problem: Problem) -> tuple[int, int]:
    return (0, 0) if problem.place is None else (problem.place.line, problem.place.column)


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
    if detail["type"] == "enum":
        return f"one of {', '.join(_choices(detail))}"
    template = _MESSAGES.get(detail["type"])
    if template is not None:
        return template.format(key=path[-1] if path else "", **detail.get("ctx", {}))
    text = detail["msg"].removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _suggestion(detail: ErrorDetails) -> str:
    if detail["type"] == "int_type":
        return _whole(detail["input"])
    return nearest(detail["input"], _choices(detail))


def _choices(detail: ErrorDetails) -> tuple[str, ...]:
    expected = str(detail.get("ctx", {}).get("expected", ""))
    words = (word.strip(" '") for word in expected.replace(" or ", ",").split(","))
    return tuple(word for word in words if word)


def _whole(value: object) -> str:
    """Return the whole number that a text or a fraction says, if it says one."""
    match value:
        case float() if value.is_integer():
            return str(int(value))
        case str() if WHOLE.fullmatch(value):
            return value
        case _:
            return ""


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
