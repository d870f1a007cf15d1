"""haproxy with the rendered configuration: a server that leaves is drained, a dead one is cut."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from component_sites import CASES, site_of, spec_of, text_of
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from backstay.components.assemble import build
from backstay.components.loadbalancer import (
    CONFIG,
    MONITOR,
    detection_milliseconds,
    drain_seconds,
)
from backstay.components.virtual_address import CHECK as ADDRESS_CHECK
from backstay.pki.authority import create
from backstay.pki.issue import issue
from backstay.pki.request import AuthorityName
from backstay.pki.requests import requests
from backstay.resources.files import File
from backstay.resources.resource import Key

haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
needs_haproxy = pytest.mark.skipif(haproxy is None, reason="haproxy is not installed")
CA_FILE = "/etc/kubernetes/pki/ca.crt"
LEAVING = b"[+]ping ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n"
BROKEN = b"[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"


def rendered(case: str) -> str:
    """The configuration of a case."""
    spec = spec_of(case)
    resources = build(site_of(spec)).hosts[spec.load_balancers[0].name]
    return text_of(resources, CONFIG)


@needs_haproxy
@pytest.mark.parametrize("case", CASES)
def test_haproxy_accepts_it(case: str, tmp_path: Path) -> None:
    """Every rendered configuration passes `haproxy -c`."""
    authority = tmp_path / "ca.crt"
    shutil.copy(Path(__file__).parent / "authorities" / "kubernetes.crt", authority)
    path = tmp_path / "haproxy.cfg"
    path.write_text(rendered(case).replace(CA_FILE, str(authority)))
    done = subprocess.run(
        [str(haproxy), "-c", "-f", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


@needs_haproxy
@pytest.mark.parametrize("staged", [".backstay-new", ""])
def test_its_check_works_before_and_after_the_authority_is_in_place(
    staged: str, tmp_path: Path
) -> None:
    """On a new machine the authority is only staged; a bad configuration is refused either way."""
    spec = spec_of("stacked")
    file = build(site_of(spec)).hosts["cp-1"][Key("file", CONFIG)]
    assert isinstance(file, File)
    authority = tmp_path / "ca.crt"
    source = Path(__file__).parent / "authorities" / "kubernetes.crt"
    shutil.copy(source, f"{authority}{staged}")
    candidate = tmp_path / "haproxy.cfg.backstay-new"
    for text, accepted in (
        (rendered("stacked"), True),
        (rendered("stacked") + "nonsense\n", False),
    ):
        candidate.write_text(text)
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


class Apiserver:
    """Answers /readyz over TLS with whatever it is told; None is silence."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.answer: tuple[int, bytes] | None = (200, b"ok")
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; without an answer, or for other requests, hold the connection."""
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            if b"/readyz" in request and self.answer is not None:
                status, body = self.answer
                head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
            else:
                await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def _contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS of an apiserver named cp-1 and of a client, by an authority that is written down."""
    spec = spec_of("stacked")
    now = datetime.now(UTC)
    authority = create(
        AuthorityName.KUBERNETES,
        key=ec.generate_private_key(ec.SECP256R1()),
        serial=1,
        now=now,
        lifetime=timedelta(days=2),
    )
    (request,) = (each for each in requests(spec)["cp-1"] if each.name == "apiserver")
    key = ec.generate_private_key(ec.SECP256R1())
    pair = issue(request, authority, key=key, serial=x509.random_serial_number(), now=now)
    for name, data in (
        ("ca.crt", authority.certificate),
        ("pair.pem", pair.certificate + pair.key.reveal()),
    ):
        (folder / name).write_bytes(data)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "pair.pem")
    client = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    return server, client


