"""haproxy with the rendered configuration: a server that leaves is drained, a dead one is cut."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from balancing import CA_FILE, balanced, haproxy, needs_haproxy, rendered
from component_sites import CASES, site_of, spec_of, text_of

from backstay.components.assemble import build
from backstay.components.loadbalancer import (
    CONFIG,
    MONITOR,
    detection_milliseconds,
    drain_seconds,
)
from backstay.components.virtual_address import CHECK as ADDRESS_CHECK
from backstay.resources.files import File
from backstay.resources.resource import Key

LEAVING = b"[+]ping ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n"
BROKEN = b"[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"


@needs_haproxy
@pytest.mark.parametrize("case", CASES)
def test_haproxy_accepts_it(case: str, tmp_path: Path) -> None:
    """Every rendered configuration passes `haproxy -c`."""
    authority = tmp_path / "ca.crt"
    shutil.copy(Path(__file__).parent / "authorities" / "kubernetes.crt", authority)
    path = tmp_path / "haproxy.cfg"
    path.write_text(rendered(case, tmp_path))
    done = subprocess.run(
        [str(haproxy), "-c", "-f", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


@needs_haproxy
@pytest.mark.parametrize("staged", [".backstay-new", ""])
def test_its_check_works_before_and_after_what_it_reads_is_in_place(
    staged: str, tmp_path: Path
) -> None:
    """On a new machine all is only staged; a bad configuration is refused either way."""
    spec = spec_of("stacked")
    file = build(site_of(spec)).hosts["cp-1"][Key("file", CONFIG)]
    assert isinstance(file, File)
    authority = tmp_path / "ca.crt"
    source = Path(__file__).parent / "authorities" / "kubernetes.crt"
    shutil.copy(source, f"{authority}{staged}")
    text = rendered("stacked", tmp_path)
    candidate = tmp_path / "haproxy.cfg.backstay-new"
    for tail, accepted in (("", True), ("nonsense\n", False)):
        candidate.write_text(text + tail)
        words = [
            str(candidate) if word == "{}" else word.replace(CA_FILE, str(authority))
            for word in file.check
        ]
        done = subprocess.run(words, capture_output=True, check=False)
        assert (done.returncode == 0) is accepted


def test_all_balancers_have_the_same() -> None:
    """It names every control plane, in the order of their names."""
    spec = spec_of("dedicated")
    wish = build(site_of(spec))
    texts = {text_of(wish.hosts[name], CONFIG) for name in ("lb-1", "lb-2")}
    assert len(texts) == 1
    assert re.findall(r"server (\S+) (\S+) verifyhost (\S+)", texts.pop()) == [
        (f"cp-{i}", f"10.0.0.{10 + i}:6443", f"cp-{i}") for i in range(1, 6)
    ]


@pytest.mark.parametrize("case", CASES)
def test_apiservers_leave_more_slowly_than_balancers_notice(case: str) -> None:
    """N2: the shutdown delay is longer than the longest detection."""
    spec = spec_of(case)
    assert drain_seconds(spec) * 1000 > detection_milliseconds(spec)
    unit = text_of(
        build(site_of(spec)).hosts[spec.control_planes[0].name],
        "/etc/systemd/system/kube-apiserver.service",
    )
    assert f"--shutdown-delay-duration={drain_seconds(spec)}s" in unit


@pytest.mark.parametrize(("case", "spreads"), [("single", False), ("stacked", True)])
def test_connections_are_spread_only_where_there_is_somewhere_to_go(
    case: str,
    spreads: bool,  # noqa: FBT001
) -> None:
    """A lone apiserver sends nobody away."""
    spec = spec_of(case)
    unit = text_of(
        build(site_of(spec)).hosts[spec.control_planes[0].name],
        "/etc/systemd/system/kube-apiserver.service",
    )
    assert ("--goaway-chance=0.001" in unit) is spreads


@needs_haproxy
async def test_who_leaves_is_drained_and_who_fails_is_cut(tmp_path: Path) -> None:
    """A connection lives through an orderly leave, and ends when the apiserver is broken."""
    async with balanced(tmp_path) as here:
        await here.until(lambda state: state == "UP")
        reader, writer = await here.connect()
        held = asyncio.create_task(reader.read())
        here.apiserver.answer = (500, LEAVING)
        await here.until(lambda state: state == "NOLB")
        assert not held.done()
        here.apiserver.answer = (200, b"ok")
        await here.until(lambda state: state == "UP")
        here.apiserver.answer = (500, BROKEN)
        await here.until(lambda state: state == "DOWN")
        async with asyncio.timeout(2):
            with suppress(OSError):
                assert await held == b""
        writer.close()


@needs_haproxy
async def test_who_is_silent_is_down(tmp_path: Path) -> None:
    """N3: a frozen apiserver accepts connections and never answers; its silence is noticed."""
    async with balanced(tmp_path) as here:
        await here.until(lambda state: state == "UP")
        here.apiserver.answer = None
        await here.until(lambda state: state == "DOWN")


@needs_haproxy
async def test_who_refuses_makes_nobody_wait(tmp_path: Path) -> None:
    """Before any check has found out: its share of the newcomers goes to the other at once."""
    async with balanced(tmp_path, spares=1, timers="inter 1m fastinter 1m") as here:
        await here.until(lambda state: state == "UP")
        here.listening[0].close()
        held = [await here.connect() for _ in range(4)]
        assert await here.status() == "UP"
        async with asyncio.timeout(2):
            while here.apiservers[1].held < len(held):
                await asyncio.sleep(0.02)
        for _, writer in held:
            writer.close()


async def may_hold_the_address(folder: Path) -> bool:
    """What the check of the virtual address says of the balancer."""
    spec = spec_of("stacked")
    text = text_of(build(site_of(spec)).hosts["cp-1"], ADDRESS_CHECK)
    (folder / "check").write_text(text.replace(MONITOR, str(folder / Path(MONITOR).name)))
    done = await asyncio.create_subprocess_exec("sh", str(folder / "check"))
    return await done.wait() == 0


@needs_haproxy
async def test_a_balancer_may_hold_the_address_while_it_serves(tmp_path: Path) -> None:
    """N5: not while it knows no apiserver; and not while it is frozen itself."""
    async with balanced(tmp_path) as here:
        await here.until(lambda state: state == "UP")
        assert await may_hold_the_address(tmp_path)
        here.apiserver.answer = None
        await here.until(lambda state: state == "DOWN")
        assert not await may_hold_the_address(tmp_path)
        here.apiserver.answer = (200, b"ok")
        await here.until(lambda state: state == "UP")
        assert await may_hold_the_address(tmp_path)
        os.kill(here.process.pid, signal.SIGSTOP)
        assert not await may_hold_the_address(tmp_path)
