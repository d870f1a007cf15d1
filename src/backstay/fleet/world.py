"""The machines of one run, the clock, and who listens to what happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from backstay.errors import UnreachableError
from backstay.fleet.events import Listener, nobody
from backstay.fleet.transport import Machine


def utc_now() -> datetime:
    """Return the time; pure rooms get it as an argument."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class World:
    """What a run can reach: a machine, or the reason why not, for every host."""

    machines: Mapping[str, Machine | UnreachableError]
    now: Callable[[], datetime] = utc_now
    tell: Listener = nobody
    should_stop: Callable[[], bool] = field(default=lambda: False)

    @property
    def reached(self) -> Mapping[str, Machine]:
        """The machines that answer."""
        found = self.machines.items()
        return {name: m for name, m in found if not isinstance(m, UnreachableError)}

    def machine(self, host: str) -> Machine:
        """Return the machine; raises its UnreachableError when it does not answer."""
        found = self.machines[host]
        if isinstance(found, UnreachableError):
            raise found
        return found
