"""The power of a lab's machines, in hands that outlive ours: armed, broken, and mended again.

Nothing that is frozen or without power can mend itself. So before a machine is broken, a process
of this computer, in a session of its own, is told to make it run again after some seconds.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass

from backstay.errors import StepFailedError
from backstay.lab import disks, faults
from backstay.lab.lifecycle import read
from backstay.lab.places import MachinePlaces, places_of
from backstay.lab.process import Running, launch_apart, remembered, remembered_in

TRIES = 5
"""A machine that was just about to end when it was mended is started by the next try."""

MENDER = """\
sleep "$1"
shift
tries={tries}
until "$@"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || exit 1
    sleep 0.25
done
"""
"""Sleeping costs nothing in sh; what mends is loaded when it is time."""


@dataclass(frozen=True, slots=True)
class PowerSwitch:
    """Who breaks and mends whole machines of a lab."""

    lab: str

    async def arm(self, machine: str, *, seconds: float) -> None:
        """Start who makes the machine run again after so long; StepFailedError if it does not."""
        places = self._places(machine)
        end_mender(places)
        running = launch_apart(
            (
                *("sh", "-c", MENDER.format(tries=TRIES), "backstay-mender", f"{seconds:.3f}"),
                *(sys.executable, "-m", "backstay.lab.power", self.lab, machine),
            ),
            places.mender,
            console=places.console,
        )
        if running is None or remembered_in(places.mender) != running:
            raise StepFailedError("who would mend the machine did not start", where=machine)

    async def freeze(self, machine: str) -> None:
        """Freeze every process of the machine."""
        await faults.pause(self.lab, machine)

    async def kill(self, machine: str) -> None:
        """Take the machine's power."""
        await faults.kill(self.lab, machine)

    async def cut(self, machine: str) -> None:
        """Take the machine's power, and with it what etcd's disk has not been sent."""
        await disks.cut_power(self.lab, machine)

    async def power_off(self, machine: str) -> None:
        """Power the machine off in an orderly way."""
        await faults.power_off(self.lab, machine)

    async def reboot(self, machine: str) -> None:
        """Reboot the machine in an orderly way."""
        await faults.reboot(self.lab, machine)

    async def mend(self, machine: str) -> None:
        """Make the machine run, wait until SSH answers, and call off who would have mended it."""
        await make_run(self.lab, machine)
        end_mender(self._places(machine))

    def armed(self) -> tuple[str, ...]:
        """Return the machines for which somebody waits to mend them."""
        names = (machine.name for machine in read(self.lab).machines)
        return tuple(name for name in names if remembered_in(self._places(name).mender))

    def _places(self, machine: str) -> MachinePlaces:
        return places_of(self.lab).machine(read(self.lab).machine(machine).name)


async def make_run(lab: str, machine: str) -> None:
    """Thaw the machine if it is frozen, start it if it does not run, wait until SSH answers."""
    if remembered(places_of(lab).machine(machine)) is not None:
        await faults.unpause(lab, machine)
    await faults.start(lab, machine)


def end_mender(places: MachinePlaces) -> None:
    """End who waits to mend the machine, with its sleep; nothing happens if nobody does."""
    running: Running | None = remembered_in(places.mender)
    if running is not None:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    places.mender.unlink(missing_ok=True)


def main(lab: str, machine: str) -> None:
    """Mend a machine, as the process that was told to; a lab that is gone needs no mending."""
    if places_of(lab).memory.exists():
        asyncio.run(make_run(lab, machine))


if __name__ == "__main__":
    main(*sys.argv[1:])
