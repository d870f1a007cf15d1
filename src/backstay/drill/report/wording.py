"""Numbers as people read them: three digits that matter, and a dash for what was not seen."""

from __future__ import annotations

from backstay.planning.look import UNICODE

MILLISECONDS = 1000
TEN = 10
HUNDRED = 100


def seconds(value: float | None, *, dash: str = UNICODE.dash) -> str:
    """Return a time given in seconds, as milliseconds below one second."""
    if value is None:
        return dash
    if value < 1:
        return milliseconds(value * MILLISECONDS)
    return f"{_digits(value)} s"


def milliseconds(value: float | None, *, dash: str = UNICODE.dash) -> str:
    """Return a time given in milliseconds, as seconds from one second on."""
    if value is None:
        return dash
    if value >= MILLISECONDS:
        return seconds(value / MILLISECONDS)
    return "0 ms" if not value else f"{_digits(value)} ms"


def count(value: float | None, *, dash: str = UNICODE.dash) -> str:
    """Return a count with its thousands set apart."""
    return dash if value is None else f"{value:,.0f}"


def plural(number: float, noun: str) -> str:
    """Return a count with its noun, which takes an s beside anything but one."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def moment(started: str) -> str:
    """Return a time of day in ISO 8601 as people read it; those of drills are in UTC."""
    return started.replace("T", " ").replace("+00:00", " UTC")


def _digits(value: float) -> str:
    return (
        f"{value:.0f}" if value >= HUNDRED else f"{value:.1f}" if value >= TEN else f"{value:.2f}"
    )
