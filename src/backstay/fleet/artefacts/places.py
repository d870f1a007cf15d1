"""Where artefacts, toolchains and build caches are on this computer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from backstay.resources.content import Artefact


@dataclass(frozen=True, slots=True)
class Places:
    """The folders under one cache root; none of them need exist."""

    root: Path

    @property
    def blobs(self) -> Path:
        """Checked artefacts: `<sha256>/<name>`."""
        return self.root / "blobs"

    def blob(self, artefact: Artefact) -> Path:
        """Return where the artefact is, or would be."""
        return self.blobs / artefact.digest / artefact.name

    @property
    def stamps(self) -> Path:
        """What was verified, one line per artefact; see `stamps.py`."""
        return self.root / "verified"

    @property
    def quarantine(self) -> Path:
        """Files whose digest was not the one expected: `<sha256>/<name>`, never used."""
        return self.root / "quarantine"

    @property
    def partial(self) -> Path:
        """Files that are still being written."""
        return self.root / "partial"

    @property
    def toolchains(self) -> Path:
        """Pinned Go toolchains: `<version>/go/bin/go`."""
        return self.root / "go" / "toolchain"

    @property
    def module_cache(self) -> Path:
        """GOMODCACHE of our builds."""
        return self.root / "go" / "mod"

    @property
    def build_cache(self) -> Path:
        """GOCACHE of our builds; what an interrupted build had done is found here again."""
        return self.root / "go" / "build"

    @property
    def begun(self) -> Path:
        """Which set is being built, or was interrupted, and how large the caches were before."""
        return self.root / "go" / "begun.json"

    @property
    def busy(self) -> Path:
        """File that the one who builds keeps locked."""
        return self.root / "build.lock"

    @property
    def pins(self) -> Path:
        """Lock file of digests for those who have no `cluster.yaml` to put one beside."""
        return self.root / "artefacts.lock.json"


def default_places() -> Places:
    """Return the folders under `$XDG_CACHE_HOME/backstay`."""
    return Places(user_cache_path("backstay"))


def blobs_folder() -> Path:
    """Return the folder that holds every artefact as `<sha256>/<name>`."""
    return default_places().blobs