@asynccontextmanager
async def balanced(folder: Path) -> AsyncIterator[tuple[Apiserver, Path, ssl.SSLContext, int]]:
    """A haproxy with the rendered file, in front of one apiserver on this computer."""
    server, client = _contexts(folder)
    apiserver = Apiserver(server)
    listening = await asyncio.start_server(apiserver.serve, "127.0.0.1", 0, ssl=server)
    apiserver.port = listening.sockets[0].getsockname()[1]
    probe = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    text = rendered("stacked").replace(CA_FILE, str(folder / "ca.crt"))
    text = text.replace("/run/haproxy/", f"{folder}/")
    text = text.replace("bind *:8443", f"bind 127.0.0.1:{port}")
    text = text.replace("10.0.0.11:6443", f"127.0.0.1:{apiserver.port}")
    lines = (line for line in text.splitlines() if "server cp-2" not in line)
    kept = "\n".join(line for line in lines if "server cp-3" not in line)
    (folder / "haproxy.cfg").write_text(kept + "\n")
    process = await asyncio.create_subprocess_exec(
        str(haproxy), "-db", "-f", str(folder / "haproxy.cfg"), stderr=asyncio.subprocess.DEVNULL
    )
    (folder / "haproxy.pid").write_text(str(process.pid))
    try:
        yield apiserver, folder / "admin.sock", client, port
    finally:
        process.kill()
        await process.wait()
        listening.close()


async def status(socket: Path) -> str:
    """What haproxy says of the server: UP, NOLB when drained, DOWN."""
    reader, writer = await asyncio.open_unix_connection(str(socket))
    writer.write(b"show stat\n")
    (line,) = [
        each
        for each in (await reader.read()).decode().splitlines()
        if each.startswith("apiservers,cp-1,")
    ]
    writer.close()
    return line.split(",")[17]


async def until(socket: Path, holds: Callable[[str], bool]) -> None:
    """Wait until the server's status is as wanted, five seconds at most."""
    async with asyncio.timeout(5):
        while True:
            try:
                if holds(await status(socket)):
                    return
            except OSError:
                pass  # haproxy has not begun to listen
            await asyncio.sleep(0.02)


@needs_haproxy
async def test_who_leaves_is_drained_and_who_fails_is_cut(tmp_path: Path) -> None:
    """A connection lives through an orderly leave, and ends when the apiserver is broken."""
    async with balanced(tmp_path) as (apiserver, socket, client, port):
        await until(socket, lambda state: state == "UP")
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname="cp-1"
        )
        writer.write(b"GET /watch HTTP/1.1\r\n\r\n")
        held = asyncio.create_task(reader.read())
        apiserver.answer = (500, LEAVING)
        await until(socket, lambda state: state == "NOLB")
        assert not held.done()
        apiserver.answer = (200, b"ok")
        await until(socket, lambda state: state == "UP")
        apiserver.answer = (500, BROKEN)
        await until(socket, lambda state: state == "DOWN")
        async with asyncio.timeout(2):
            with suppress(OSError):
                assert await held == b""
        writer.close()


@needs_haproxy
async def test_who_is_silent_is_down(tmp_path: Path) -> None:
    """N3: a frozen apiserver accepts connections and never answers; its silence is noticed."""
    async with balanced(tmp_path) as (apiserver, socket, _, _):
        await until(socket, lambda state: state == "UP")
        apiserver.answer = None
        await until(socket, lambda state: state == "DOWN")


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
    async with balanced(tmp_path) as (apiserver, socket, _, _):
        await until(socket, lambda state: state == "UP")
        assert await may_hold_the_address(tmp_path)
        apiserver.answer = None
        await until(socket, lambda state: state == "DOWN")
        assert not await may_hold_the_address(tmp_path)
        apiserver.answer = (200, b"ok")
        await until(socket, lambda state: state == "UP")
        assert await may_hold_the_address(tmp_path)
        haproxy_process = int((tmp_path / "haproxy.pid").read_text())
        os.kill(haproxy_process, signal.SIGSTOP)
        assert not await may_hold_the_address(tmp_path)
