"""An `exec` in a pod of the drill's own, in which a program runs that says nothing.

kubectl asks its own connection every five seconds, which keeps alive what a balancer would cut;
here nothing at all is sent. An `exec` that ended cannot be gone on with: every end is a cut.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from backstay.drill.load.access import Access, Address
from backstay.drill.load.kube import LABEL, NAMESPACE, NAMESPACES, Api, KubeError, good, understood
from backstay.drill.load.sockets import keep_alive
from backstay.drill.load.store import WatchEndedError
from backstay.drill.nodes import NODES
from backstay.drill.quiet import CONNECT_SECONDS
from backstay.errors import StepFailedError

POD = "quiet"
PROGRAM = "/pause"
"""It waits for signals; every node has its image, since it holds the namespaces of every pod."""
PAUSE = re.compile(r"(^|[/-])pause:[^@]+$")
NOBODY = 65535
PROTOCOLS = tuple(Subprotocol(f"{version}.channel.k8s.io") for version in ("v5", "v4"))
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
        try:
            await self._stay(opened)
        except ConnectionClosed as error:
            raise WatchEndedError("closed" if error.rcvd else "eof") from error
        except (WebSocketException, OSError) as error:
            raise WatchEndedError(str(error) or type(error).__name__) from error
        raise WatchEndedError("closed")

    async def _stay(self, opened: Callable[[], None]) -> None:
        there = self.address
        async with connect(
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
        ) as shell:
            keep_alive(shell.transport.get_extra_info("socket"))
            opened()
            async for _ in shell:
                pass

    async def close(self) -> None:
        """Nothing is open between turns."""


async def quiet_exec(access: Access, run: str) -> QuietExec:
    """Return an `exec` in a new pod of the drill's namespace, which goes with it.

    Raises StepFailedError when no such pod runs.
    """
    api = Api(access.endpoint, access.kubernetes.context())
    said = "no answer"
    try:
        async with asyncio.timeout(READY_SECONDS):
            while said := await _not_yet(api, run):  # noqa: ASYNC110  # a kubelet is at work
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError as error:
        raise StepFailedError(
            "no pod runs in which `exec` could be watched",
            where=f"pod {NAMESPACE}{run}/{POD}",
            why=said,
            next_move="backstay status; nothing was broken",
        ) from error
    finally:
        await api.close()
    path = f"{_pods(run)}/{POD}/exec?command={PROGRAM}&stdout=1&container={POD}"
    return QuietExec(access.endpoint, access.kubernetes.context("http/1.1"), path)


async def _not_yet(api: Api, run: str) -> str:
    """Go one step towards a pod that runs; return why it does not, empty when it does."""
    try:
        found = await good(api, "GET", _pods(run), b"", ASK_SECONDS)
        with understood():
            if found["items"]:
                return _state(found["items"][0])
        nodes = await good(api, "GET", NODES, b"", ASK_SECONDS)
        with understood():
            place = node_and_image(nodes["items"])
        if place is None:
            return "no node tells of an image of pause"
        body = json.dumps(pod(run, *place)).encode()
        await good(api, "POST", _pods(run), body, ASK_SECONDS)
    except KubeError as error:
        # A namespace gets the account that its pods need a moment after it was made.
        return str(error)
    return "it was just made"


def _pods(run: str) -> str:
    return f"{NAMESPACES}/{NAMESPACE}{run}/pods"


def _state(found: Mapping[str, Any]) -> str:
    """Return why a pod does not run, empty when it does."""
    status = found.get("status", {})
    if status.get("phase") == "Running":
        return ""
    waiting = (one.get("state", {}).get("waiting") for one in status.get("containerStatuses", ()))
    reasons = (f"{one['reason']}: {one.get('message', '')}" for one in waiting if one)
    return next(reasons, f"{status.get('phase')}: {status.get('message', '')}")


def node_and_image(nodes: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    """Return a node, no control plane if possible, and an image of pause that it has."""
    for node in sorted(nodes, key=lambda one: PLANE in one["metadata"].get("labels", {})):
        images = node.get("status", {}).get("images") or ()
        names = (name for image in images for name in image.get("names") or ())
        found = next((name for name in names if PAUSE.search(name)), None)
        if found is not None:
            return str(node["metadata"]["name"]), found
    return None


def pod(run: str, node: str, image: str) -> dict[str, Any]:
    """Return a pod that asks for nothing and may do nothing, so that every policy admits it."""
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
        },
    }
