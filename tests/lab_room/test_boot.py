"""The program that runs one machine."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from lab_room_values import make_lab

from backstay.lab.boot import (
    Boot,
    boot_script,
    hardware_address,
    nspawn_command,
    overlay_options,
)
from backstay.lab.groups import Seat
from backstay.lab.places import MachinePlaces

ODD = Path("/st ate/it's:$(here),\\x")


def make_boot(directory: Path = Path("/state/cp-1"), *, unified: bool = False) -> Boot:
    """Return how a machine of the lab is run."""
    lab = make_lab()
    return Boot(
        lab=lab,
        machine=lab.machines[0],
        places=MachinePlaces(directory),
        image=Path("/cache/image"),
        blobs=Path("/cache/blobs"),
        seat=Seat(
            old=(Path("/sys/fs/cgroup/memory/a b/cp-1"),),
            launcher=(Path("/sys/fs/cgroup/x/cp-1/launcher"),),
            guest=(Path("/sys/fs/cgroup/x/cp-1/guest"),),
        ),
        unified=unified,
    )


@pytest.mark.parametrize("directory", [Path("/state/cp-1"), ODD])
def test_the_program_is_proper_shell(directory: Path) -> None:
    """Checked by the shell itself, whatever the directory is called."""
    text = boot_script(make_boot(directory))
    subprocess.run(("sh", "-n"), input=text, text=True, check=True)


def test_a_program_without_groups_of_version_2_is_proper_shell() -> None:
    """The lists are empty then, and the loops stay loops."""
    boot = replace(make_boot(), seat=Seat(old=(), launcher=(), guest=()))
    subprocess.run(("sh", "-n"), input=boot_script(boot), text=True, check=True)


def test_paths_reach_nspawn_and_mount_as_they_are() -> None:
    """Each of the two has signs of its own that separate."""
    boot = make_boot(ODD)
    bind = next(word for word in nspawn_command(boot) if "etcd" in word)
    assert bind == r"--bind=/st ate/it's\:$(here),\\x/data/etcd:/var/lib/etcd"
    assert r"upperdir=/st ate/it's\:$(here)\,\\x/upper" in overlay_options(boot)


def test_the_artefact_cache_cannot_be_written_by_a_machine() -> None:
    """It is everyone's: bound read-only."""
    words = nspawn_command(make_boot())
    assert "--bind-ro=/cache/blobs:/opt/backstay/mirror" in words


@pytest.mark.parametrize(("unified", "digit"), [(False, "0"), (True, "1")])
def test_a_machine_sees_the_same_control_groups_as_this_computer(
    *, unified: bool, digit: str
) -> None:
    """Version 1 or version 2, not a mix of nspawn's choosing."""
    words = nspawn_command(make_boot(unified=unified))
    assert f"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY={digit}" in words


def test_a_machine_keeps_its_hardware_address() -> None:
    """It follows from the address, is no multicast address, and is locally administered."""
    address = hardware_address(ip_address("10.213.7.11"))
    assert address == "02:00:0a:d5:07:0b"
    assert hardware_address(ip_address("fd00::1:2")) == "02:00:00:01:00:02"
