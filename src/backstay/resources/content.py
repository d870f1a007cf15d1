"""Where the bytes of a file come from; a closed union that performing resolves.

A plan never holds a secret: it names it (`Kept`), and the bytes are found when they are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Text:
    """Content that may be shown to anyone."""

    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Artefact:
    """A binary or image archive out of the cache, known by name and SHA-256 (hexadecimal)."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A secret that the cluster keeps, by name; `digest` is the SHA-256 of its bytes."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Issued:
    """One half of a freshly issued certificate: `part` is `certificate` or `key`."""

    request: str
    part: str


Content = Text | Artefact | Kept | Issued
