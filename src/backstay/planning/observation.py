"""What was seen of the machines, as a value; what could not be seen is said, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backstay.resources.resource import Facts, Key, Seen, Unknown


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A machine that could not be asked, and why; `exit_code` as in errors."""

    why: str
    exit_code: int = 4


@dataclass(frozen=True, slots=True)
class HostSeen:
    """One machine's answers.

    `survey` holds what the machine said of itself (see fleet/scripts/observe.sh);
    `records` what it said of each thing that it was asked about.
    """

    survey: Facts
    records: Mapping[Key, Seen]

    def record(self, key: Key) -> Seen:
        """Return what was seen of a thing; unknown when the machine said nothing about it."""
        return self.records.get(key, Unknown("the machine said nothing about it"))


@dataclass(frozen=True, slots=True)
class Observation:
    """All machines, by host name, and the objects of the cluster that were asked for.

    `objects` maps `kind/namespace/name` to the live object, None for absent, or Unknown.
    """

    hosts: Mapping[str, HostSeen | Unreachable]
    objects: Mapping[str, Mapping[str, object] | Unknown | None] = field(default_factory=dict)

    @property
    def reached(self) -> Mapping[str, HostSeen]:
        """The machines that answered."""
        return {n: seen for n, seen in self.hosts.items() if isinstance(seen, HostSeen)}

    @property
    def unreachable(self) -> Mapping[str, Unreachable]:
        """The machines that did not."""
        return {n: seen for n, seen in self.hosts.items() if isinstance(seen, Unreachable)}

    def seen(self, host: str, key: Key) -> Seen:
        """Return what was seen of a thing on a host."""
        machine = self.hosts[host]
        return machine.record(key) if isinstance(machine, HostSeen) else Unknown(machine.why)

    @property
    def has_etcd_data(self) -> frozenset[str]:
        """Hosts whose etcd data directory holds a member."""
        return self._that_say("etcd_data")

    @property
    def has_served(self) -> frozenset[str]:
        """Hosts whose member of etcd has served at least once, whether or not it has data now."""
        return self._that_say("etcd_served")

    def _that_say(self, field: str) -> frozenset[str]:
        reached = self.reached.items()
        return frozenset(name for name, seen in reached if seen.survey.get(field) == "yes")
