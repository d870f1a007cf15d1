"""The plan as a value: what is printed is what is performed.

Steps and gates are closed unions; whoever handles them matches all cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from backstay.resources.resource import Diff, Key, Resource

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing on one host that differs from the wish, and how.

    `have_content` is the text that a public file holds now; None when it is absent or secret.
    """

    resource: Resource
    diffs: tuple[Diff, ...]
    have_content: str | None = None

    @property
    def key(self) -> Key:
        """The thing's key."""
        return self.resource.key

    @property
    def kind(self) -> ChangeKind:
        """Whether the thing is made anew or altered."""
        anew = all(diff.have is None for diff in self.diffs)
        return ChangeKind.ADD if anew else ChangeKind.ALTER


class ChangeKind(StrEnum):
    """The mark of a change: both read without colour."""

    ADD = "+"
    ALTER = "~"


@dataclass(frozen=True, slots=True)
class Converge:
    """Make these things on a host as wished, all files first staged and then moved together."""

    host: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class ActOnUnits:
    """Enable, start, restart or reload units of a host; gates wait for the outcome."""

    host: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class ApplyObjects:
    """Server-side apply of cluster objects through any control plane that serves.

    `why` names each object as `kind/namespace/name`; `diffs` says for each what differs.
    """

    objects: tuple[Mapping[str, object], ...]
    why: tuple[str, ...]
    diffs: tuple[tuple[Diff, ...], ...] = ()


Step = Converge | ActOnUnits | ApplyObjects


@dataclass(frozen=True, slots=True)
class UnitsActive:
    """The units are active on the host."""

    host: str
    units: tuple[str, ...]
    deadline: timedelta = 2 * MINUTE


@dataclass(frozen=True, slots=True)
class EtcdHealthy:
    """The host's member answers a linearizable read of its own (etcd#22214: not /health)."""

    host: str
    deadline: timedelta = 2 * MINUTE


@dataclass(frozen=True, slots=True)
class ApiReady:
    """The host's apiserver says ready over verified TLS."""

    host: str
    deadline: timedelta = 3 * MINUTE


@dataclass(frozen=True, slots=True)
class BalancerServes:
    """The host's own balancer answers /readyz, whoever has the address."""

    host: str
    deadline: timedelta = 2 * MINUTE


@dataclass(frozen=True, slots=True)
class EndpointServes:
    """The balancer's address answers /readyz, asked from the host."""

    host: str
    deadline: timedelta = 2 * MINUTE


@dataclass(frozen=True, slots=True)
class LeasesHeld:
    """Each lease has a holder that renewed it lately."""

    names: tuple[str, ...]
    deadline: timedelta = 2 * MINUTE


@dataclass(frozen=True, slots=True)
class NodesReady:
    """The nodes are registered and Ready."""

    names: tuple[str, ...]
    deadline: timedelta = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class NodesRegistered:
    """The nodes are known to the API; whether they are Ready is up to the user's CNI."""

    names: tuple[str, ...]
    deadline: timedelta = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class DeploymentAvailable:
    """The deployment has all its replicas available."""

    namespace: str
    name: str
    deadline: timedelta = 5 * MINUTE


Gate = (
    UnitsActive
    | EtcdHealthy
    | ApiReady
    | BalancerServes
    | EndpointServes
    | LeasesHeld
    | NodesReady
    | NodesRegistered
    | DeploymentAvailable
)


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps that may run at once (`at_once` of them) once `requires` holds; then `gates` must."""

    name: str
    steps: tuple[Step, ...]
    gates: tuple[Gate, ...] = ()
    requires: tuple[Gate, ...] = ()
    at_once: int = 30


@dataclass(frozen=True, slots=True)
class Plan:
    """Stages in order, bound to the specification and the observation they were made from.

    `notes` are sentences for the reader: who could not be reached, what was left alone and why.
    """

    spec_digest: str
    seen_digest: str
    stages: tuple[Stage, ...]
    quorum: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.stages

    @property
    def changes(self) -> tuple[tuple[str, Change], ...]:
        """Every change with its host, in the order in which it is performed."""
        return tuple(
            (step.host, change)
            for stage in self.stages
            for step in stage.steps
            if not isinstance(step, ApplyObjects)
            for change in step.changes
        )
