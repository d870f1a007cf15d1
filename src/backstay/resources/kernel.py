"""Kernel modules and parameters of a running host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backstay.resources.resource import Command, Diff, Facts, Key, Probe, compare


@dataclass(frozen=True, slots=True)
class Module:
    """A kernel facility that is there: loaded, or built into the kernel."""

    name: str

    @property
    def key(self) -> Key:
        """The module's name."""
        return Key("module", self.name)

    def probe(self) -> Probe:
        """Ask whether the facility is there."""
        return Probe("module", self.name)

    def diff(self, facts: Facts | None) -> tuple[Diff, ...]:
        """Compare whether it is there."""
        return compare(facts, {"state": "present"})

    def remedy(self, diffs: Sequence[Diff]) -> tuple[Command, ...]:
        """Load it."""
        del diffs
        return (Command(("modprobe", self.name)),)


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A kernel parameter as it is now; that it stays so after a boot is a File's concern."""

    name: str
    value: str

    @property
    def key(self) -> Key:
        """The parameter's dotted name."""
        return Key("sysctl", self.name)

    def probe(self) -> Probe:
        """Ask for the value."""
        return Probe("sysctl", self.name)

    def diff(self, facts: Facts | None) -> tuple[Diff, ...]:
        """Compare the value."""
        return compare(facts, {"value": self.value})

    def remedy(self, diffs: Sequence[Diff]) -> tuple[Command, ...]:
        """Set it."""
        del diffs
        return (Command(("set_sysctl", self.name, self.value)),)
