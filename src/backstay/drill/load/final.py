"""What every source has at the end, once all of them tell of one end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import grpc

from backstay.drill.history import FinalRead
from backstay.drill.load.kube import KubeError

FINAL_SECONDS = 30.0
PATIENCE_SECONDS = 5.0
"""For what is asked once, before and after the load."""

POLL_SECONDS = 0.2

Values = Mapping[str, tuple[str | None, int]]
"""Value and revision by key."""

Failure = (KubeError, grpc.RpcError)


class Source(Protocol):
    """A member or an apiserver by itself."""

    async def all(self, *, seconds: float) -> Values:
        """Return what it has."""

    async def close(self) -> None:
        """Close its connection."""


async def final_reads(sources: Mapping[str, Source], keys: Sequence[str]) -> Sequence[FinalRead]:
    """Read all keys from all sources; of one that does not answer there is nothing.

    A write that was given up may still be on its way, and be seen by one source and not by the one
    that was asked before it. So they are asked until two rounds are the same, for as long as that
    may take; where sources go on to differ, they do so in the last round as well.
    """
    found = await _settled(sources)
    for one in sources.values():
        await one.close()
    return [
        FinalRead(name, key, *values.get(key, (None, None)))
        for name, values in found.items()
        for key in keys
    ]


async def _settled(sources: Mapping[str, Source]) -> Mapping[str, Values]:
    """Return the last round, or the last in which all answered if there was one."""
    last: Mapping[str, Values] = {}
    whole: Mapping[str, Values] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(FINAL_SECONDS):
            while True:
                found = await _round(sources)
                if found == last and agree(found, sources):
                    return found
                last = found
                whole = found if len(found) == len(sources) else whole
                await asyncio.sleep(POLL_SECONDS)
    return whole or last


async def _round(sources: Mapping[str, Source]) -> Mapping[str, Values]:
    answers = await asyncio.gather(*(_answer(one) for one in sources.values()))
    pairs = zip(sources, answers, strict=True)
    return {name: values for name, values in pairs if values is not None}


async def _answer(source: Source) -> Values | None:
    try:
        return await source.all(seconds=PATIENCE_SECONDS)
    except Failure:
        return None


def agree(found: Mapping[str, Values], sources: Mapping[str, Source]) -> bool:
    """Return whether all answered, and those of each store (`etcd cp-1`) had the same."""
    stores: dict[str, Values] = {}
    same = (
        stores.setdefault(name.partition(" ")[0], values) == values
        for name, values in found.items()
    )
    return len(found) == len(sources) and all(same)
