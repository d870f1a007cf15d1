"""The process that runs a machine: started apart from us, and known again by pid and start time."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from backstay.lab.places import MachinePlaces

START_TIME_FIELD = 22
"""Field of /proc/PID/stat, in clock ticks since boot: proc(5)."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    started: int


def start_time(pid: int) -> int | None:
    """Return when the process started; None if there is none, or only its corpse."""
    with suppress(OSError):
        # The second field is the program's name in parentheses, which may hold anything.
        _, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        state, *fields = rest.split()
        return None if state in {"Z", "X"} else int(fields[START_TIME_FIELD - 4])
    return None


def launch(places: MachinePlaces) -> Running | None:
    """Start the boot script in a session of its own, and remember it."""
    with places.console.open("ab") as console:
        process = subprocess.Popen(
            ("sh", str(places.boot_script)),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
            cwd="/",
        )
    running = _remember(process.pid, places)
    # It is not our child to wait for: whoever adopts it when we end will.
    process.returncode = 0
    return running


def _remember(pid: int, places: MachinePlaces) -> Running | None:
    started = start_time(pid)
    if started is None:
        return None
    places.process.write_text(json.dumps({"pid": pid, "started": started}) + "\n")
    return Running(pid, started)


def remembered(places: MachinePlaces) -> Running | None:
    """Return the process that runs the machine; None if none does."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        value = json.loads(places.process.read_text())
        running = Running(int(value["pid"]), int(value["started"]))
        if start_time(running.pid) == running.started:
            return running
    return None
