"""Real systemd machines on this computer.

Make and remove:  up, down, leftovers, check_requirements, ensure_image
Look:             read, labs, status, statuses, places_of, ssh_argv, logs_argv, console_text,
                  is_paused, require_answering, cuts_of
Break and mend:   pause, unpause, pause_for, kill, start, restart, reboot, power_off, cut, heal
Break for sure:   PowerSwitch, whose machines run again even if we die; give_disk, cut_power
"""

from backstay.lab.access import (
    LabStatus,
    MachineStatus,
    State,
    console_text,
    cuts_of,
    is_paused,
    logs_argv,
    require_answering,
    ssh_argv,
    status,
    statuses,
)
from backstay.lab.disks import cut_power, give_disk
from backstay.lab.faults import (
    cut,
    heal,
    kill,
    pause,
    pause_for,
    paused,
    power_off,
    reboot,
    restart,
    start,
    unpause,
)
from backstay.lab.image import ensure_image
from backstay.lab.lifecycle import labs, read, up
from backstay.lab.model import Lab, LabWish, Machine
from backstay.lab.places import LabPlaces, blob_directory, places_of
from backstay.lab.power import PowerSwitch
from backstay.lab.requirements import check_requirements
from backstay.lab.teardown import down, leftovers

__all__ = [
    "Lab",
    "LabPlaces",
    "LabStatus",
    "LabWish",
    "Machine",
    "MachineStatus",
    "PowerSwitch",
    "State",
    "blob_directory",
    "check_requirements",
    "console_text",
    "cut",
    "cut_power",
    "cuts_of",
    "down",
    "ensure_image",
    "give_disk",
    "heal",
    "is_paused",
    "kill",
    "labs",
    "leftovers",
    "logs_argv",
    "pause",
    "pause_for",
    "paused",
    "places_of",
    "power_off",
    "read",
    "reboot",
    "require_answering",
    "restart",
    "ssh_argv",
    "start",
    "status",
    "statuses",
    "unpause",
    "up",
]
