"""What each source must give for one release: read from the lock file and the shipped table."""

from __future__ import annotations

from backstay.fleet.artefacts.computer import architecture
from backstay.fleet.artefacts.pins import Pins
from backstay.fleet.artefacts.sources import Expectations, Sources
from backstay.fleet.artefacts.table import shipped_table
from backstay.spec.versions import Release


def pins_of(release: Release, sources: Sources) -> Pins:
    """Return the lock file's part for a release; ArtefactError on another architecture."""
    path = sources.lock_file or sources.places.pins
    return Pins(path, f"linux/{architecture()}", release.kubernetes)


def expectations_of(release: Release, pins: Pins) -> Expectations:
    """Return what is expected, with the lock file read."""
    return Expectations(pins.read(), shipped_table(release, platform=pins.platform))
