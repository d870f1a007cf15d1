"""Binaries by digest: found, fetched or built, and checked.

`catalogue` tells digests without doing anything; `fetch` fills the cache.
"""

from backstay.fleet.artefacts.blobs import WrongDigestError, blob
from backstay.fleet.artefacts.fetch import fetch
from backstay.fleet.artefacts.foresight import foresee
from backstay.fleet.artefacts.places import Places, blobs_folder, default_places
from backstay.fleet.artefacts.sources import Sources, sources_of
from backstay.fleet.artefacts.space import clean_build_caches
from backstay.fleet.artefacts.table import catalogue

__all__ = [
    "Places",
    "Sources",
    "WrongDigestError",
    "blob",
    "blobs_folder",
    "catalogue",
    "clean_build_caches",
    "default_places",
    "fetch",
    "foresee",
    "sources_of",
]
