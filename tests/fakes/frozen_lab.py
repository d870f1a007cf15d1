"""A lab that looks made, of which one machine looks frozen: files, and no machine at all."""

from __future__ import annotations

import json
import os
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from backstay.lab.hierarchies import Hierarchy, Version
from backstay.lab.model import Lab, LabWish, Machine, slots_of, to_json
from backstay.lab.names import lab_handle
from backstay.lab.places import LabPlaces
from backstay.lab.process import start_time

NETWORK = IPv4Network("10.213.7.0/24")
NAME = "demo"


def make_frozen_lab(state: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Make the lab `demo` under XDG_STATE_HOME; cp-1 is frozen, cp-2 does not run."""
    slots = slots_of(LabWish(NAME, control_planes=2, workers=0), NETWORK)
    machines = tuple(Machine(one.name, one.address, one.role, "ssh-ed25519 AAAA") for one in slots)
    lab = Lab(NAME, "0123456789abcdef", 7, NETWORK, "1.37.2", machines)
    places = LabPlaces(state / "backstay/labs" / NAME)
    places.machine("cp-1").directory.mkdir(parents=True)
    places.memory.write_text(to_json(lab))
    running = {"pid": os.getpid(), "started": start_time(os.getpid())}
    places.machine("cp-1").process.write_text(json.dumps(running))
    _freeze(state / "groups", monkeypatch)
    return lab


def _freeze(mount: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let control groups be found below a folder, where that of cp-1 is frozen."""
    tree = Hierarchy(Version.V2, frozenset(), mount, mount)
    monkeypatch.setattr("backstay.lab.groups.read_hierarchies", lambda: (tree,))
    group = mount / lab_handle(NAME) / "cp-1"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("")
    (group / "cgroup.events").write_text("populated 1\nfrozen 1\n")
