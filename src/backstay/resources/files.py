"""Files, directories and binaries on a host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backstay.resources.content import Artefact, Content, Text
from backstay.resources.resource import Command, Diff, Facts, Key, Probe, compare


@dataclass(frozen=True, slots=True)
class File:
    """A regular file with these bytes; `check` is a command that must accept it beforehand.

    In `check` the word `{}` stands for the candidate's path. Content is compared by SHA-256.
    """

    path: str
    content: Content
    mode: str = "644"
    owner: str = "root:root"
    check: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """The file's path."""
        return Key("file", self.path)

    def probe(self) -> Probe:
        """Ask for type, mode, owner, SHA-256, and the bytes of small public files."""
        verb = "text" if isinstance(self.content, Text) else "file"
        return Probe(verb, self.path)

    def diff(self, facts: Facts | None) -> tuple[Diff, ...]:
        """Compare type, mode, owner and SHA-256."""
        wanted = {"type": "file", "mode": self.mode, "owner": self.owner}
        digest = "" if not hasattr(self.content, "digest") else self.content.digest
        return compare(facts, {**wanted, "sha256": digest})

    def remedy(self, diffs: Sequence[Diff]) -> tuple[Command, ...]:
        """Write the whole file beside itself, check it, and move it into place at `commit`."""
        if all(diff.field in {"mode", "owner"} and diff.have is not None for diff in diffs):
            return (Command(("adjust", self.path, self.mode, self.owner)),)
        return (Command(("place", self.path, self.mode, self.owner, *self.check), self.content),)


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory with this mode and owner; what is in it is none of its business."""

    path: str
    mode: str = "755"
    owner: str = "root:root"

    @property
    def key(self) -> Key:
        """The directory's path."""
        return Key("directory", self.path)

    def probe(self) -> Probe:
        """Ask for type, mode and owner."""
        return Probe("directory", self.path)

    def diff(self, facts: Facts | None) -> tuple[Diff, ...]:
        """Compare type, mode and owner."""
        return compare(facts, {"type": "directory", "mode": self.mode, "owner": self.owner})

    def remedy(self, diffs: Sequence[Diff]) -> tuple[Command, ...]:
        """Make the directory, or set its mode and owner."""
        del diffs
        return (Command(("make_directory", self.path, self.mode, self.owner)),)


@dataclass(frozen=True, slots=True)
class Binary:
    """A program or archive out of the artefact cache, at a path on the host.

    Its digest is verified when it arrives and whenever its inode, size or times changed since;
    hashing hundreds of megabytes at each look would cost more than everything else together.
    """

    path: str
    artefact: Artefact
    mode: str = "755"

    @property
    def key(self) -> Key:
        """The binary's path."""
        return Key("binary", self.path)

    def probe(self) -> Probe:
        """Ask for the verified SHA-256 of what the path leads to."""
        return Probe("binary", self.path)

    def diff(self, facts: Facts | None) -> tuple[Diff, ...]:
        """Compare the SHA-256."""
        return compare(facts, {"sha256": self.artefact.digest})

    def remedy(self, diffs: Sequence[Diff]) -> tuple[Command, ...]:
        """Take it from a mirror on the machine, or have it sent; verified before it is used."""
        del diffs
        argv = ("place_artefact", self.path, self.artefact.digest, self.artefact.name)
        return (Command(argv, self.artefact),)
