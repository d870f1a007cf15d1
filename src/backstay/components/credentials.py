"""The pki files of a host: what the cluster keeps, and the host's own key pairs."""

from __future__ import annotations

from collections.abc import Iterator

from backstay.components.place import Place
from backstay.pki.requests import DIRECTORY
from backstay.resources.files import Directory
from backstay.resources.resource import Resource


def credentials(place: Place) -> tuple[Resource, ...]:
    """Return directories, kept files with keys before certificates, and key pairs.

    The directories can be entered by all, since etcd and the balancer's check do not run as root;
    every key in them is for its owner alone.
    """
    return tuple(_resources(place))


def _resources(place: Place) -> Iterator[Resource]:
    if not place.kept_files and not place.certificates:
        return
    yield Directory("/etc/kubernetes")
    yield Directory(DIRECTORY)
    if place.is_member or place.is_plane:
        yield Directory(f"{DIRECTORY}/etcd")
    yield from place.kept_files.values()
    yield from place.certificates.values()
