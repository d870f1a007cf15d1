"""What closes a dying apiserver's connections, with real processes on a network of their own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from component_sites import site_of, spec_of, text_of

from backstay.components import reaper
from backstay.components.assemble import build

NETWORK = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--net", "--map-root-user")
needs_network = pytest.mark.skipif(
    shutil.which("ss") is None
    or subprocess.run([*NETWORK, "true"], capture_output=True, check=False).returncode != 0,
    reason="no network of its own, or no ss",
)

APISERVER = """\
import ctypes, socket, sys, threading

listener = socket.create_server(("::", 6443), family=socket.AF_INET6, dualstack_ipv6=True)
client = socket.create_connection(("127.0.0.1", 6443))
server, _ = listener.accept()

def told(what):
    try:
        what()
    except OSError as error:
        return type(error).__name__

def outlive():
    print(told(lambda: client.recv(1)), flush=True)
    print(told(lambda: socket.create_connection(("127.0.0.1", 6443))), flush=True)
    sys.stdin.read()

threading.Thread(target=outlive).start()
print("serving", flush=True)
sys.stdin.readline()
# As when it is killed: the first thread is gone, and the rest holds its connections.
ctypes.CDLL(None).pthread_exit(None)
"""


@dataclass(frozen=True, slots=True)
class Reaped:
    """An apiserver that is started as its unit does, and its reaper."""

    apiserver: Process
    script: Path
    inside: tuple[str, ...]
    watchers: list[Process]

    async def line(self) -> str:
        """What the apiserver says next, five seconds at most."""
        assert self.apiserver.stdout is not None
        async with asyncio.timeout(5):
            return (await self.apiserver.stdout.readline()).decode().strip()

    async def serve(self) -> int:
        """Wait until it serves, and tell so as its unit does; return its child."""
        assert await self.line() == "serving"
        await self.watch()
        call(self.script, "serves", str(self.apiserver.pid))
        await until(lambda: self.script.with_name("serving").read_text() != "")
        await until(lambda: b"sleep" in b"".join(self.children().values()))
        return next(child for child, words in self.children().items() if b"sleep" in words)

    async def watch(self) -> None:
        """Start a reaper, in place of one that runs, and wait until it reads."""
        for each in self.watchers:
            await all_ended(each)
        call(self.script, "prepare")
        watcher = await asyncio.create_subprocess_exec(
            *self.inside, "watch", stderr=PIPE, start_new_session=True
        )
        self.watchers[:] = [watcher]
        # Whoever dies before it reads is not seen.
        await until(lambda: reader_of(self.script, watcher) is not None)

    def die(self) -> None:
        """Let its first thread end."""
        assert self.apiserver.stdin is not None
        self.apiserver.stdin.write(b"die\n")

    async def is_untouched(self) -> bool:
        """Whether nothing happens to its connections for a while."""
        try:
            async with asyncio.timeout(0.4):
                await self.line()
        except TimeoutError:
            return True
        return False

    def children(self) -> dict[int, bytes]:
        """Its children, with their command lines."""
        listed = children_of(self.apiserver)
        return {each: Path(f"/proc/{each}/cmdline").read_bytes() for each in listed}


def call(script: Path, *words: str) -> None:
    """Run a word of the script that ends at once."""
    subprocess.run(["sh", str(script), *words], check=True, timeout=5)


def held_by(process: int) -> set[Path]:
    """The files that a process has open."""
    found = set()
    for each in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(each.readlink())
    return found


def children_of(process: Process) -> list[int]:
    """Return the children of a process."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(each) for each in listed.split()]


def reader_of(script: Path, watcher: Process) -> int | None:
    """Return the child of a reaper that waits for the end of the pipe, once it does."""
    pipe = script.with_name("pipe")
    return next((each for each in children_of(watcher) if pipe in held_by(each)), None)


def state_of(process: int) -> str:
    """The letter of a process's state."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds, five seconds at most."""
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.02)


async def ended(process: Process) -> None:
    """End a process, if it runs."""
    if process.returncode is None:
        process.kill()
    await process.wait()


