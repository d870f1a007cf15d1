"""Fetches one file over HTTP into the cache's file system."""

from __future__ import annotations

from pathlib import Path

import httpx2

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.heartbeat import heartbeat
from backstay.fleet.events import Listener

CONNECT_SECONDS = 15.0
SILENCE_SECONDS = 60.0
"""How long a server may say nothing before we give it up."""

CHUNK_BYTES = 1 << 20


def client() -> httpx2.AsyncClient:
    """Return a client that follows redirects, as release pages need."""
    timeout = httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
    # A server that packs what is packed already would change the bytes, and the digest.
    plain = {"Accept-Encoding": "identity"}
    return httpx2.AsyncClient(follow_redirects=True, timeout=timeout, headers=plain)


async def download(web: httpx2.AsyncClient, url: str, *, target: Path, tell: Listener) -> bool:
    """Write what is at the address into `target`; False when the server has no such file.

    Raises ArtefactError when the server cannot be reached, fails, or stops half-way.
    """
    received = 0
    try:
        async with web.stream("GET", url) as answer:
            if answer.status_code in {403, 404, 410}:
                return False
            answer.raise_for_status()
            async with heartbeat(tell, lambda: f"fetching {url}: {received / 1e6:.0f} MB"):
                with target.open("wb") as stream:
                    async for chunk in answer.aiter_raw(CHUNK_BYTES):
                        received += stream.write(chunk)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ArtefactError(
            "a file could not be fetched",
            where=url,
            why=str(error) or type(error).__name__,
            next_move="check the address and the network, or name another source",
        ) from error
    return True
