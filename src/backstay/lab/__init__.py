"""Real systemd machines on this computer.

Make and remove:  up, down, leftovers, check_requirements, ensure_image
Look:             read, labs, status, statuses, places_of, ssh_argv, logs_argv, console_text
Break and mend:   pause, unpause, pause_for, kill, start, restart, reboot, power_off, cut, heal
Break for sure:   PowerSwitch, whose machines run again even if we die; give_disk, cut_power
"""

from backstay.lab.access import (
    LabStatus,
    MachineStatus,
    State,
    console_text,
    logs_argv,
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
    "down",
    "ensure_image",
    "give_disk",
    "heal",
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
    "restart",
    "ssh_argv",
    "start",
    "status",
    "statuses",
    "unpause",
    "up",
]
