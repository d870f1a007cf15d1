"""Container images that the machines bring with them, under names that no registry serves."""

from __future__ import annotations

from dataclasses import dataclass

from backstay.spec.model import ClusterSpec
from backstay.spec.versions import DEFAULT, KUBERNETES, Release

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


def _release(spec: ClusterSpec) -> Release:
    return KUBERNETES.get(spec.kubernetes, KUBERNETES[DEFAULT])


def pause(spec: ClusterSpec) -> Image:
    """Return the image that holds a pod's namespaces."""
    return Image(f"backstay.local/pause:{_release(spec).pause}", "pause.tar")


def coredns(spec: ClusterSpec) -> Image:
    """Return the name server's image."""
    return Image(f"backstay.local/coredns:{_release(spec).coredns}", "coredns.tar")
