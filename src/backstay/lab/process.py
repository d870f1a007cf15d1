"""Processes started apart from us, and known again by pid and start time: above all a machine's."""

from __future__ import annotations

import json
import os
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
    return launch_apart(("sh", str(places.boot_script)), places.process, console=places.console)


def launch_apart(argv: tuple[str, ...], memory: Path, *, console: Path) -> Running | None:
    """Start a program that outlives us in a session of its own, and remember it in a file.

    It has the usual priority, whatever ours is: a drill's is high, and machines would keep it.
    """
    with console.open("ab") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, 0)
    running = _remember(process.pid, memory)
    # It is not our child to wait for: whoever adopts it when we end will.
    process.returncode = 0
    return running


def _remember(pid: int, memory: Path) -> Running | None:
    started = start_time(pid)
    if started is None:
        return None
    memory.write_text(json.dumps({"pid": pid, "started": started}) + "\n")
    return Running(pid, started)


def remembered(places: MachinePlaces) -> Running | None:
    """Return the process that runs the machine; None if none does."""
    return remembered_in(places.process)


def remembered_in(memory: Path) -> Running | None:
    """Return the process that a file remembers; None if it has ended."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        value = json.loads(memory.read_text())
        running = Running(int(value["pid"]), int(value["started"]))
        if start_time(running.pid) == running.started:
            return running
    return None
