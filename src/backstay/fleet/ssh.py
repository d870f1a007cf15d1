"""Machines over SSH: one connection per machine for the whole run, host keys always verified."""

from __future__ import annotations

import asyncio
import secrets
import shlex
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from backstay.errors import (
    AuthenticationError,
    GateTimeoutError,
    HostKeyError,
    PreflightError,
    UnreachableError,
)
from backstay.fleet.reasons import reason
from backstay.fleet.transport import Completed, Machine
from backstay.spec.model import ClusterSpec, Host

CONNECT_SECONDS = 10.0
# Long silences are normal (a machine at work); three lost keep-alives are not.
KEEPALIVE_SECONDS = 5.0
KEEPALIVE_COUNT = 3


@dataclass(slots=True)
class SshMachine:
    """A machine behind one asyncssh connection."""

    name: str
    connection: asyncssh.SSHClientConnection
    is_root: bool
    round_trips: int = 0

    def _command(self, words: tuple[str, ...]) -> str:
        """Return the command line; `exec` leaves no login shell between us and sh."""
        sudo = () if self.is_root else ("sudo", "-n", "--")
        return "exec " + shlex.join((*sudo, *words))

    async def run(
        self, script: str, *, deadline: float, on_line: Callable[[str], None] | None = None
    ) -> Completed:
        """Feed the script to a root `sh` on standard input (see Machine)."""
        self.round_trips += 1
        ear = Ear.new()
        with self._translated(), _deadline(deadline, self.name):
            async with asyncio.timeout(deadline):
                process = await self.connection.create_process(
                    self._command(("/bin/sh", "-s")), encoding="utf-8", errors="replace"
                )
                # Left without waiting: sshd closes a channel only when the script has ended, and
                # a frozen machine never does, so that the deadline would be none.
                with closing(process):
                    stdout, stderr = await _heard(process, ear, script, on_line)
                    await process.wait_closed()
        self._require_root(process.exit_status, stderr)
        return self._completed(process.exit_status, stdout.text, stderr.text)

    async def send(self, script: str, source: Path, *, deadline: float) -> Completed:
        """Run a short script with the file's bytes on standard input (see Machine)."""
        self.round_trips += 1
        with self._translated(), _deadline(deadline, self.name):
            async with asyncio.timeout(deadline):
                done = await self.connection.run(
                    self._command(("/bin/sh", "-c", script)), stdin=str(source), encoding=None
                )
        return self._completed(done.exit_status, _text(done.stdout), _text(done.stderr))

    @asynccontextmanager
    async def open_shell(self, script: str) -> AsyncIterator[asyncssh.SSHClientProcess[str]]:
        """Keep a root `sh -c` running; it ends when its standard input does."""
        self.round_trips += 1
        with self._translated():
            async with self.connection.create_process(
                self._command(("/bin/sh", "-c", script)), encoding="utf-8"
            ) as process:
                yield process

    @asynccontextmanager
    async def reach(self, host: str, port: int) -> AsyncIterator[int]:
        """Forward a loopback port through the machine (see Machine)."""
        with self._translated():
            listener = await self.connection.forward_local_port("127.0.0.1", 0, host, port)
        try:
            yield listener.get_port()
        finally:
            listener.close()

    def _completed(self, status: int | None, stdout: str, stderr: str) -> Completed:
        """Return how it ended (-1: by a signal); without any status the connection went first."""
        if status is None:
            raise UnreachableError("the connection was lost", where=self.name)
        return Completed(status, stdout, stderr)

    def _require_root(self, status: int | None, stderr: Heard) -> None:
        if not self.is_root and not stderr.greeted and status == 1 and "sudo:" in stderr.text:
            raise PreflightError(
                "sudo asks for a password or is not allowed",
                where=self.name,
                why=stderr.text.strip().splitlines()[-1],
                next_move="allow it there, in /etc/sudoers.d/backstay: "
                f"{self.connection.get_extra_info('username')} ALL=(root) NOPASSWD: /bin/sh",
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (asyncssh.Error, ConnectionError, BrokenPipeError) as error:
            raise UnreachableError(
                "the connection was lost", where=self.name, why=str(error)
            ) from error


@contextmanager
def _deadline(seconds: float, name: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise GateTimeoutError(
            f"no answer within {seconds:g} s", where=name, next_move="backstay status"
        ) from error


@dataclass(frozen=True, slots=True)
class Heard:
    """What one stream said; `greeted` tells whether our script began at all."""

    text: str
    greeted: bool


@dataclass(frozen=True, slots=True)
class Ear:
    """Hears a script and not the login shell before it, which may print whatever it likes."""

    mark: str

    @classmethod
    def new(cls) -> Ear:
        """Return an ear for one script, with a word that nobody else can print."""
        return cls(f"backstay-{secrets.token_hex(8)}")

    @property
    def greeting(self) -> str:
        """The line of sh that begins both streams of the script."""
        return f"echo {self.mark}; echo {self.mark} >&2"

    async def lines(
        self, reader: asyncssh.SSHReader[str], tell: Callable[[str], None] | None
    ) -> Heard:
        """Return all after the greeting, or everything when it never came."""
        lines: list[str] = []
        greeted = False
        async for line in reader:
            # The last line of a banner need not have an end.
            if not greeted and line.endswith(f"{self.mark}\n"):
                greeted = True
                lines.clear()
                continue
            lines.append(line)
            if tell is not None and greeted and line:
                tell(line.rstrip("\n"))
        return Heard("".join(lines), greeted)


async def _heard(
    process: asyncssh.SSHClientProcess[str],
    ear: Ear,
    script: str,
    on_line: Callable[[str], None] | None,
) -> tuple[Heard, Heard]:
    """Feed the script, and return both streams once they have ended."""
    reading = asyncio.gather(ear.lines(process.stdout, on_line), ear.lines(process.stderr, None))
    try:
        await _feed(process.stdin, f"{ear.greeting}\n{script}")
        return await reading
    finally:
        reading.cancel()


async def _feed(stdin: asyncssh.SSHWriter[str], script: str) -> None:
    """Write all of the script; one that ended early says why with its status and complaints."""
    with suppress(BrokenPipeError):
        stdin.write(script)
        await stdin.drain()
        stdin.write_eof()


def _text(output: object) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else str(output or "")


async def connect(spec: ClusterSpec, host: Host, *, tunnel: object = None) -> SshMachine:
    """Connect to a host.

    Raises HostKeyError, AuthenticationError or UnreachableError; nothing is ever accepted on
    first sight: a host key is pinned in cluster.yaml or stands in a known_hosts file.
    """
    user, port = host.user or spec.ssh.user, host.port or spec.ssh.port
    login = f"{user}@{host.address}"
    with (
        _refusals_told(f"{host.name} ({login} port {port})"),
        _silence_told(f"{host.name} ({login} port {port})", f"ssh -p {port} {login}"),
    ):
        connection = await asyncssh.connect(
            str(host.address),
            port=port,
            username=user,
            known_hosts=_known_hosts(spec, host.host_key),
            client_keys=_client_keys(spec),
            agent_path=() if spec.ssh.key is None else None,
            config=None,
            tunnel=tunnel or (),
            connect_timeout=CONNECT_SECONDS,
            login_timeout=CONNECT_SECONDS,
            keepalive_interval=KEEPALIVE_SECONDS,
            keepalive_count_max=KEEPALIVE_COUNT,
            compression_algs=None,
        )
    return SshMachine(host.name, connection, is_root=user == "root")


_REFUSED = (asyncssh.PermissionDenied, asyncssh.KeyImportError, asyncssh.KeyEncryptionError)


@contextmanager
def _refusals_told(where: str) -> Iterator[None]:
    """Say who answers and is not trusted, or does not trust us."""
    try:
        yield
    except asyncssh.HostKeyNotVerifiable as error:
        raise HostKeyError(
            "the host key is not the pinned one, or none is pinned",
            where=where,
            why=str(error),
            next_move="check the machine's fingerprint by another way (ssh-keygen -lf "
            "/etc/ssh/ssh_host_ed25519_key.pub on its console), then set hostKey in cluster.yaml",
        ) from error
    except _REFUSED as error:
        raise AuthenticationError(
            "the machine does not let us in",
            where=where,
            why=str(error),
            next_move="set ssh.key in cluster.yaml, or load the key: ssh-add",
        ) from error


@contextmanager
def _silence_told(where: str, login: str) -> Iterator[None]:
    """Say who does not answer; `login` is a command by which a person may see it too."""
    try:
        yield
    except (asyncssh.HostKeyNotVerifiable, *_REFUSED):
        raise
    except (OSError, asyncssh.Error, TimeoutError) as error:
        raise UnreachableError(
            "no answer on SSH",
            where=where,
            why=reason(error, seconds=CONNECT_SECONDS),
            next_move=f"see that the machine runs, and that you can log in: {login}",
        ) from error


def _known_hosts(spec: ClusterSpec, pinned: str | None) -> object:
    if pinned is not None:
        return ([asyncssh.import_public_key(pinned)], [], [])
    path = Path(spec.ssh.known_hosts or "~/.ssh/known_hosts").expanduser()
    # An empty list trusts nobody; None would trust everybody and is never passed.
    return str(path) if path.exists() else ([], [], [])


def _client_keys(spec: ClusterSpec) -> object:
    return () if spec.ssh.key is None else [str(Path(spec.ssh.key).expanduser())]


@asynccontextmanager
async def connected(
    spec: ClusterSpec, *, at_once: int = 30
) -> AsyncIterator[dict[str, Machine | UnreachableError]]:
    """Connect to all hosts at once; a host that cannot be reached is its error."""
    gate = asyncio.Semaphore(at_once)
    bastion = await _bastion(spec)

    async def one(host: Host) -> SshMachine | UnreachableError:
        async with gate:
            try:
                return await connect(spec, host, tunnel=bastion)
            except UnreachableError as error:
                return error

    found = await asyncio.gather(*(one(host) for host in spec.hosts))
    try:
        yield {host.name: machine for host, machine in zip(spec.hosts, found, strict=True)}
    finally:
        closing = [m.connection for m in found if isinstance(m, SshMachine)]
        for connection in (*closing, *([bastion] if bastion else [])):
            connection.close()
        await asyncio.gather(*(connection.wait_closed() for connection in closing))


async def _bastion(spec: ClusterSpec) -> asyncssh.SSHClientConnection | None:
    if spec.ssh.bastion is None:
        return None
    bastion = spec.ssh.bastion
    host = Host.model_construct(
        name="bastion",
        address=bastion.address,  # a bastion may be a name
        roles=frozenset(),
        port=bastion.port,
        user=bastion.user,
        host_key=bastion.host_key,
        private_address=None,
        public_address=None,
    )
    return (await connect(spec, host)).connection