async def all_ended(watcher: Process) -> None:
    """End a reaper with its children, as systemd does."""
    with suppress(ProcessLookupError):
        os.killpg(watcher.pid, signal.SIGKILL)
    await watcher.wait()


def written(folder: Path) -> Path:
    """Write the script, with its own directory in the test's."""
    (folder / reaper.NAME).mkdir()
    script = folder / reaper.NAME / "script"
    resources = build(site_of(spec_of("stacked"))).hosts["cp-1"]
    script.write_text(text_of(resources, reaper.SCRIPT.path).replace("/run/", f"{folder}/"))
    return script


@asynccontextmanager
async def reaped(folder: Path) -> AsyncIterator[Reaped]:
    """A program that listens as an apiserver does, with a reaper, where nobody else is."""
    script = written(folder)
    (folder / "apiserver").write_text(APISERVER)
    network = await asyncio.create_subprocess_exec(
        *NETWORK, "sh", "-c", "ip link set lo up && echo up && exec sleep infinity", stdout=PIPE
    )
    assert network.stdout is not None
    await network.stdout.readline()
    user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
    inside = ("nsenter", f"--target={network.pid}", *user, "--net", "sh", str(script))
    call(script, "prepare")
    apiserver = await asyncio.create_subprocess_exec(
        *inside, "run", sys.executable, str(folder / "apiserver"), stdin=PIPE, stdout=PIPE
    )
    watchers: list[Process] = []
    try:
        yield Reaped(apiserver, script, inside, watchers)
    finally:
        for process in watchers:
            await all_ended(process)
        for process in (apiserver, network):
            await ended(process)


@needs_network
async def test_its_connections_are_closed_before_its_last_thread_is_gone(tmp_path: Path) -> None:
    """Those that exist, and those that would come."""
    async with reaped(tmp_path) as here:
        await here.serve()
        here.die()
        assert await here.line() == "ConnectionResetError"
        assert await here.line() == "ConnectionRefusedError"
        assert here.apiserver.returncode is None


@needs_network
async def test_a_reaper_that_is_started_anew_knows_whom_it_watches(tmp_path: Path) -> None:
    """Its pipe is still held, and nothing is told again."""
    async with reaped(tmp_path) as here:
        await here.serve()
        await here.watch()
        here.die()
        assert await here.line() == "ConnectionResetError"


@needs_network
async def test_its_child_may_die_a_moment_before_it(tmp_path: Path) -> None:
    """As when everything in its group is killed at once."""
    async with reaped(tmp_path) as here:
        child = await here.serve()
        os.kill(child, signal.SIGKILL)
        await until(lambda: state_of(child) == "Z")
        assert await here.is_untouched()
        here.die()
        assert await here.line() == "ConnectionResetError"


@needs_network
async def test_who_lives_keeps_its_connections(tmp_path: Path) -> None:
    """What stops an apiserver leaves its child; and if that is killed, the reaper says so."""
    async with reaped(tmp_path) as here:
        child = await here.serve()
        os.kill(child, signal.SIGTERM)
        assert await here.is_untouched()
        assert state_of(child) == "S"
        os.kill(child, signal.SIGKILL)
        (watcher,) = here.watchers
        assert watcher.stderr is not None
        async with asyncio.timeout(10):
            while str(here.apiserver.pid).encode() not in await watcher.stderr.readline():
                pass
        assert await here.is_untouched()


@needs_network
async def test_who_closes_closes_nothing_when_nobody_says_what(tmp_path: Path) -> None:
    """It was started before it is needed, and its filter may end with the process that says it."""
    async with reaped(tmp_path) as here:
        await here.serve()
        (watcher,) = here.watchers
        reader = reader_of(here.script, watcher)
        assert reader is not None
        os.kill(reader, signal.SIGKILL)
        assert await here.is_untouched()
        await until(lambda: reader_of(here.script, watcher) is not None)
        here.die()
        assert await here.line() == "ConnectionResetError"


