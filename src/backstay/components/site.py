"""Everything the components are told: the wish of the owner, and what the machines are like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from backstay.pki.trust import Trust
from backstay.resources.content import Artefact
from backstay.spec.model import ClusterSpec, Host


class ControlGroups(StrEnum):
    """Which hierarchy of control groups the host mounts."""

    V1 = "v1"
    V2 = "v2"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a host is like, as far as its files depend on it.

    `interface` carries the host's internal address; `swap` says whether any is in use;
    `resolver` is the resolv.conf that pods start from, which must not name a loopback stub.
    """

    control_groups: ControlGroups = ControlGroups.V2
    interface: str = "eth0"
    swap: bool = False
    resolver: str = "/etc/resolv.conf"


@dataclass(frozen=True, slots=True)
class Site:
    """The specification with all that was decided from looking at the machines.

    `subnets` gives each node its pods' range; `catalogue` maps artefact names to digests.
    """

    spec: ClusterSpec
    trust: Trust
    catalogue: Mapping[str, Artefact]
    surroundings: Mapping[str, Surroundings]
    subnets: Mapping[str, IPv4Network | IPv6Network]
    now: datetime

    def around(self, host: Host) -> Surroundings:
        """Return what the host is like."""
        return self.surroundings[host.name]
