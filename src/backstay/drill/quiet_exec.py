"""An `exec` in a pod of the drill's own, in which a program runs that says nothing.

kubectl asks its own connection every five seconds, which keeps alive what a balancer would cut;
here nothing is sent but what TCP itself asks. An `exec` that ended cannot be gone on with: every
end is a cut.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from backstay.components.images import pause
from backstay.drill.history import Kind, Note
from backstay.drill.load.access import Access, Address
from backstay.drill.load.kube import LABEL, NAMESPACE, NAMESPACES, Api, KubeError, good, understood
from backstay.drill.load.sockets import keep_alive
from backstay.drill.load.store import WatchEndedError
from backstay.drill.nodes import NODES
from backstay.drill.quiet import CONNECT_SECONDS, marked
from backstay.drill.recorder import Recorder
from backstay.drill.run import Watcher
from backstay.spec.model import ClusterSpec

POD = "quiet"
PROGRAM = "/pause"
"""It waits for signals; every node has its image, since it holds the namespaces of every pod."""
PAUSE = re.compile(r"(^|[/-])pause:[^@]+$")
NOBODY = 65535
LIFETIME_SECONDS = 4 * 3600
"""The pod of a drill that died ends by itself, as its certificate does."""
PROTOCOLS = tuple(Subprotocol(f"{version}.channel.k8s.io") for version in ("v5", "v4"))
STATUS = 3
"""The channel on which an apiserver says how it ended, before it closes."""
GRACE_SECONDS = 1.0
"""An apiserver takes the connection first, and then asks the kubelet and its runtime."""
ASK_SECONDS = 5.0
READY_SECONDS = 60.0
POLL_SECONDS = 0.2
PLANE = "node-role.kubernetes.io/control-plane"


@dataclass(frozen=True, slots=True)
class QuietExec:
    """An `exec` through the endpoint, over a connection of its own."""

    address: Address
    context: ssl.SSLContext
    path: str
    name: str = "quiet exec"

    async def turn(self, opened: Callable[[], None]) -> None:
        """Start the program once, and wait for the end of the connection."""
        with _translated():
            shell = await self._connected()
        try:
            with _translated(), suppress(TimeoutError):
                async with asyncio.timeout(GRACE_SECONDS):
                    await _end(shell)
            opened()
            with _translated():
                await _end(shell)
        finally:
            await shell.close()

    async def _connected(self) -> ClientConnection:
        there = self.address
        shell = await connect(
            f"wss://{there.name}{self.path}",
            host=there.host,
            port=there.port,
            ssl=self.context,
            server_hostname=there.name,
            subprotocols=PROTOCOLS,
            compression=None,
            proxy=None,
            open_timeout=CONNECT_SECONDS,
            close_timeout=1.0,
            ping_interval=None,
        )
        keep_alive(shell.transport.get_extra_info("socket"))
        return shell

    async def close(self) -> None:
        """Nothing is open between turns."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ConnectionClosed as error:
        raise WatchEndedError("closed" if error.rcvd else "eof") from error
    except (WebSocketException, OSError, ValueError, LookupError) as error:
        # The last two are answers that make no sense to the library, as a strange redirect.
        raise WatchEndedError(str(error) or type(error).__name__) from error


async def _end(shell: ClientConnection) -> NoReturn:
    """Wait for the end; raises WatchEndedError with what the apiserver says of it."""
    async for message in shell:
        if isinstance(message, bytes) and message[:1] == bytes([STATUS]):
            raise WatchEndedError(message[1:200].decode(errors="replace"))
    raise WatchEndedError("closed")


async def exec_watcher(access: Access, run: str, spec: ClusterSpec) -> Watcher:
    """Return who marks an `exec` in a new pod of the drill's namespace, which goes with it.

    Where no such pod runs, the one returned notes why: the rest of the drill is as it was.
    """
    api = Api(access.endpoint, access.kubernetes.context())
    said = "no answer"
    try:
        async with asyncio.timeout(READY_SECONDS):
            while said := await _not_yet(api, run, spec):  # noqa: ASYNC110  # a kubelet is at work
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        return _noting(f"no pod runs in which `exec` could be watched: {said}")
    finally:
        await api.close()
    path = f"{_pods(run)}/{POD}/exec?command={PROGRAM}&stdout=1&container={POD}"
    return marked(QuietExec(access.endpoint, access.kubernetes.context("http/1.1"), path))


def _noting(said: str) -> Watcher:
    async def note(recorder: Recorder) -> None:
        recorder.mark(Kind.NOTE, Note.WATCHER_FAILED, said)

    return note


async def _not_yet(api: Api, run: str, spec: ClusterSpec) -> str:
    """Go one step towards a pod that runs; return why it does not, empty when it does."""
    try:
        found = await good(api, "GET", _pods(run), b"", ASK_SECONDS)
        with understood():
            if found["items"]:
                return _state(found["items"][0])
        nodes = await good(api, "GET", NODES, b"", ASK_SECONDS)
        with understood():
            place = node_and_image(nodes["items"], {one.name for one in spec.nodes})
        if place is None:
            return "no node of cluster.yaml is Ready"
        body = json.dumps(pod(run, place[0], place[1] or pause(spec).reference)).encode()
        await good(api, "POST", _pods(run), body, ASK_SECONDS)
    except KubeError as error:
        # A namespace gets the account that its pods need a moment after it was made.
        return str(error)
    return "it was just made"


def _pods(run: str) -> str:
    return f"{NAMESPACES}/{NAMESPACE}{run}/pods"


def _state(found: Mapping[str, Any]) -> str:
    """Return why a pod's program does not run, empty when it does."""
    status = found.get("status", {})
    states = [one.get("state", {}) for one in status.get("containerStatuses", ())]
    if any("running" in one for one in states):
        return ""
    waiting = (one["waiting"] for one in states if "waiting" in one)
    reasons = (f"{one.get('reason')}: {one.get('message', '')}" for one in waiting)
    return next(reasons, f"{status.get('phase')}: {status.get('message', '')}")


def node_and_image(
    nodes: Sequence[Mapping[str, Any]], ours: Collection[str]
) -> tuple[str, str] | None:
    """Return one of our nodes that is Ready, no control plane if possible, and its image of pause.

    The image is empty if none tells of one: a node tells of its fifty largest only. None if no
    node is Ready.
    """
    fit = [one for one in nodes if one["metadata"]["name"] in ours and _is_ready(one)]
    fit.sort(key=lambda one: PLANE in one["metadata"].get("labels", {}))
    places = [(str(one["metadata"]["name"]), _image(one)) for one in fit]
    return next((one for one in places if one[1]), next(iter(places), None))


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _image(node: Mapping[str, Any]) -> str:
    images = node["status"].get("images") or ()
    names = (name for image in images for name in image.get("names") or ())
    return next((str(name) for name in names if PAUSE.search(name)), "")


def pod(run: str, node: str, image: str) -> dict[str, Any]:
    """Return a pod that asks for nothing and may do nothing, as the strictest policy wants it."""
    container = {
        "name": POD,
        "image": image,
        "imagePullPolicy": "Never",
        "command": [PROGRAM],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return {
        "metadata": {"name": POD, "labels": {LABEL: run}},
        "spec": {
            "nodeName": node,
            "containers": [container],
            "tolerations": [{"operator": "Exists"}],
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "activeDeadlineSeconds": LIFETIME_SECONDS,
        },
    }
