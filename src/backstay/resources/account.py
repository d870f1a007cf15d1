"""System accounts under which services run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backstay.resources.resource import Command, Diff, Facts, Key, Probe, compare


@dataclass(frozen=True, slots=True)
class Account:
    """A system user with a group of its own, no shell and no password."""

    name: str

    @property
    def key(self) -> Key:
        """The account's name."""
        return Key("account", self.name)

    def probe(self) -> Probe:
        """Ask whether user and group are there."""
        return Probe("account", self.name)

    def diff(self, facts: Facts | None) -> tuple[Diff, ...]:
        """Compare whether it is there."""
        return compare(facts, {"state": "present"})

    def remedy(self, diffs: Sequence[Diff]) -> tuple[Command, ...]:
        """Create it."""
        del diffs
        return (Command(("make_account", self.name)),)
