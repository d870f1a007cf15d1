"""An `exec` on which nothing is said lives while nobody cuts it, and every end of it is a cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection, serve

from backstay.components.images import pause
from backstay.drill import quiet_exec
from backstay.drill.history import Kind, Mark, Note
from backstay.drill.load.access import Access, Address
from backstay.drill.quiet_exec import PROTOCOLS, QuietExec, node_and_image, pod
from backstay.drill.recorder import Recorder
from backstay.spec.parse import parse
from fakes import kube_api
from fakes.cluster_texts import cluster, machines
from fakes.drill_stories import story
from fakes.drill_tls import NAME, credentials, server_context
from fakes.quiet_streams import at_work, until
from fakes.wire import reset

IMAGE = "registry.k8s.io/pause:3.10"
PODS = "/api/v1/namespaces/backstay-drill-r/pods"


@dataclass
class Shell:
    """A server of `exec`: who is connected, what was asked, and whether it lets anybody in."""

    open: list[ServerConnection] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    refuses: bool = False
    says: bytes = b""

    async def serve(self, connection: ServerConnection) -> None:
        """Say nothing until the connection ends, or one thing and end it."""
        self.open.append(connection)
        if self.says:
            await connection.send(self.says)
            return
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
    folder: Path, *, refuses: bool = False, says: bytes = b""
) -> AsyncIterator[tuple[Shell, list[Mark]]]:
    """Give a server, and what is marked of a client's `exec` there."""
    shell, told = Shell(refuses=refuses, says=says), list[Mark]()
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
        async with at_work(stream, recorder, begun=lambda: bool(shell.asked)):
            yield shell, told


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


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"refuses": True}, "403"),
        ({"says": b'\x03{"message": "no such container"}'}, "no such container"),
        ({"says": b"\x01"}, "closed"),
    ],
)
async def test_one_that_was_never_open_proves_nothing(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    """The judge learns of it: that it was not cut would be no news.

    An apiserver takes the connection before it asks the kubelet, and says then what is wrong.
    """
    async with exec_in(tmp_path, **wrong) as (shell, told):
        await until(lambda: len(shell.asked) == 2)
    (note,) = told
    assert (note.kind, note.subject) == (Kind.NOTE, Note.WATCHER_FAILED)
    assert note.state.startswith("quiet exec was never open:")
    assert said in note.state


def node(name: str, *images: str, ready: str = "True") -> dict[str, Any]:
    """A node as the API tells of it."""
    conditions = [{"type": "Ready", "status": ready}]
    status = {"images": [{"names": list(images)}], "conditions": conditions}
    return {"metadata": {"name": name, "labels": {}}, "status": status}


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
        ([plane("cp"), node("w", "app:1")], ("w", "")),
        ([node("w", "docker.io/x/pause@sha256:ab", "b.local/pause:1")], ("w", "b.local/pause:1")),
        ([node("w", "rancher/mirrored-pause:3.6")], ("w", "rancher/mirrored-pause:3.6")),
        ([node("w", "example/unpause:1", "pause/app:1", "pause-menu:1")], ("w", "")),
        ([node("w", IMAGE, ready="False"), node("strange", IMAGE)], None),
        ([{"metadata": {"name": "w"}, "status": {}}], None),
        ([], None),
    ],
)
def test_a_worker_that_has_the_image_is_preferred(
    nodes: list[dict[str, Any]], place: tuple[str, str] | None
) -> None:
    """Nothing is pulled: a cluster may reach no registry. Who is not Ready, or not ours, is out."""
    assert node_and_image(nodes, {"cp", "w"}) == place


HOST = "control-plane-1"
SPEC = parse(cluster(hosts=machines(1), endpoint="{vip: 10.0.0.9}"))


def access(server: kube_api.Api) -> Access:
    """The way to a server's endpoint alone."""
    return Access(server.address, {}, {}, credentials(), credentials())


async def run_pods(server: kube_api.Api, status: dict[str, Any]) -> None:
    """Be the kubelet."""
    path = f"{PODS}/quiet"
    await until(lambda: path in server.things)
    server.things[path]["status"] = status


RUNNING = {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}


@pytest.mark.parametrize(("images", "image"), [((IMAGE,), IMAGE), ((), pause(SPEC).reference)])
async def test_its_pod_is_made_and_awaited(images: tuple[str, ...], image: str) -> None:
    """Also when the namespace has no account yet, and the first attempt is refused."""
    async with kube_api.kube_api() as server:
        server.things[f"/api/v1/nodes/{HOST}"] = node(HOST, *images)
        server.acts.extend([kube_api.serve, kube_api.serve, kube_api.answers(403)])
        kubelet = asyncio.ensure_future(run_pods(server, RUNNING))
        await quiet_exec.exec_watcher(access(server), "r", SPEC)
        await kubelet
        bodies = [body for method, _, body in server.asked if method == "POST"]
        made = server.things[f"{PODS}/quiet"]
    assert len(bodies) == 2
    assert made["spec"] == pod("r", HOST, image)["spec"]


def state(**found: Any) -> dict[str, Any]:  # JSON
    """A pod whose container is in some state."""
    return {"phase": "Running", "containerStatuses": [{"state": found}]}


@pytest.mark.parametrize(
    ("nodes", "status", "why"),
    [
        ([], {}, "no node of cluster.yaml is Ready"),
        ([node(HOST, IMAGE)], {"phase": "Pending"}, "Pending: "),
        (
            [node(HOST, IMAGE)],
            state(waiting={"reason": "CrashLoopBackOff", "message": "no such file"}),
            "CrashLoopBackOff: no such file",
        ),
        ([node(HOST, IMAGE)], {"phase": "Failed", "message": "no place"}, "Failed: no place"),
    ],
)
async def test_why_no_pod_runs_is_noted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nodes: list[dict[str, Any]],
    status: dict[str, Any],
    why: str,
) -> None:
    """The rest of the drill is as it was, and inconclusive."""
    monkeypatch.setattr(quiet_exec, "READY_SECONDS", 1.0)
    async with kube_api.kube_api() as server:
        for one in nodes:
            server.things[f"/api/v1/nodes/{one['metadata']['name']}"] = one
        kubelet = asyncio.ensure_future(run_pods(server, status))
        watch = await quiet_exec.exec_watcher(access(server), "r", SPEC)
        kubelet.cancel()
    recorder = Recorder.open(tmp_path / "h", story().header, tell=lambda _: None)
    await watch(recorder)
    recorder.close()
    (note,) = recorder.records
    assert isinstance(note, Mark)
    assert (note.kind, note.subject) == (Kind.NOTE, Note.WATCHER_FAILED)
    assert note.state == f"no pod runs in which `exec` could be watched: {why}"
