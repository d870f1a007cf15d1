"""The lock file beside `cluster.yaml`: digests pinned on first use, checked ever after."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backstay.errors import ArtefactError
from backstay.spec.model import ArtefactSource

FORMAT = "backstay/artefacts-lock/v1"


@dataclass(frozen=True, slots=True)
class Pin:
    """A digest that was accepted once.

    `source` is what can give these bytes again; `origin` is the address, or what built them.
    """

    digest: str
    source: ArtefactSource
    origin: str


@dataclass(frozen=True, slots=True)
class Pins:
    """The pins of one Kubernetes version on one platform, in one lock file."""

    path: Path
    platform: str
    version: str

    def read(self) -> Mapping[str, Pin]:
        """Return artefact name to pin; ArtefactError when the file makes no sense."""
        document = _document(self.path)
        try:
            entries = document.get(self.platform, {}).get(self.version, {})
            return {name: _pin(entry) for name, entry in entries.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _unreadable(self.path, f"an entry is damaged: {error!r}") from error

    def add(self, pins: Mapping[str, Pin]) -> None:
        """Write further pins; the file is replaced as a whole or not at all."""
        if not pins:
            return
        document = _document(self.path)
        entries = document.setdefault(self.platform, {}).setdefault(self.version, {})
        for name, pin in pins.items():
            source = pin.source.value
            entries[name] = {"sha256": pin.digest, "source": source, "origin": pin.origin}
        _replace(self.path, json.dumps(document, indent=2, sort_keys=True) + "\n")


def _pin(entry: Mapping[str, str]) -> Pin:
    return Pin(entry["sha256"], ArtefactSource(entry["source"]), entry["origin"])


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError:
        return {"format": FORMAT}
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _unreadable(path, f"it does not say that its format is {FORMAT}")
    return document


def _unreadable(path: Path, why: str) -> ArtefactError:
    return ArtefactError(
        "the lock file of artefacts cannot be read",
        where=str(path),
        why=why,
        next_move="restore it from version control, or remove it to pin anew",
    )


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(path)
