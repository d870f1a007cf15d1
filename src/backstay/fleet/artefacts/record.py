"""For maintainers: builds a version with nothing expected, and writes what came into the table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from backstay.fleet.artefacts.fetch import fetch
from backstay.fleet.artefacts.modules import module_sets
from backstay.fleet.artefacts.pins import Pin, Pins
from backstay.fleet.artefacts.scratch import scratch
from backstay.fleet.artefacts.sources import Sources
from backstay.fleet.artefacts.table import DOCUMENT, PLATFORM, release_of, shipped_document
from backstay.fleet.events import Listener
from backstay.spec.model import ArtefactSource
from backstay.spec.versions import Release


async def record(kubernetes_version: str, *, sources: Sources, tell: Listener) -> None:
    """Build on a computer of the shipped platform and rewrite our package data.

    Digests that depend on another C toolchain than this computer's are kept.
    """
    release = release_of(kubernetes_version)
    document = shipped_document()
    versions = document.setdefault(PLATFORM, {})
    before = versions.pop(kubernetes_version, {})
    with scratch(sources.places, "record") as folder:
        lock_file = folder / "pins.json"
        building = replace(sources, order=(ArtefactSource.BUILD,), lock_file=lock_file)
        await fetch(kubernetes_version, sources=building, tell=tell)
        pins = Pins(lock_file, PLATFORM, kubernetes_version).read()
    versions[kubernetes_version] = _entry(release, pins, before.get("byCompiler", {}))
    path = Path(__file__).with_name("data") / DOCUMENT
    path.write_text(json.dumps(document, indent=2) + "\n")


def _entry(
    release: Release, pins: Mapping[str, Pin], by_compiler: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    in_c = {name for one in module_sets(release) if one.needs_c for name in one.names}
    return {
        "go": release.go,
        "artefacts": {name: pins[name].digest for name in sorted(pins.keys() - in_c)},
        "byCompiler": {
            name: dict(by_compiler.get(name, {})) | {pins[name].origin: pins[name].digest}
            for name in sorted(in_c)
        },
    }
