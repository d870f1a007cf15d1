"""Fetches the official releases: whole files, or programs out of archives."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import tarfile
import zlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.blobs import admit
from backstay.fleet.artefacts.computer import architecture
from backstay.fleet.artefacts.oci import pack
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.releases import Download
from backstay.fleet.artefacts.scratch import scratch
from backstay.fleet.artefacts.sources import Supplied
from backstay.fleet.artefacts.web import CHUNK_BYTES, client, download
from backstay.fleet.events import Listener, Note


@dataclass(frozen=True, slots=True)
class Releases:
    """The files that the projects publish."""

    downloads: tuple[Download, ...]
    places: Places
    tell: Listener

    async def supply(self, wanted: Mapping[str, str | None]) -> AsyncGenerator[Supplied, None]:
        """Fetch each file that has something wanted."""
        async with client() as web:
            for one in self.downloads:
                names = [name for name in one.names if name in wanted]
                if not names:
                    continue
                with scratch(self.places, "release") as folder:
                    file = folder / "download"
                    if not await download(web, one.url, target=file, tell=self.tell):
                        continue
                    self.tell(Note(f"fetched {one.url}"))
                    for name in names:
                        yield await asyncio.to_thread(self._admit, one, file, name, wanted[name])

    def _admit(self, one: Download, file: Path, name: str, digest: str | None) -> Supplied:
        path = self._unpack(one, file, name) if one.members else file
        artefact = admit(self.places, path, name=name, expected=digest, origin=one.url)
        return Supplied(artefact, one.url, first_use=digest is None)

    def _unpack(self, one: Download, archive: Path, name: str) -> Path:
        member = dict(one.members)[name]
        program = archive.with_name(f"{name}.program")
        _extract(archive, member, program, url=one.url)
        if one.image is None:
            return program
        target = archive.with_name(name)
        called = PurePosixPath(member).name
        pack(program, image=one.image, name=called, architecture=architecture(), target=target)
        return target


def _extract(archive: Path, member: str, target: Path, *, url: str) -> None:
    try:
        if _copy_member(archive, member, target):
            return
        why = f"there is no {member} in it"
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        why = str(error)
    raise ArtefactError(
        "a published archive is not what it should be",
        where=url,
        why=why,
        next_move="run again; if it stays so, name another source",
    )


def _copy_member(archive: Path, member: str, target: Path) -> bool:
    """Copy one file of a gzipped tar archive out; False when it is not there."""
    found = False
    with gzip.open(archive) as plain, tarfile.open(fileobj=plain) as opened:
        for entry in opened:
            content = opened.extractfile(entry) if _path(entry) == member else None
            if content is not None:
                with target.open("wb") as stream:
                    shutil.copyfileobj(content, stream)
                found = True
        # The checksum stands at the very end: a damaged archive must not be pinned.
        while plain.read(CHUNK_BYTES):
            pass
    return found


def _path(entry: tarfile.TarInfo) -> str:
    return str(PurePosixPath(entry.name))
