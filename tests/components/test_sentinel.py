"""The program in haproxy that sees at once that an apiserver is gone, on a real haproxy."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from balancing import Apiserver, Balanced, balanced, needs_haproxy
from component_sites import CASES, site_of, spec_of, text_of

from backstay.components import sentinel
from backstay.components.assemble import build
from backstay.components.loadbalancer import detection_milliseconds

SOON = ("AWAY = 3", "AWAY = 1")
AGING = ("OLD = 30", "OLD = 2")


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds, ten seconds at most."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.02)


async def close_of(apiserver: Apiserver) -> asyncio.StreamWriter:
    """Close the sentinel's connection to an apiserver, when there is one."""
    await until(lambda: bool(apiserver.kept))
    writer = apiserver.kept[0]
    writer.close()
    return writer


async def seen_until_another(here: Balanced, first: asyncio.StreamWriter) -> set[str]:
    """Return all that haproxy says of servers until the first one's sentinel connects anew."""
    names = [f"cp-{number + 1}" for number in range(len(here.apiservers))]
    seen = set()
    async with asyncio.timeout(10):
        while not seen or here.apiserver.kept in ([], [first]):
            seen.update([await here.status(name) for name in names])
            await asyncio.sleep(0.02)
    return seen


@needs_haproxy
async def test_who_closed_its_connection_gets_nobody_new(tmp_path: Path) -> None:
    """Though it accepts and passes its checks; who is there stays; then it is one of them again."""
    async with balanced(tmp_path, spares=1, faster=(SOON,)) as here:
        await here.until(lambda state: state == "UP")
        first, second = here.apiservers
        held = [await here.connect() for _ in range(2)]
        await until(lambda: first.held == second.held == 1)
        await close_of(first)
        await here.until(lambda state: state == "DRAIN")
        held += [await here.connect() for _ in range(3)]
        await until(lambda: second.held == 4)
        await here.until(lambda state: state == "UP")
        assert first.held == 1
        for reader, writer in held:
            assert not reader.at_eof()
            writer.close()


@needs_haproxy
async def test_the_last_one_is_left_alone(tmp_path: Path) -> None:
    """Whoever is sent nowhere is worse off than who is sent to a server that may be dying."""
    async with balanced(tmp_path, faster=(SOON,)) as here:
        await here.until(lambda state: state == "UP")
        assert "DRAIN" not in await seen_until_another(here, await close_of(here.apiserver))


@needs_haproxy
async def test_one_that_is_the_last_meanwhile_is_back_at_once(tmp_path: Path) -> None:
    """Its connection may have ended for another reason, and the others are down now."""
    async with balanced(tmp_path, spares=1, faster=(("AWAY = 3", "AWAY = 60"),)) as here:
        await here.until(lambda state: state == "UP")
        await close_of(here.apiserver)
        await here.until(lambda state: state == "DRAIN")
        here.apiservers[1].answer = None
        await here.until(lambda state: state == "UP")


@needs_haproxy
async def test_a_connection_that_grew_old_is_replaced_without_a_word(tmp_path: Path) -> None:
    """An apiserver would close it in the end, and that must not look like its death."""
    async with balanced(tmp_path, spares=1, faster=(SOON, AGING)) as here:
        await here.until(lambda state: state == "UP")
        await until(lambda: all(one.kept for one in here.apiservers))
        assert "DRAIN" not in await seen_until_another(here, here.apiserver.kept[0])


@needs_haproxy
async def test_a_process_that_was_replaced_ends(tmp_path: Path) -> None:
    """After a reload the old process has no client any more: its sentinels do not keep it.

    They are out of step, or both would be without a connection for a moment.
    """
    async with balanced(tmp_path, spares=1, faster=(SOON, AGING)) as here:
        await here.until(lambda state: state == "UP")
        await close_of(here.apiserver)
        await here.until(lambda state: state == "DRAIN")
        await until(lambda: all(one.kept for one in here.apiservers))
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
