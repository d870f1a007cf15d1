"""What the things of a lab are called: by these names leftovers are found again.

Everything a lab makes outside its directory carries a name from here, so that `down` needs no
memory of what was made. Lab and machine names have no dots; dots therefore separate.
"""

from __future__ import annotations

import re

from backstay.errors import UsageError

PREFIX = "backstay"
SWITCH = "switch"
PROCESSORS = f"{PREFIX}-processors"
"""Name of the control group in which all labs and their drills share out processors."""
NAME_PATTERN = re.compile(r"[a-z]([a-z0-9-]{0,22}[a-z0-9])?")


def check_name(lab: str) -> str:
    """Return the name of a lab if it can be one; UsageError if not."""
    if NAME_PATTERN.fullmatch(lab):
        return lab
    raise UsageError(
        f"{lab!r} cannot be the name of a lab",
        why="a name has 1 to 24 lower-case letters, digits and dashes, and starts with a letter",
        next_move="choose another --name",
    )


def lab_handle(lab: str) -> str:
    """Name of the control groups that hold all machines of a lab."""
    return f"{PREFIX}.{lab}"


def machine_handle(lab: str, machine: str) -> str:
    """Name of a machine among all of this computer: its network namespace, its nspawn name."""
    return f"{PREFIX}.{lab}.{machine}"


def switch_handle(lab: str) -> str:
    """Name of the network namespace that holds the bridge of a lab."""
    return machine_handle(lab, SWITCH)


def uplink(index: int) -> str:
    """Name of the link from this computer into the lab that has range number `index`."""
    return f"{PREFIX}{index}"


def is_of_lab(handle: str, lab: str) -> bool:
    """Tell whether a namespace or nspawn name belongs to the lab."""
    return handle.startswith(f"{lab_handle(lab)}.")
