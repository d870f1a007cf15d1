"""haproxy as rendered, in front of apiservers that are tasks of the test."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from component_sites import site_of, spec_of, text_of
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from backstay.components.assemble import build
from backstay.components.loadbalancer import CONFIG
from backstay.pki.authority import create
from backstay.pki.issue import issue
from backstay.pki.request import AuthorityName
from backstay.pki.requests import requests

haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
needs_haproxy = pytest.mark.skipif(haproxy is None, reason="haproxy is not installed")
CA_FILE = "/etc/kubernetes/pki/ca.crt"


def rendered(case: str, folder: Path) -> str:
    """The configuration of a case, which finds what it reads in a folder; the authority is not."""
    spec = spec_of(case)
    resources = build(site_of(spec)).hosts[spec.load_balancers[0].name]
    text = text_of(resources, CONFIG)
    return text.replace(CA_FILE, str(folder / "ca.crt"))


class Apiserver:
    """Answers /readyz over TLS with whatever it is told; None is silence."""

    def __init__(self) -> None:
        self.answer: tuple[int, bytes] | None = (200, b"ok")
        self.held = 0
        """Connections with other requests, which have no answer, that there ever were."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; without an answer, or for other requests, hold the connection."""
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            if b"/readyz" in request and self.answer is not None:
                status, body = self.answer
                head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
            else:
                self.held += b"/readyz" not in request
                await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@dataclass(frozen=True, slots=True)
class Balanced:
    """A haproxy that runs: its apiservers, its socket, its port, a client's TLS."""

    apiservers: tuple[Apiserver, ...]
    listening: tuple[asyncio.Server, ...]
    socket: Path
    port: int
    client: ssl.SSLContext
    process: asyncio.subprocess.Process

    @property
    def apiserver(self) -> Apiserver:
        """The first one, cp-1."""
        return self.apiservers[0]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect through the balancer and ask what gets no answer."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.client, server_hostname="cp-1"
        )
        writer.write(b"GET /watch HTTP/1.1\r\n\r\n")
        return reader, writer

    async def status(self, server: str = "cp-1") -> str:
        """What haproxy says of a server: UP, DRAIN, NOLB when it leaves, DOWN."""
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        writer.write(b"show stat\n")
        (line,) = [
            each
            for each in (await reader.read()).decode().splitlines()
            if each.startswith(f"apiservers,{server},")
        ]
        writer.close()
        return line.split(",")[17]

    async def until(self, holds: Callable[[str], bool]) -> None:
        """Wait until the first server's status is as wanted, five seconds at most."""
        async with asyncio.timeout(5):
            while True:
                try:
                    if holds(await self.status()):
                        return
                except OSError:
                    pass  # haproxy has not begun to listen
                await asyncio.sleep(0.02)


@asynccontextmanager
async def balanced(folder: Path, *, spares: int = 0, timers: str = "") -> AsyncIterator[Balanced]:
    """A haproxy with the rendered file, in front of apiservers on this computer.

    `timers` stand behind those of each server's checks, and hold.
    """
    server, client = _contexts(folder)
    apiservers = tuple(Apiserver() for _ in range(1 + spares))
    listening = tuple(
        [await asyncio.start_server(one.serve, "127.0.0.1", 0, ssl=server) for one in apiservers]
    )
    probe = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    ports = [one.sockets[0].getsockname()[1] for one in listening]
    (folder / "haproxy.cfg").write_text(_here(folder, port, ports, timers))
    process = await asyncio.create_subprocess_exec(
        str(haproxy), "-db", "-f", str(folder / "haproxy.cfg"), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield Balanced(apiservers, listening, folder / "admin.sock", port, client, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        for one in listening:
            one.close()


def _here(folder: Path, port: int, ports: list[int], timers: str) -> str:
    text = rendered("stacked", folder)
    text = text.replace("/run/haproxy/", f"{folder}/")
    text = text.replace("bind *:8443", f"bind 127.0.0.1:{port}")
    kept = [line for line in text.splitlines() if not line.startswith("    server ")]
    at = kept.index("backend apiservers")
    end = kept.index("", at)
    kept[end:end] = [
        f"    server cp-{i + 1} 127.0.0.1:{each} verifyhost cp-1 {timers}"
        for i, each in enumerate(ports)
    ]
    return "\n".join(kept) + "\n"


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
