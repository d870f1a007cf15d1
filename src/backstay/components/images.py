"""Container images that the machines bring with them, under names that no registry serves."""

from __future__ import annotations

from dataclasses import dataclass

DIRECTORY = "/var/lib/backstay/images"


@dataclass(frozen=True, slots=True)
class Image:
    """An image by its reference, and the artefact that is its archive."""

    reference: str
    artefact: str

    @property
    def path(self) -> str:
        """Where the archive is on a machine."""
        return f"{DIRECTORY}/{self.artefact}"


PAUSE = Image("backstay.local/pause:1", "pause.tar")
COREDNS = Image("backstay.local/coredns:1.14.7", "coredns.tar")
IMAGES = (PAUSE, COREDNS)
