"""Takes artefacts out of a bundle folder or a mirror, where they are named by digest."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.blobs import admit
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.scratch import scratch
from backstay.fleet.artefacts.sources import Supplied
from backstay.fleet.artefacts.web import client, download
from backstay.fleet.events import Listener, Note


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder of artefacts, on this computer or on what was carried to it."""

    folder: Path
    places: Places
    tell: Listener

    async def supply(self, wanted: Mapping[str, str | None]) -> AsyncGenerator[Supplied, None]:
        """Copy what the folder holds."""
        if not self.folder.is_dir():
            raise ArtefactError(
                "the bundle is not there",
                where=str(self.folder),
                why="there is no such folder",
                next_move="correct artefacts.bundle in cluster.yaml",
            )
        for name, digest in wanted.items():
            path = self.folder / str(digest) / name
            if path.is_file():
                self.tell(Note(f"taking {name} out of the bundle"))
                yield await asyncio.to_thread(self._take, path, name, digest)

    def _take(self, path: Path, name: str, digest: str | None) -> Supplied:
        with scratch(self.places, "bundle") as folder:
            copy = folder / name
            shutil.copyfile(path, copy)
            artefact = admit(self.places, copy, name=name, expected=digest, origin=str(path))
        return Supplied(artefact, str(path))


@dataclass(frozen=True, slots=True)
class Mirror:
    """Any web server that shows a cache's folder of blobs."""

    address: str
    places: Places
    tell: Listener

    async def supply(self, wanted: Mapping[str, str | None]) -> AsyncGenerator[Supplied, None]:
        """Fetch what the server has."""
        async with client() as web:
            for name, digest in wanted.items():
                url = f"{self.address.rstrip('/')}/{digest}/{name}"
                with scratch(self.places, "mirror") as folder:
                    file = folder / name
                    if not await download(web, url, target=file, tell=self.tell):
                        continue
                    self.tell(Note(f"fetched {url}"))
                    artefact = await asyncio.to_thread(
                        admit, self.places, file, name=name, expected=digest, origin=url
                    )
                yield Supplied(artefact, url)
