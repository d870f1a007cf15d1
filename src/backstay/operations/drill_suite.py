"""`backstay drill suite`: which scenarios of a set can be drilled on this cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from backstay.drill.faults.scenario import Scenario


class Chosen(NamedTuple):
    """The scenarios to drill, and those that cannot be drilled here."""

    scenarios: tuple[Scenario, ...]
    left_out: tuple[Scenario, ...]


def chosen(scenarios: Iterable[Scenario], *, has_power: bool) -> Chosen:
    """Leave out what needs the power of machines, or gives them disks, where nobody holds it."""
    found = tuple(scenarios)
    possible = tuple(one for one in found if has_power or not (one.needs_power or one.needs_disk))
    return Chosen(possible, tuple(one for one in found if one not in possible))
