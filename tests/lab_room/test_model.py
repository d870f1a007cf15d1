"""A lab as a value."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest
from lab_room_values import RANGE, make_lab

from backstay.errors import ConfigError, UsageError
from backstay.lab.model import LabWish, from_json, slots_of, to_json
from backstay.spec.model import Role


def test_machines_are_named_and_numbered_by_kind() -> None:
    """cp-1, w-1, lb-1: each kind has its own stretch of the range."""
    found = [(one.name, str(one.address), one.role) for one in make_lab().machines]
    assert found == [
        ("cp-1", "10.213.7.11", Role.CONTROL_PLANE),
        ("w-1", "10.213.7.101", Role.WORKER),
        ("lb-1", "10.213.7.61", Role.LOAD_BALANCER),
    ]


@pytest.mark.parametrize("network", [RANGE, IPv6Network("fd00:213::/64")])
def test_no_two_things_share_an_address(network: IPv4Network | IPv6Network) -> None:
    """The greatest lab there can be, in both families."""
    lab = make_lab(network)
    wish = LabWish(control_planes=40, workers=140, load_balancers=30)
    addresses = [slot.address for slot in slots_of(wish, network)] + [lab.gateway, lab.vip]
    assert len(set(addresses)) == len(addresses)
    assert all(address in network for address in addresses)


@pytest.mark.parametrize(
    "wish",
    [
        LabWish(control_planes=0),
        LabWish(control_planes=41),
        LabWish(workers=-1),
        LabWish(workers=141),
        LabWish(load_balancers=31),
    ],
)
def test_impossible_numbers_are_refused(wish: LabWish) -> None:
    """No control plane, less than none, or more than the range holds."""
    with pytest.raises(UsageError):
        slots_of(wish, RANGE)


@pytest.mark.parametrize("network", [RANGE, IPv6Network("fd00:213::/64")])
def test_what_is_remembered_is_what_was_made(network: IPv4Network | IPv6Network) -> None:
    """lab.json carries the whole value."""
    lab = make_lab(network)
    assert from_json(to_json(lab), where="lab.json") == lab


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"name": 1}', "\0", '{"index": "x"}'])
def test_a_broken_memory_is_named(text: str) -> None:
    """The error says which file, and that down and up help."""
    with pytest.raises(ConfigError) as caught:
        from_json(text, where="/x/lab.json")
    assert caught.value.where == "/x/lab.json"
    assert "lab down" in caught.value.next_move


def test_an_unknown_machine_is_told_with_those_there_are() -> None:
    """The next move lists the names."""
    with pytest.raises(UsageError, match="cp-1, w-1, lb-1"):
        make_lab().machine("cp-9")
