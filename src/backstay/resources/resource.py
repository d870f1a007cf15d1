"""What a thing on a machine is to us: how to look at it, compare it, and mend it.

A resource is a wish for one thing on one host. It never touches the machine: it names what is to
be read (`Probe`), compares what was read with itself (`Diff`), and names what would mend the
difference (`Command`). Three things are never confused: absent (`None`), unknown (`Unknown`),
and present with an empty value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from backstay.resources.content import Content

Facts = Mapping[str, str]


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The name of a thing on a host; each has one owner, two wishes for one key are an error."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Could not be observed, and why: never the same as absent or stopped."""

    why: str


Seen = Facts | Unknown | None


@dataclass(frozen=True, slots=True)
class Diff:
    """One field that is not as wished; `have` is None when the thing is absent."""

    field: str
    want: str
    have: str | None


@dataclass(frozen=True, slots=True)
class Probe:
    """A question to the machine: a function of the observing script, and one argument to it."""

    verb: str
    argument: str


@dataclass(frozen=True, slots=True)
class Command:
    """Something to run on the machine, as words, with what it gets on standard input."""

    argv: tuple[str, ...]
    stdin: Content | None = None


@runtime_checkable
class Resource(Protocol):
    """A wish for one thing on one host."""

    @property
    def key(self) -> Key:
        """The thing this is a wish for."""

    def probe(self) -> Probe:
        """Return the question that makes the machine tell about the thing."""

    def diff(self, facts: Facts | None) -> tuple[Diff, ...]:
        """Return what differs from the wish; nothing when all is well."""

    def remedy(self, diffs: Sequence[Diff]) -> tuple[Command, ...]:
        """Return the commands that make the differences go away, safe to run twice."""


def compare(facts: Facts | None, wanted: Mapping[str, str]) -> tuple[Diff, ...]:
    """Return a Diff for each wanted field that the facts say otherwise; absent differs in all."""
    have = {} if facts is None else facts
    return tuple(
        Diff(field, want, None if facts is None else have.get(field, ""))
        for field, want in wanted.items()
        if facts is None or have.get(field) != want
    )
