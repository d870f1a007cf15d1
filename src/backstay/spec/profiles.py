"""How quickly the loss of a machine is noticed: the timers that decide it, chosen together.

What decided each of them, and what was measured: docs/decisions/profiles.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType


class Profile(StrEnum):
    """How quickly the loss of a machine is noticed; a value of your own wins over the profile's."""

    DEFAULT = "default"
    FAST = "fast"


@dataclass(frozen=True, slots=True)
class Timers:
    """Every timer that decides how long clients wait when a machine is lost, in milliseconds.

    Each is named as its key in `cluster.yaml`, wherever that stands.
    """

    heartbeat_milliseconds: int
    election_milliseconds: int
    check_interval_milliseconds: int
    check_fast_interval_milliseconds: int
    check_timeout_milliseconds: int
    advert_interval_milliseconds: int
    address_check_interval_milliseconds: int
    address_check_timeout_milliseconds: int

    def values(self) -> dict[str, int]:
        """Return each value by its name."""
        return asdict(self)


TIMERS: Mapping[Profile, Timers] = MappingProxyType(
    {
        # Writes come back within two seconds.
        Profile.DEFAULT: Timers(
            # etcd's own default (its tuning.md), for networks up to 60 ms wide.
            heartbeat_milliseconds=100,
            # Members wait up to twice as long, at random: 1.6 s leaves 0.4 s to vote and answer.
            election_milliseconds=800,
            # A frozen apiserver accepts and never answers: out after 1.75 s at most (lab.md).
            check_interval_milliseconds=500,
            check_fast_interval_milliseconds=250,
            check_timeout_milliseconds=500,
            # Three silences and a skew of up to one half: 0.7 s, where VRRP's own 1 s takes 3.6 s.
            advert_interval_milliseconds=200,
            # A frozen balancer is left after 1.3 s at most and a skew; two asks cost 2 % of a core.
            address_check_interval_milliseconds=500,
            address_check_timeout_milliseconds=800,
        ),
        # Writes come back within 0.8 s, on machines with processors and disks to spare.
        Profile.FAST: Timers(
            # Seven to an election, so that some may be late.
            heartbeat_milliseconds=50,
            # As above: 0.7 s leaves 0.1 s.
            election_milliseconds=350,
            # Half of the default's: out after 0.85 s at most (lab.md).
            check_interval_milliseconds=250,
            check_fast_interval_milliseconds=100,
            check_timeout_milliseconds=250,
            # 0.35 s; below this a busy processor moves the address too (performance.md, E6).
            advert_interval_milliseconds=100,
            # 0.55 s and a skew, which leaves 0.2 s to connect anew and to write.
            address_check_interval_milliseconds=250,
            address_check_timeout_milliseconds=300,
        ),
    }
)
"""The values of each profile; nowhere else do they stand."""

PROMISED_MILLISECONDS: Mapping[Profile, int] = MappingProxyType(
    {Profile.DEFAULT: 2000, Profile.FAST: 800}
)
"""How long writes through the endpoint stop at most when any one machine or balancer is lost."""
