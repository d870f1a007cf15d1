"""Quantities as the API gives them back, so that what was asked for and what is there compare."""

from __future__ import annotations

import re
from fractions import Fraction

_QUANTITY = re.compile(r"([+-]?[0-9]+(?:\.[0-9]*)?|[+-]?\.[0-9]+)([A-Za-z]*)")
_BINARY = {suffix: 1024**power for power, suffix in enumerate(("", "Ki", "Mi", "Gi", "Ti"))}
_DECIMAL = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
}


def canonical(text: str) -> str:
    """Return the quantity with the largest suffix that leaves a whole number, as the API does.

    `1024Mi` is 1Gi and `0.5` is 500m; text that is no such quantity is returned as it is.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return text
    number, suffix = Fraction(found[1]), found[2]
    units = _BINARY if suffix.endswith("i") else _DECIMAL
    if suffix not in units:
        return text
    value = number * units[suffix]
    for name, size in sorted(units.items(), key=lambda unit: unit[1], reverse=True):
        if value % size == 0 and (value or not name):
            return f"{value // size}{name}"
    return text
