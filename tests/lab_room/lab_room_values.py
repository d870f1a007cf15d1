"""Values that several tests of the lab use."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from backstay.lab.model import Lab, LabWish, Machine, slots_of

RANGE = IPv4Network("10.213.7.0/24")
KEY = "ssh-ed25519 AAAA"


def make_lab(network: IPv4Network | IPv6Network = RANGE) -> Lab:
    """Return a lab with one machine of each kind."""
    wish = LabWish(name="demo", control_planes=1, workers=1, load_balancers=1)
    machines = tuple(
        Machine(slot.name, slot.address, slot.role, KEY) for slot in slots_of(wish, network)
    )
    return Lab("demo", "0123456789abcdef", 7, network, "1.37.2", machines)
