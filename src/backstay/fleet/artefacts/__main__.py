"""Fills the cache by hand: `python -m backstay.fleet.artefacts 1.37.2`."""

from __future__ import annotations

import asyncio
import sys

from backstay.errors import BackstayError
from backstay.fleet.artefacts.blobs import blob
from backstay.fleet.artefacts.fetch import fetch
from backstay.fleet.artefacts.sources import Sources
from backstay.fleet.events import Event, Note
from backstay.spec.versions import DEFAULT


def main(arguments: list[str]) -> int:
    """Fetch each version named, and print a line `name path digest` per artefact."""
    sources = Sources()
    try:
        for version in arguments or [DEFAULT]:
            artefacts = asyncio.run(fetch(version, sources=sources, tell=_say))
            for name, artefact in artefacts.items():
                path = blob(sources.places, artefact)
                sys.stdout.write(f"{name} {path} {artefact.digest}\n")
    except BackstayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _say(event: Event) -> None:
    if isinstance(event, Note):
        sys.stderr.write(f"{event.text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
