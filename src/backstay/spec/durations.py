"""Durations as people write them: `90s`, `5m`, `43800h`, `30d`, and sums such as `1h30m`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"([0-9]+)(ms|s|m|h|d)")
LONGEST = 36_500 * 86_400
"""Seconds; certificates must end before the year 9999, and calendars with them."""
LONGEST_TEXT = 40
PATTERN = r"^([0-9]+(ms|s|m|h|d))+$"


def parse_duration(text: object) -> timedelta:
    """Return the duration that `text` says; ValueError if it says none."""
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not re.fullmatch(PATTERN, text):
        message = "a duration is a number and a unit of ms, s, m, h or d, such as 90s or 43800h"
        raise ValueError(message)
    parts = _PART.findall(text)
    if len(text) > LONGEST_TEXT or sum(int(n) * _UNITS[unit] for n, unit in parts) > LONGEST:
        message = (
            "a duration of 36500d at most: what lives longer than a hundred years is a mistake"
        )
        raise ValueError(message)
    return timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in parts))


def format_duration(duration: timedelta) -> str:
    """Return the shortest text of whole units that says the duration."""
    milliseconds = round(duration.total_seconds() * 1000)
    for unit in ("d", "h", "m", "s"):
        size = round(_UNITS[unit] * 1000)
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["90s", "43800h", "30d"]}),
]
