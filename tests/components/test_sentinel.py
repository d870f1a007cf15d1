"""The program in haproxy that sees at once that an apiserver is gone, on a real haproxy."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from balancing import Balanced, balanced, needs_haproxy
from component_sites import CASES, site_of, spec_of, text_of

from backstay.components import sentinel
from backstay.components.assemble import build
from backstay.components.loadbalancer import detection_milliseconds

FASTER = (("NEW, OLD = 1, 20", "NEW, OLD = 0.3, 3"), ("AWAY = 3", "AWAY = 1"))
"""So that a test ends soon; the order of the three stays."""


async def taken(here: Balanced) -> set[asyncio.StreamWriter]:
    """Wait for a connection of the sentinel."""
    async with asyncio.timeout(5):
        while not here.apiserver.silent:
            await asyncio.sleep(0.02)
    return set(here.apiserver.silent)


async def close_it(here: Balanced) -> set[asyncio.StreamWriter]:
    """Close the sentinel's connection when it is no longer new."""
    await here.until(lambda state: state == "UP")
    await taken(here)
    await asyncio.sleep(0.5)
    closed = await taken(here)
    for writer in closed:
        writer.close()
    return closed


async def seen_until_another(here: Balanced, first: set[asyncio.StreamWriter]) -> set[str]:
    """Return all that haproxy says of the server until its sentinel connects anew."""
    seen = set()
    async with asyncio.timeout(10):
        while here.apiserver.silent <= first:
            seen.add(await here.status())
            await asyncio.sleep(0.02)
    return seen


@needs_haproxy
async def test_who_closed_its_connection_gets_nobody_new_and_nobody_is_cut(tmp_path: Path) -> None:
    """Though it still accepts and passes its checks; then it is one of them again."""
    async with balanced(tmp_path, spares=1, faster=FASTER) as here:
        await here.until(lambda state: state == "UP")
        held = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", here.port, ssl=here.client, server_hostname="cp-1"
            )
            writer.write(b"GET /watch HTTP/1.1\r\n\r\n")
            held.append((asyncio.create_task(reader.read()), writer))
        await close_it(here)
        await here.until(lambda state: state == "DRAIN")
        assert await here.status("cp-2") == "UP"
        await here.until(lambda state: state == "UP")
        for task, writer in held:
            assert not task.done()
            writer.close()


@needs_haproxy
async def test_the_last_one_is_left_alone(tmp_path: Path) -> None:
    """Whoever is sent nowhere is worse off than who is sent to a server that may be dying."""
    async with balanced(tmp_path, faster=FASTER) as here:
        assert await seen_until_another(here, await close_it(here)) == {"UP"}


@needs_haproxy
async def test_a_connection_that_grew_old_is_replaced_without_a_word(tmp_path: Path) -> None:
    """An apiserver would close it in the end, and that must not look like its death."""
    async with balanced(tmp_path, spares=1, faster=FASTER) as here:
        await here.until(lambda state: state == "UP")
        assert await seen_until_another(here, await taken(here)) == {"UP"}


@needs_haproxy
async def test_a_process_that_was_replaced_ends(tmp_path: Path) -> None:
    """After a reload the old process has no client any more: its sentinels do not keep it."""
    async with balanced(tmp_path, spares=1, faster=FASTER) as here:
        await here.until(lambda state: state == "UP")
        await taken(here)
        here.process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(10):
            await here.process.wait()


@pytest.mark.parametrize("case", CASES)
def test_the_checks_have_noticed_when_it_ends(case: str) -> None:
    """Until then nobody new comes; afterwards the checks alone decide."""
    spec = spec_of(case)
    resources = build(site_of(spec)).hosts[spec.load_balancers[0].name]
    (line,) = [
        line
        for line in text_of(resources, sentinel.PATH).splitlines()
        if line.startswith("local AWAY = ")
    ]
    assert int(line.split()[3]) * 1000 > detection_milliseconds(spec)
