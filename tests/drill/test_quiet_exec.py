"""An `exec` on which nothing is said lives while nobody cuts it, and every end of it is a cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection, serve

from backstay.drill import quiet_exec
from backstay.drill.history import Kind, Mark, Note
from backstay.drill.load.access import Access, Address
from backstay.drill.quiet import marked
from backstay.drill.quiet_exec import PROTOCOLS, QuietExec, node_and_image, pod
from backstay.drill.recorder import Recorder
from backstay.errors import StepFailedError
from fakes import kube_api
from fakes.drill_stories import story
from fakes.drill_tls import NAME, credentials, server_context
from fakes.wire import reset

IMAGE = "registry.k8s.io/pause:3.10"
PODS = "/api/v1/namespaces/backstay-drill-r/pods"


@dataclass
class Shell:
    """A server of `exec`: who is connected, what was asked, and whether it lets anybody in."""

    open: list[ServerConnection] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    refuses: bool = False

    async def serve(self, connection: ServerConnection) -> None:
        """Say nothing until the connection ends."""
        self.open.append(connection)
        await connection.wait_closed()
        self.open.remove(connection)

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Note what is asked."""
        self.asked.append(request.path)
        if self.refuses:
            return connection.respond(HTTPStatus.FORBIDDEN, "no\n")
        return None