@needs_network
@pytest.mark.parametrize("is_told", [False, True])
async def test_who_never_served_closes_nobodys(
    is_told: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    """A second program that found the port taken; nor one whose process is gone altogether."""
    async with reaped(tmp_path) as here:
        assert await here.line() == "serving"
        await here.watch()
        other = await asyncio.create_subprocess_exec(*here.inside, "run", "sleep", "0.2")
        if is_told:
            await other.wait()
            call(here.script, "serves", str(other.pid))
        await other.wait()
        # The first one's child holds the pipe too: with it goes the last word of the second.
        for child in here.children():
            os.kill(child, signal.SIGKILL)
        assert await here.is_untouched()
        (watcher,) = here.watchers
        assert watcher.returncode is None


@pytest.mark.parametrize(
    ("state", "flags", "is_closed"),
    [("R", 0x400104, True), ("Z", 0x40010C, True), ("R", 0x400100, False)],
)
async def test_who_is_on_its_way_out_is_dying(
    state: str,
    flags: int,
    is_closed: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    """Whose first thread is the last one closes everything before it is a zombie: flags tell."""
    script, closed = written(tmp_path), tmp_path / "closed"
    script.write_text(script.read_text().replace("/proc/", f"{tmp_path}/"))
    (tmp_path / "42").mkdir()
    (tmp_path / "42" / "stat").write_text(f"42 (a (b) c) {state} 1 42 42 0 -1 {flags} 9 9\n")
    (tmp_path / "ss").write_text(f"#!/bin/sh\ncat >{closed}.new && mv {closed}.new {closed}\n")
    (tmp_path / "ss").chmod(0o755)
    call(script, "prepare")
    # As its child does, until it dies.
    pipe = os.open(script.with_name("pipe"), os.O_RDWR)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    watcher = await asyncio.create_subprocess_exec(
        "sh", str(script), "watch", stderr=PIPE, env=environment, start_new_session=True
    )
    try:
        await until(lambda: reader_of(script, watcher) is not None)
        call(script, "serves", "42")
        os.close(pipe)
        if not is_closed:
            assert watcher.stderr is not None
            async with asyncio.timeout(10):
                assert b"process 42 lives" in await watcher.stderr.readline()
        await until(closed.exists)
        assert closed.read_text() == ("sport != :0\n" if is_closed else "sport = :0\n")
    finally:
        await all_ended(watcher)


@needs_network
async def test_the_apiserver_itself_does_not_hold_the_pipe(tmp_path: Path) -> None:
    """Or its end would be seen as late as that of its connections."""
    async with reaped(tmp_path) as here:
        child = await here.serve()
        pipe = here.script.with_name("pipe")
        assert pipe in held_by(child)
        assert pipe not in held_by(here.apiserver.pid)


@pytest.mark.parametrize("program", [["/nonexistent"], ["/bin/false"], ["sleep", "0.02"]])
async def test_nothing_is_left_of_who_ends_at_once(program: list[str], tmp_path: Path) -> None:
    """Before the kernel was asked: what is left would hold the pipe until the next boot."""
    script = written(tmp_path)
    call(script, "prepare")
    for _ in range(10):
        done = await asyncio.create_subprocess_exec(
            "sh", str(script), "run", *program, stderr=asyncio.subprocess.DEVNULL
        )
        await done.wait()
    pipe = os.open(script.with_name("pipe"), os.O_RDONLY | os.O_NONBLOCK)
    try:
        await until(lambda: is_at_its_end(pipe))
    finally:
        os.close(pipe)


def is_at_its_end(pipe: int) -> bool:
    """Whether nobody holds it to write."""
    try:
        return os.read(pipe, 1) == b""
    except BlockingIOError:
        return False


def test_an_apiserver_starts_without_a_reaper(tmp_path: Path) -> None:
    """Nothing waits for a pipe that is not there, and no child is made."""
    script = written(tmp_path)
    words = [
        "sh",
        str(script),
        "run",
        "sh",
        "-c",
        "echo $# $1; read -r c </proc/$$/task/$$/children; echo $c",
    ]
    done = subprocess.run(
        [*words, "x", "two words"], capture_output=True, text=True, check=True, timeout=5
    )
    assert done.stdout.splitlines() == ["1 two words", ""]
    call(script, "serves", "1")
    assert not script.with_name("pipe").exists()
