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
from contextlib import asynccontextmanager
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
    watcher: Process
    pipe: Path

    async def line(self) -> str:
        """What the apiserver says next, five seconds at most."""
        assert self.apiserver.stdout is not None
        async with asyncio.timeout(5):
            return (await self.apiserver.stdout.readline()).decode().strip()

    async def child(self) -> int:
        """The process that holds the pipe beside the apiserver."""
        await until(lambda: b"sleep" in b"".join(self._children().values()))
        return next(child for child, words in self._children().items() if b"sleep" in words)

    def _children(self) -> dict[int, bytes]:
        listed = Path(f"/proc/{self.apiserver.pid}/task/{self.apiserver.pid}/children").read_text()
        return {int(each): Path(f"/proc/{each}/cmdline").read_bytes() for each in listed.split()}


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds, five seconds at most."""
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def reaped(folder: Path) -> AsyncIterator[Reaped]:
    """A program that listens as an apiserver does, with a reaper, where nobody else is."""
    directory = folder / reaper.NAME
    directory.mkdir()
    script = folder / "reaper"
    resources = build(site_of(spec_of("stacked"))).hosts["cp-1"]
    text = text_of(resources, reaper.SCRIPT.path)
    script.write_text(text.replace("/run/", f"{folder}/"))
    (folder / "apiserver").write_text(APISERVER)
    network = await asyncio.create_subprocess_exec(
        *NETWORK, "sh", "-c", "ip link set lo up && echo up && exec sleep infinity", stdout=PIPE
    )
    assert network.stdout is not None
    await network.stdout.readline()
    inside = ("nsenter", f"--target={network.pid}", "--net", "sh", str(script))
    inside = inside if os.geteuid() == 0 else (inside[0], "--user", *inside[1:])
    subprocess.run(["sh", str(script), "prepare"], check=True)
    watcher = await asyncio.create_subprocess_exec(*inside, "watch", stderr=PIPE)
    apiserver = await asyncio.create_subprocess_exec(
        *inside, "run", sys.executable, str(folder / "apiserver"), stdin=PIPE, stdout=PIPE
    )
    try:
        yield Reaped(apiserver, watcher, directory / "pipe")
    finally:
        for process in (watcher, apiserver, network):
            process.kill()
            await process.wait()


@needs_network
async def test_its_connections_are_closed_before_its_last_thread_is_gone(tmp_path: Path) -> None:
    """Those that exist, and those that would come."""
    async with reaped(tmp_path) as here:
        assert await here.line() == "serving"
        assert here.apiserver.stdin is not None
        here.apiserver.stdin.write(b"die\n")
        assert await here.line() == "ConnectionResetError"
        assert await here.line() == "ConnectionRefusedError"
        assert here.apiserver.returncode is None


@needs_network
async def test_who_lives_keeps_its_connections(tmp_path: Path) -> None:
    """Though the child was killed, which says so; what asks an apiserver to stop leaves it."""
    async with reaped(tmp_path) as here:
        assert await here.line() == "serving"
        child = await here.child()
        os.kill(child, signal.SIGTERM)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await here.line()
        os.kill(child, signal.SIGKILL)
        assert here.watcher.stderr is not None
        async with asyncio.timeout(5):
            while str(here.apiserver.pid).encode() not in await here.watcher.stderr.readline():
                pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await here.line()


@needs_network
async def test_the_apiserver_itself_does_not_hold_the_pipe(tmp_path: Path) -> None:
    """Or its end would be seen as late as that of its connections."""
    async with reaped(tmp_path) as here:
        assert await here.line() == "serving"
        child = await here.child()
        assert here.pipe in held_by(child)
        assert here.pipe not in held_by(here.apiserver.pid)


def held_by(process: int) -> set[Path]:
    """The files that a process has open."""
    return {each.readlink() for each in Path(f"/proc/{process}/fd").iterdir()}


def test_an_apiserver_starts_without_a_reaper(tmp_path: Path) -> None:
    """Nothing waits for a pipe that is not there, and nothing is left beside it."""
    script = tmp_path / "reaper"
    resources = build(site_of(spec_of("stacked"))).hosts["cp-1"]
    script.write_text(text_of(resources, reaper.SCRIPT.path).replace("/run/", f"{tmp_path}/"))
    words = ["sh", str(script), "run", "sh", "-c", "echo $# $1; cat /proc/$$/task/$$/children"]
    done = subprocess.run(
        [*words, "x", "two words"], capture_output=True, text=True, check=True, timeout=5
    )
    assert done.stdout.splitlines()[0] == "1 two words"
    assert done.stderr == ""
