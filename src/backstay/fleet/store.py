"""Where the binaries of this run are on this computer, by digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backstay.errors import ArtefactError
from backstay.resources.content import Artefact


@dataclass(frozen=True, slots=True)
class Store:
    """The folder of blobs: `<root>/<digest>/<name>`."""

    root: Path

    def path(self, artefact: Artefact) -> Path:
        """Return the file of the artefact; ArtefactError when it was never fetched."""
        path = self.root / artefact.digest / artefact.name
        if not path.is_file():
            raise ArtefactError(
                f"{artefact.name} is not in the cache",
                where=str(path),
                next_move="backstay plan fetches or builds what is missing",
            )
        return path
