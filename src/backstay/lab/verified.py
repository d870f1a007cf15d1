"""What a new machine need not hash again: artefacts that were verified on this computer.

A machine verifies each binary by its digest before the first use, and writes down what the file
looked like (`fleet/scripts/perform.sh`). Machines of a lab see the very files of this computer's
cache, so one verification serves all of them: hashing 800 MB on each of four machines took five of
the twenty seconds of a lab. A file that changed since does not match, and is hashed there.

What was verified is remembered by `fleet/artefacts/stamps.py`; here it is told as machines see it.
"""

from __future__ import annotations

from collections.abc import Iterable

from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.stamps import present
from backstay.lab.places import cache_directory
from backstay.lab.recipe import MIRROR_DIRECTORY
from backstay.resources.content import Artefact

STAMPS_FILE = "var/lib/backstay/verified"
"""In a machine; `stamps` of perform.sh and observe.sh."""


def verified(artefacts: Iterable[Artefact]) -> str:
    """Return the stamps of artefacts that the cache has, hashing those of which none is known."""
    stamps = present(Places(cache_directory()), artefacts).values()
    return "".join(f"{MIRROR_DIRECTORY}/{stamp}\n" for stamp in stamps if stamp)