@asynccontextmanager
async def exec_in(
    folder: Path, *, refuses: bool = False
) -> AsyncIterator[tuple[Shell, list[Mark]]]:
    """Give a server, and what is marked of a client's `exec` there."""
    shell, told = Shell(refuses=refuses), list[Mark]()
    recorder = Recorder.open(
        folder / "h",
        story().header,
        tell=lambda one: told.append(one) if isinstance(one, Mark) else None,
    )
    async with serve(
        *(shell.serve, "127.0.0.1", 0),
        ssl=server_context("http/1.1"),
        subprotocols=PROTOCOLS,
        process_request=shell.admit,
        ping_interval=None,
        close_timeout=0.2,
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        stream = QuietExec(
            Address("127.0.0.1", port, NAME), credentials().context("http/1.1"), "/exec?command=x"
        )
        running = asyncio.ensure_future(marked(stream)(recorder))
        async with asyncio.timeout(20):
            await until(lambda: bool(shell.asked))
            yield shell, told
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    recorder.close()


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


def states(told: list[Mark]) -> list[tuple[str, str, str]]:
    return [(one.subject, one.state, one.detail) for one in told if one.kind is Kind.STREAM]


async def test_it_stays_open_and_says_nothing(tmp_path: Path) -> None:
    """Not even a ping, with which another could keep it alive."""
    async with exec_in(tmp_path) as (shell, told):
        await until(lambda: bool(told))
        assert shell.open[0].subprotocol == "v5.channel.k8s.io"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(shell.open[0].recv(), 0.2)
        assert shell.asked == ["/exec?command=x"]
    assert states(told) == [("quiet exec", "opened", "")]
    assert not [one for one in told if one.kind is Kind.NOTE]


async def _reset(one: ServerConnection) -> None:
    reset(one.transport)


async def _abort(one: ServerConnection) -> None:
    one.transport.abort()


@pytest.mark.parametrize(
    ("end", "error"),
    [(_reset, "eof"), (_abort, "eof"), (ServerConnection.close, "closed")],
)
async def test_every_end_is_a_cut_and_it_is_opened_again(
    tmp_path: Path, end: Callable[[ServerConnection], Any], error: str
) -> None:
    """A farewell in order too: whoever sat before a shell sits there no more."""
    async with exec_in(tmp_path) as (shell, told):
        await until(lambda: bool(shell.open) and bool(told))
        await end(shell.open[0])
        await until(lambda: len(told) == 3)
    name = "quiet exec"
    assert states(told) == [(name, "opened", ""), (name, "failed", error), (name, "opened", "")]


async def test_one_that_was_never_open_proves_nothing(tmp_path: Path) -> None:
    """The judge learns of it: that it was not cut would be no news."""
    async with exec_in(tmp_path, refuses=True) as (shell, told):
        await until(lambda: len(shell.asked) == 2)
    (note,) = told
    assert (note.kind, note.subject) == (Kind.NOTE, Note.WATCHER_FAILED)
    assert note.state.startswith("quiet exec was never open:")
    assert "403" in note.state


def node(name: str, *images: str, **labels: str) -> dict[str, Any]:
    """A node as the API tells of it."""
    named = {key.replace("__", "/"): value for key, value in labels.items()}
    return {
        "metadata": {"name": name, "labels": named},
        "status": {"images": [{"names": list(images)}]},
    }


def plane(name: str, *images: str) -> dict[str, Any]:
    """A control plane's node."""
    found = node(name, *images)
    found["metadata"]["labels"][quiet_exec.PLANE] = ""
    return found


@pytest.mark.parametrize(
    ("nodes", "place"),
    [
        ([plane("cp", IMAGE), node("w", IMAGE)], ("w", IMAGE)),
        ([plane("cp", IMAGE), node("w", "app:1")], ("cp", IMAGE)),
        ([node("w", "docker.io/x/pause@sha256:ab", "b.local/pause:1")], ("w", "b.local/pause:1")),
        ([node("w", "rancher/mirrored-pause:3.6")], ("w", "rancher/mirrored-pause:3.6")),
        ([node("w", "example/unpause:1", "pause/app:1", "pause-menu:1")], None),
        ([{"metadata": {"name": "w"}, "status": {}}], None),
        ([], None),
    ],
)
def test_a_worker_that_has_the_image_is_preferred(
    nodes: list[dict[str, Any]], place: tuple[str, str] | None
) -> None:
    """Nothing is pulled: a cluster may reach no registry."""
    assert node_and_image(nodes) == place


def access(server: kube_api.Api) -> Access:
    """The way to a server's endpoint alone."""
    return Access(server.address, {}, {}, credentials(), credentials())


async def run_pods(server: kube_api.Api, status: dict[str, Any]) -> None:
    """Be the kubelet."""
    path = f"{PODS}/quiet"
    await until(lambda: path in server.things)
    server.things[path]["status"] = status


async def test_its_pod_is_made_and_awaited() -> None:
    """Also when the namespace has no account yet, and the first attempt is refused."""
    async with kube_api.kube_api() as server:
        server.things["/api/v1/nodes/w"] = node("w", IMAGE)
        server.acts.extend([kube_api.serve, kube_api.serve, kube_api.answers(403)])
        kubelet = asyncio.ensure_future(run_pods(server, {"phase": "Running"}))
        found = await quiet_exec.quiet_exec(access(server), "r")
        await kubelet
        bodies = [body for method, _, body in server.asked if method == "POST"]
        made = server.things[f"{PODS}/quiet"]
    assert len(bodies) == 2
    assert made["spec"] == pod("r", "w", IMAGE)["spec"]
    assert found.path == f"{PODS}/quiet/exec?command=/pause&stdout=1&container=quiet"


WAITING = {"waiting": {"reason": "CreateContainerError", "message": "no such file"}}


@pytest.mark.parametrize(
    ("nodes", "status", "why"),
    [
        ([], {}, "no node tells of an image of pause"),
        ([node("w", IMAGE)], {"phase": "Pending"}, "Pending: "),
        (
            [node("w", IMAGE)],
            {"phase": "Pending", "containerStatuses": [{"state": WAITING}]},
            "CreateContainerError: no such file",
        ),
        ([node("w", IMAGE)], {"phase": "Failed", "message": "no place"}, "Failed: no place"),
    ],
)
async def test_why_no_pod_runs_is_told(
    monkeypatch: pytest.MonkeyPatch,
    nodes: list[dict[str, Any]],
    status: dict[str, Any],
    why: str,
) -> None:
    """A drill ends there, with nothing broken."""
    monkeypatch.setattr(quiet_exec, "READY_SECONDS", 1.0)
    async with kube_api.kube_api() as server:
        for one in nodes:
            server.things[f"/api/v1/nodes/{one['metadata']['name']}"] = one
        kubelet = asyncio.ensure_future(run_pods(server, status))
        with pytest.raises(StepFailedError) as caught:
            await quiet_exec.quiet_exec(access(server), "r")
        kubelet.cancel()
    assert caught.value.why == why
    assert caught.value.where == "pod backstay-drill-r/quiet"
