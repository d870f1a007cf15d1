"""A real SSH server inside the test's own process; what it is asked to run, a real `sh` runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from backstay.spec.model import ClusterSpec


@dataclass
class Sshd:
    """Counts connections and sessions; `root` stands in for nothing: commands really run."""

    port: int
    host_key: str
    user_key: Path
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    noise: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def spec(self, *names: str, **host: object) -> ClusterSpec:
        """Return a specification whose hosts all lead to this server."""
        hosts = [
            {
                "name": name,
                "address": "127.0.0.1" if number == 1 else f"127.0.0.{number}",
                "roles": ["control-plane"],
                "port": self.port,
                "hostKey": self.host_key,
                **host,
            }
            for number, name in enumerate(names, start=1)
        ]
        return ClusterSpec.model_validate(
            {
                "name": "test",
                "endpoint": {"vip": "127.0.0.100"},
                "hosts": hosts,
                "ssh": {"key": str(self.user_key)},
            }
        )


async def _pump(reader: Any, writer: Any) -> None:
    """Carry bytes until the reader ends."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def _feed(reader: Any, writer: Any) -> None:
    """Carry bytes to a child, which may end before it has read all of them."""
    try:
        await _pump(reader, writer)
        writer.write_eof()
    except (BrokenPipeError, ConnectionError):
        return


class _Server(asyncssh.SSHServer):
    def __init__(self, sshd: Sshd) -> None:
        self.sshd = sshd

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        del conn
        self.sshd.connections += 1

    def connection_requested(self, *_: object) -> bool:
        return True


@asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[Sshd]:
    """Serve on a loopback port until the block ends; everybody's key is the one in `folder`."""
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    user_key = asyncssh.generate_private_key("ssh-ed25519")
    key_path = folder / "id"
    user_key.write_private_key(key_path)
    key_path.chmod(0o600)
    public = host_key.export_public_key().decode().strip()
    sshd = Sshd(port=0, host_key=public, user_key=key_path)
    authorized = asyncssh.import_authorized_keys(user_key.export_public_key().decode())

    async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
        sshd.commands.append(process.command or "")
        process.stdout.write(sshd.noise.encode())
        child = await asyncio.create_subprocess_shell(
            process.command or "true",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **sshd.environment},
        )
        feeding = asyncio.create_task(_feed(process.stdin, child.stdin))
        await asyncio.gather(
            _pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr)
        )
        feeding.cancel()
        process.exit(await child.wait())

    server = await asyncssh.create_server(
        lambda: _Server(sshd),
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        authorized_client_keys=authorized,
        process_factory=run,
        encoding=None,
    )
    sshd.port = server.get_port()
    try:
        yield sshd
    finally:
        server.close()
        await server.wait_closed()
