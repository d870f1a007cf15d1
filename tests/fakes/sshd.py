"""A real SSH server inside the test's own process; what it is asked to run, a real `sh` runs."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from backstay.spec.model import ClusterSpec

# Found now: a test may take PATH away from what it runs.
_MOUNT, _UNSHARE = (shutil.which(name) or name for name in ("mount", "unshare"))


@dataclass
class Sshd:
    """Counts connections and sessions; commands really run, by the login shell `shell`.

    `private` maps directories, as commands see them, to those that stand there in their stead.
    `answer` may put another script in the place of one that was fed to `sh`; None lets it be.
    """

    port: int
    host_key: str
    user_key: Path
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    noise: str = ""
    shell: tuple[str, ...] = ("/bin/sh",)
    environment: dict[str, str] = field(default_factory=dict)
    private: dict[str, Path] = field(default_factory=dict)
    answer: Callable[[str], str | None] | None = None
    live: list[asyncssh.SSHServerConnection] = field(default_factory=list)
    children: dict[asyncio.Task[None], int] = field(default_factory=dict)

    def argv(self, command: str, address: str) -> tuple[str, ...]:
        """Return what runs the command, as OpenSSH does with the user's login shell.

        Every address is a machine to those who connect, so each has a /run, with its locks.
        """
        mine = (*self.shell, "-c", command)
        run = self.user_key.parent / f"run-{self.port}-{address}"
        run.mkdir(exist_ok=True)
        mounts = "; ".join(
            f"{_MOUNT} --bind {shlex.quote(str(path))} {shlex.quote(place)}"
            for place, path in {"/run": run, **self.private}.items()
        )
        return (_UNSHARE, "--mount", "/bin/sh", "-ec", f'{mounts}; exec "$@"', "sh", *mine)

    def own_files(self, folder: Path) -> None:
        """Give commands an /etc and a /var/lib of their own below the folder, nearly empty."""
        for place in ("/etc", "/var/lib"):
            self.private[place] = folder / place.strip("/").replace("/", "-")
            self.private[place].mkdir()
        for name in ("passwd", "group"):
            (self.private["/etc"] / name).write_bytes(Path("/etc", name).read_bytes())
        # awk and others are found through here.
        alternatives = Path("/etc/alternatives")
        shutil.copytree(alternatives, self.private["/etc"] / "alternatives", symlinks=True)

    def cut(self) -> None:
        """Drop every connection, as a network does that goes away."""
        for connection in self.live:
            connection.abort()

    def document(self, *names: str, **host: object) -> dict[str, object]:
        """Return a cluster.yaml, as plain values, whose hosts all lead to this server."""
        hosts = [
            {
                "name": name,
                "address": f"127.0.0.{number}",
                "roles": ["control-plane"],
                "port": self.port,
                "hostKey": self.host_key,
                **host,
            }
            for number, name in enumerate(names, start=1)
        ]
        return {
            "name": "test",
            "endpoint": {"vip": "127.0.0.100"},
            "hosts": hosts,
            "ssh": {"key": str(self.user_key)},
        }

    def spec(self, *names: str, **host: object) -> ClusterSpec:
        """Return a specification whose hosts all lead to this server."""
        return ClusterSpec.model_validate(self.document(*names, **host))

    def yaml(self, *names: str, **host: object) -> str:
        """Return the text of a cluster.yaml: JSON is YAML."""
        return json.dumps(self.document(*names, **host))


async def _pump(reader: Any, writer: Any) -> None:
    """Carry bytes until the reader ends."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def _feed(reader: Any, writer: Any) -> None:
    """Carry bytes to a child, which may end before it has read all of them."""
    # A connection that goes away closes the pipe, as OpenSSH does.
    with suppress(BrokenPipeError, ConnectionError, asyncssh.Error):
        await _pump(reader, writer)
    with suppress(BrokenPipeError, ConnectionError):
        writer.write_eof()


class _Server(asyncssh.SSHServer):
    def __init__(self, sshd: Sshd) -> None:
        self.sshd = sshd

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.sshd.live.append(conn)
        self.sshd.connections += 1

    def connection_requested(self, *_: object) -> bool:
        return True


@asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[Sshd]:
    """Serve on loopback addresses until the block ends; everybody's key is that in `folder`."""
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    key_path = folder / "id"
    if not key_path.exists():
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(key_path)
        key_path.chmod(0o600)
    user_key = asyncssh.read_private_key(key_path)
    public = host_key.export_public_key().decode().strip()
    sshd = Sshd(port=0, host_key=public, user_key=key_path)
    authorized = asyncssh.import_authorized_keys(user_key.export_public_key().decode())

    async def run(process: asyncssh.SSHServerProcess[bytes]) -> None:
        sshd.commands.append(process.command or "")
        process.stdout.write(sshd.noise.encode(errors="surrogateescape"))
        script = b""
        if sshd.answer is not None and (process.command or "").endswith("/bin/sh -s"):
            script = await process.stdin.read()
            if (said := sshd.answer(script.decode())) is not None:
                script = said.encode()
        child = await asyncio.create_subprocess_exec(
            *sshd.argv(process.command or "true", process.get_extra_info("sockname")[0]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **sshd.environment},
            start_new_session=True,
        )
        mine = asyncio.current_task()
        sshd.children[mine] = child.pid
        if script:
            child.stdin.write(script)
        feeding = asyncio.create_task(_feed(process.stdin, child.stdin))
        with suppress(BrokenPipeError, ConnectionError):
            await asyncio.gather(
                _pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr)
            )
        feeding.cancel()
        process.exit(await child.wait())
        del sshd.children[mine]

    async def listen(address: str, port: int) -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            lambda: _Server(sshd),
            address,
            port,
            server_host_keys=[host_key],
            authorized_client_keys=authorized,
            process_factory=run,
            encoding=None,
        )

    servers = [await listen("127.0.0.1", 0)]
    sshd.port = servers[0].get_port()
    servers += [await listen(address, sshd.port) for address in ("127.0.0.2", "127.0.0.3")]
    try:
        yield sshd
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()
        for pid in sshd.children.values():
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        await asyncio.gather(*sshd.children, return_exceptions=True)
