"""Look into machines: programs to run in place of this one, and a lab's state as a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from backstay.errors import BackstayError, RejectedError
from backstay.lab.cuts import cuts
from backstay.lab.groups import is_frozen, machine_groups
from backstay.lab.lifecycle import labs, read, require_thawed
from backstay.lab.model import Lab, Machine
from backstay.lab.names import switch_handle
from backstay.lab.places import places_of
from backstay.lab.process import remembered
from backstay.lab.wires import is_whole


class State(StrEnum):
    """What a machine does."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class MachineStatus:
    """A machine and what it does."""

    machine: Machine
    state: State


@dataclass(frozen=True, slots=True)
class LabStatus:
    """A lab and what its machines do; `lab` is None, and `why` says why, if it is broken."""

    name: str
    lab: Lab | None
    machines: tuple[MachineStatus, ...] = ()
    why: str = ""


def ssh_argv(name: str, machine: str, command: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the call of ssh that opens a shell, or runs a command, on a machine as root.

    The host key is the one in the lab's own file; the user's files are neither read nor written.
    """
    lab = read(name)
    places = places_of(lab.name)
    return (
        *("ssh", "-F", "none", "-i", str(places.key), "-o", "IdentitiesOnly=yes"),
        *("-o", f'UserKnownHostsFile="{places.known_hosts}"', "-o", "GlobalKnownHostsFile=none"),
        *("-o", "StrictHostKeyChecking=yes", "-o", "UpdateHostKeys=no", "-o", "LogLevel=ERROR"),
        f"root@{lab.machine(machine).address}",
        *command,
    )


def logs_argv(name: str, machine: str, options: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the call of journalctl that shows a machine's journal, also of a dead machine."""
    lab = read(name)
    places = places_of(lab.name).machine(lab.machine(machine).name)
    return ("journalctl", f"--directory={places.journal}", *options)


def console_text(name: str, machine: str) -> str:
    """Return what a machine printed on its console since it was made."""
    lab = read(name)
    places = places_of(lab.name).machine(lab.machine(machine).name)
    return places.console.read_text(errors="replace") if places.console.exists() else ""


def status(name: str) -> LabStatus:
    """Return what the machines of a lab do; PreflightError if there is no such lab."""
    lab = read(name)
    found = tuple(MachineStatus(machine, _state(lab, machine)) for machine in lab.machines)
    return LabStatus(name, lab, found)


def _state(lab: Lab, machine: Machine) -> State:
    if remembered(places_of(lab.name).machine(machine.name)) is None:
        return State.STOPPED
    frozen = is_frozen(machine_groups(lab.name, machine.name))
    return State.PAUSED if frozen else State.RUNNING


def is_paused(name: str, machine: str) -> bool:
    """Tell whether a machine is frozen, and answers nothing."""
    lab = read(name)
    return _state(lab, lab.machine(machine)) is State.PAUSED


def require_answering(name: str, machine: str) -> None:
    """Refuse to call a machine that is paused, rather than wait: PreflightError."""
    lab = read(name)
    require_thawed(lab, lab.machine(machine))


async def cuts_of(name: str) -> tuple[tuple[str, str], ...] | None:
    """Return between whom nothing passes, `host` being this computer; None if we may not know."""
    if not is_whole(switch_handle(name)):
        return ()
    try:
        return await cuts(name)
    except BackstayError:
        return None


def statuses() -> tuple[LabStatus, ...]:
    """Return all labs of this user; one that is broken is listed with the reason."""
    return tuple(_status_or_reason(name) for name in labs())


def _status_or_reason(name: str) -> LabStatus:
    try:
        return status(name)
    except RejectedError as error:
        return LabStatus(name, None, why=error.why or error.what)
