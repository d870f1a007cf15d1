"""systemd units: written, enabled, active, and running what is written.

Running is not the same as written. A unit carries the digest of everything it reads at start in
`Environment=BACKSTAY_DIGEST=…`, and the probe reads it back from the running process. What can be
re-read by a reload has a second digest, recorded under /run/backstay by ExecReload and ExecStart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from backstay.resources.resource import Command, Diff, Facts, Key, Probe, compare


class Tier(IntEnum):
    """How a unit may be restarted on a live cluster, and in which order."""

    ETCD = 1
    APISERVER = 2
    CONTROLLERS = 3
    BALANCER = 4
    RUNTIME = 5
    NODE = 6

    @property
    def one_at_a_time(self) -> bool:
        """Whether only one host's unit of this tier may be away at any moment."""
        return self not in {Tier.RUNTIME, Tier.NODE}

    @property
    def needs_api(self) -> bool:
        """Whether its units can do nothing, and only try again and again, without an apiserver."""
        return self in {Tier.CONTROLLERS, Tier.NODE}


@dataclass(frozen=True, slots=True)
class Service:
    """A unit that is enabled, active, and runs with this digest.

    `reads` are the keys of the same host's resources that it reads when it starts;
    `oneshot` units have no process: their digest is the recorded one.
    """

    unit: str
    digest: str
    tier: Tier
    reads: tuple[Key, ...] = ()
    reload_digest: str | None = None
    oneshot: bool = False

    @property
    def key(self) -> Key:
        """The unit's name."""
        return Key("service", self.unit)

    def probe(self) -> Probe:
        """Ask for the unit's state, and the digests it runs with."""
        return Probe("service", self.unit)

    def diff(self, facts: Facts | None) -> tuple[Diff, ...]:
        """Compare enabled, active, and digests; a unit without a process has no digest.

        One that is starting has: it may wait for ever with settings that were since mended.
        """
        wanted = {"enabled": "enabled", "active": "active"}
        active = facts is not None and facts.get("active") == "active"
        if active and self.oneshot:
            wanted["recorded"] = self.digest
        elif active or (facts is not None and "digest" in facts):
            wanted["digest"] = self.digest
        if active and self.reload_digest is not None:
            wanted["recorded"] = self.reload_digest
        return compare(facts, wanted)

    def remedy(self, diffs: Sequence[Diff]) -> tuple[Command, ...]:
        """Enable it, and start, restart or reload it without waiting: gates do the waiting."""
        fields = {diff.field for diff in diffs}
        commands = [Command(("systemctl", "enable", "--quiet", self.unit))]
        if verb := self.verb(fields):
            commands.append(Command(("systemctl", verb, "--no-block", self.unit)))
        return tuple(commands if "enabled" in fields else commands[1:])

    def verb(self, fields: set[str] | frozenset[str]) -> str | None:
        """Return what systemd must do for these fields to be mended; None for nothing."""
        if "active" in fields and "digest" not in fields:
            return "start"
        if "digest" in fields or ("recorded" in fields and self.reload_digest is None):
            return "restart"
        return "reload" if "recorded" in fields else None
