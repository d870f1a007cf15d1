"""The shipped digests: what a build gives, known before anything is built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.computer import architecture
from backstay.fleet.artefacts.modules import module_sets
from backstay.resources.content import Artefact
from backstay.spec.versions import KUBERNETES, Release

DOCUMENT = "digests.json"

PLATFORM = "linux/amd64"
"""The platform that digests are shipped for; `computer.py` refuses others."""


@dataclass(frozen=True, slots=True)
class Table:
    """Digests of one release on one platform; `by_compiler` those that depend on a C toolchain."""

    digests: Mapping[str, str]
    by_compiler: Mapping[str, Mapping[str, str]]

    def digest(self, name: str, *, compiler: str | None = None) -> str | None:
        """Return the digest; None when unknown, or unknown for that C toolchain.

        Without a C toolchain it is that of the first one listed: the one we release with.
        """
        known = self.by_compiler.get(name)
        if known is None:
            return self.digests.get(name)
        return known.get(compiler) if compiler else next(iter(known.values()), None)


def release_of(kubernetes_version: str) -> Release:
    """Return the release; ArtefactError when that version cannot be had."""
    release = KUBERNETES.get(kubernetes_version)
    if release is None:
        raise ArtefactError(
            f"there are no binaries of Kubernetes {kubernetes_version}",
            why=f"known are {', '.join(KUBERNETES)}",
            next_move="backstay version lists what can be had",
        )
    return release


def artefact_names(release: Release) -> tuple[str, ...]:
    """Return the names of all artefacts of a release."""
    return tuple(name for one in module_sets(release) for name in one.names)


def shipped_table(release: Release, *, platform: str = PLATFORM) -> Table:
    """Return the shipped digests; empty for a platform that has none."""
    entry = shipped_document().get(platform, {}).get(release.kubernetes, {})
    if entry.get("go") != release.go:
        return Table({}, {})
    return Table(entry["artefacts"], entry["byCompiler"])


def catalogue(
    kubernetes_version: str, *, pinned: Mapping[str, str] | None = None
) -> Mapping[str, Artefact]:
    """Return artefact name to artefact, without building anything.

    `pinned` are digests that go before the shipped ones. Raises ArtefactError for a version that
    cannot be had, on a computer of another architecture, or when a digest is not known.
    """
    release = release_of(kubernetes_version)
    table = shipped_table(release, platform=f"linux/{architecture()}")
    digests = {
        name: (pinned or {}).get(name) or table.digest(name) for name in artefact_names(release)
    }
    unknown = [name for name, digest in digests.items() if digest is None]
    if unknown:
        raise ArtefactError(
            f"digests of Kubernetes {kubernetes_version} are not known",
            why=f"not in the shipped table: {', '.join(unknown)}",
            next_move="backstay plan builds or fetches them once, and pins them",
        )
    return {name: Artefact(name, digest) for name, digest in digests.items() if digest}


@cache
def shipped_document() -> dict[str, Any]:
    """Return platform to Kubernetes version to digests, as shipped; one value for the process."""
    text = (files(__package__) / "data" / DOCUMENT).read_text()
    document: dict[str, Any] = json.loads(text)
    return document
