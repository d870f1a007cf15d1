"""Ranges of addresses."""

from __future__ import annotations

from ipaddress import ip_network

from backstay.lab.wires import RANGE_COUNT, RANGES, free_index, range_of


def test_ranges_are_apart_and_in_order() -> None:
    """10.213.0.0/24 and upward."""
    assert range_of(0) == ip_network("10.213.0.0/24")
    assert range_of(3) == ip_network("10.213.3.0/24")
    assert range_of(RANGE_COUNT - 1).subnet_of(RANGES)


async def test_a_range_of_another_lab_is_not_taken() -> None:
    """The real routes and links of this computer are looked at, too."""
    first = await free_index(())
    assert await free_index([first]) > first
