"""Fills the cache by hand: `python -m backstay.fleet.artefacts 1.37.2`.

With `record` before the version, what is built becomes the shipped table.
"""

from __future__ import annotations

import asyncio
import sys

from backstay.errors import BackstayError
from backstay.fleet.artefacts.blobs import blob
from backstay.fleet.artefacts.fetch import fetch
from backstay.fleet.artefacts.record import record
from backstay.fleet.artefacts.sources import Sources
from backstay.fleet.events import Event, Note
from backstay.spec.versions import DEFAULT


def main(arguments: list[str]) -> int:
    """Fetch each version named, and print a line `name path digest` per artefact."""
    try:
        match arguments:
            case ["record", *versions]:
                for version in versions:
                    asyncio.run(record(version, sources=Sources(), tell=_say))
            case versions:
                for version in versions or [DEFAULT]:
                    _fill(version)
    except BackstayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _fill(version: str) -> None:
    sources = Sources()
    for name, artefact in asyncio.run(fetch(version, sources=sources, tell=_say)).items():
        sys.stdout.write(f"{name} {blob(sources.places, artefact)} {artefact.digest}\n")


def _say(event: Event) -> None:
    if isinstance(event, Note):
        sys.stderr.write(f"{event.text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
