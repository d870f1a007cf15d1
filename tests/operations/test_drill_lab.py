"""Which cluster is a lab of this computer, and what is done to its machines' disks."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from backstay.errors import UnreachableError
from backstay.fleet.world import World
from backstay.lab import PowerSwitch
from backstay.lab.cluster import cluster_text
from backstay.lab.model import Lab as LabValue
from backstay.lab.model import LabWish, Machine, slots_of, to_json
from backstay.lab.places import places_of
from backstay.operations import drill_lab
from backstay.operations.drill_lab import give_disks, power_of
from backstay.spec.parse import parse

RANGE = ip_network("10.213.7.0/24")
LOST = UnreachableError("no answer on SSH")


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The cluster.yaml of the one lab that this computer has."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    slots = slots_of(LabWish(name="demo"), RANGE)
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1WnLRl0Xm2VhbpwZ4LHRpB3dUl7T8K0X3BJh2S0b3a"
    machines = tuple(Machine(one.name, one.address, one.role, key) for one in slots)
    lab = LabValue("demo", "0123456789abcdef", 7, RANGE, "1.37.2", machines)
    places_of("demo").directory.mkdir(parents=True)
    places_of("demo").memory.write_text(to_json(lab))
    return cluster_text(lab, key=places_of("demo").key)


def test_the_cluster_of_a_lab_has_its_power(text: str) -> None:
    """As `lab up` writes it, or with the same address written twice."""
    assert power_of(parse(text)) == PowerSwitch("demo")
    twice = '"10.213.7.11"\n    privateAddress: "10.213.7.11"'
    assert power_of(parse(text.replace('"10.213.7.11"', twice))) == PowerSwitch("demo")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"10.213.7.11"', '"203.0.113.5"\n    privateAddress: "10.213.7.11"'),
        ('"10.213.7.11"', '"10.213.7.11"\n    privateAddress: "10.213.7.9"'),
        ("name: cp-1", "name: cp-9"),
        ("ssh:\n", "ssh:\n  bastion: {address: 203.0.113.5}\n"),
    ],
)
def test_machines_that_only_look_like_a_labs_are_somebodys(text: str, old: str, new: str) -> None:
    """Private ranges are everywhere the same: where SSH leads decides, or nobody would confirm."""
    changed = text.replace(old, new)
    assert changed != text
    assert power_of(parse(changed)) is None


async def test_a_member_is_stopped_for_its_disk_only_where_the_cluster_says_that_it_is_well(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one is down already, one of three would be left."""

    async def give_disk(*_: object) -> None:
        pytest.fail("a member was stopped")

    monkeypatch.setattr(drill_lab, "give_disk", give_disk)
    spec = parse(text)
    world = World({host.name: LOST for host in spec.hosts})
    with pytest.raises(UnreachableError):
        await give_disks(spec, world, PowerSwitch("demo"))
