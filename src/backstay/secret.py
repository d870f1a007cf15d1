"""Bytes that must not be seen: masked wherever they are printed."""

from __future__ import annotations

from dataclasses import dataclass, field

MASK = "•••"


@dataclass(frozen=True, slots=True, eq=True)
class Secret:
    """Bytes whose `repr` and `str` are masked; only `reveal` gives them away."""

    _value: bytes = field(repr=False)

    def reveal(self) -> bytes:
        """Return the bytes: call this only where they leave on standard input."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK
