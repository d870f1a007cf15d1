"""`backstay version`: what this is, and what it can build."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass

from backstay import __version__
from backstay.planning.document import API_VERSION
from backstay.spec.versions import KUBERNETES, Release


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions of the tool, of Python, and of what can be built; the default comes first."""

    backstay: str
    python: str
    releases: tuple[Release, ...]

    def document(self) -> dict[str, object]:
        """Return plain values for programs."""
        return {
            "apiVersion": API_VERSION,
            "kind": "Versions",
            "backstay": self.backstay,
            "python": self.python,
            "releases": [asdict(release) for release in self.releases],
        }


def versions() -> Versions:
    """Return the versions of this program and of what it supports."""
    return Versions(__version__, platform.python_version(), tuple(KUBERNETES.values()))
