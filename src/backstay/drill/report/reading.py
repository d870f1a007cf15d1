"""A drill's report, read from a file that anybody may have written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from backstay.drill.oracle.verdict import Verdict
from backstay.drill.report.document import API_VERSION
from backstay.drill.report.figures import FIGURES
from backstay.drill.typed import LARGEST, typed

Document = Mapping[str, Any]
"""A drill's report, as `report.json` holds it."""


@dataclass(frozen=True, slots=True)
class _Head:
    """What every report says of itself."""

    scenario: str
    cluster: str
    started: str
    command: str
    verdict: str
    sentence: str
    versions: Mapping[str, str]
    settings: Mapping[str, str]
    load: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Group:
    """What is compared of each group of clients."""

    clients: str
    action: str
    p50_milliseconds: float | None
    p99_milliseconds: float | None
    gap_seconds: float | None


def read_report(text: str) -> Document:
    """Return what the text of a `report.json` holds; ValueError says why it is none."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("its values are nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"it is no JSON: {error}") from error
    for why in _against(found):
        raise ValueError(why)
    _hold(_Head, found)
    for one in found["numbers"]["groups"]:
        _hold(_Group, one)
    return dict(found)


def _against(found: object) -> Iterator[str]:
    """Yield what keeps it from being a report of a drill, the plainest first."""
    if not isinstance(found, dict):
        yield "it is no JSON object"
    elif "kind" not in found:
        yield "it has no kind"
    elif found["kind"] != "Drill":
        yield f"its kind is {found['kind']!r}"
    elif found.get("apiVersion") != API_VERSION:
        yield f"its apiVersion is {found.get('apiVersion')!r}, and {API_VERSION} is read"
    elif found.get("verdict") not in list(Verdict):
        yield f"its verdict is {found.get('verdict')!r}"
    elif not isinstance(found.get("numbers"), dict):
        yield "it has no numbers: nothing was drilled"
    else:
        yield from _against_numbers(found["numbers"])


def _against_numbers(numbers: Mapping[str, object]) -> Iterator[str]:
    for one in FIGURES:
        if not _is_figure(numbers.get(one.key)):
            yield f"{one.key} is no number"
    if not isinstance(numbers.get("groups"), list):
        yield "it has no groups of clients"


def _is_figure(value: object) -> bool:
    """Return whether a value is one number, one for each name, or a list that is counted."""
    found = value.values() if isinstance(value, dict) else (value,)
    return isinstance(value, list) or all(map(_is_number, found))


def _is_number(value: object) -> bool:
    """Return whether a value is a number that can be written, or none that was not seen."""
    return value is None or (isinstance(value, int | float) and abs(value) < LARGEST)


def _hold(kind: type[_Head | _Group], found: object) -> None:
    """Raise a ValueError that says what is wrong with this part of a report."""
    given = found if isinstance(found, dict) else {}
    names = [one.name for one in fields(kind)]
    for name in names:
        if name not in given:
            raise ValueError(f"it has no {name}")
    typed(kind, {name: given[name] for name in names})
