"""The power of whole machines: what a drill needs of whoever holds it, such as the lab."""

from __future__ import annotations

from typing import Protocol


class Machines(Protocol):
    """Machines that can be broken whole and brought back, each by its name in cluster.yaml.

    What breaks one returns when the effect is there; all raise BackstayError.
    """

    async def arm(self, host: str, *, seconds: float) -> None:
        """See to it that the machine runs again after so long, whatever becomes of us.

        Raises when that is not certain.
        """

    async def freeze(self, host: str) -> None:
        """Let no process of the machine run."""

    async def kill(self, host: str) -> None:
        """End every process of the machine at once."""

    async def cut(self, host: str) -> None:
        """Do that, and take from etcd's disk what the machine had written and not yet sent there.

        Raises, with nothing broken, when its data is on no disk of its own.
        """

    async def power_off(self, host: str) -> None:
        """Ask the machine to end in an orderly way, and wait until it has."""

    async def reboot(self, host: str) -> None:
        """Ask the machine to reboot, and wait until it answers again."""

    async def mend(self, host: str) -> None:
        """Thaw or start the machine, wait until it answers, and disarm; no harm if it is well."""

    def armed(self) -> tuple[str, ...]:
        """Return the machines that somebody armed and nobody mended."""
