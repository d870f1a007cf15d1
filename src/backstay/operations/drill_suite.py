"""`backstay drill suite`: which scenarios a set means on this cluster."""

from __future__ import annotations

from difflib import get_close_matches

from backstay.drill.faults.catalogue import SCENARIOS, SUITES
from backstay.drill.faults.scenario import Scenario
from backstay.errors import UsageError


def chosen(name: str, *, has_power: bool) -> tuple[Scenario, ...]:
    """Return the scenarios of a set that can be drilled here; UsageError if there is no such set.

    Where nobody holds the machines' power, what needs it is left out.
    """
    if name not in SUITES:
        close = get_close_matches(name, SUITES, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"there is no suite {name!r}", next_move=f"{meant}there are: {', '.join(SUITES)}"
        )
    found = (SCENARIOS[one] for one in SUITES[name])
    return tuple(one for one in found if has_power or not (one.needs_power or one.needs_disk))
