"""Kinds of single values in `cluster.yaml` that a library would read too kindly."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Strict


def _written(value: object) -> object:
    """Refuse what is no text: a library would take the number 10 for the address 0.0.0.10."""
    if isinstance(value, bool | int | float):
        message = "an address is a text, such as 10.0.0.11; write it in quotes"
        raise ValueError(message)  # noqa: TRY004  # what pydantic understands
    return value


def _one_machine_s(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Refuse zones (any text to Python, and true on one machine only), groups, and none at all."""
    zone = getattr(address, "scope_id", None)
    if zone is not None or address.is_multicast or address.is_unspecified:
        message = "this is not the address of one machine for all others"
        raise ValueError(message)
    return address


def _once(values: object) -> object:
    """Refuse a list in which a word stands twice: another was meant."""
    if isinstance(values, list):
        words = Counter(value for value in values if isinstance(value, str))
        if twice := [word for word, count in words.items() if count > 1]:
            message = f"{twice[0]!r} stands here twice"
            raise ValueError(message)
    return values


ONCE = BeforeValidator(_once)
_AS_TEXT = BeforeValidator(_written)
Whole = Annotated[int, Strict()]
"""A whole number as it stands: `true` is none, `022` is 18 to one reader and 22 to another."""

Address = Annotated[
    IPv4Address | IPv6Address,
    _AS_TEXT,
    AfterValidator(_one_machine_s),
]
Network = Annotated[IPv4Network | IPv6Network, _AS_TEXT]
