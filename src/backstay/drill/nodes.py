"""Which nodes are Ready, as the API tells while a drill runs."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import dataclass, field

from backstay.drill.history import Kind
from backstay.drill.load.access import Access
from backstay.drill.load.kube import Api, again_and_again, good
from backstay.drill.recorder import Recorder

NODES = "/api/v1/nodes"
ASK_SECONDS = 2.0


@dataclass(slots=True)
class NodeWatch:
    """Marks every change of a node's condition Ready, over a connection of its own."""

    api: Api
    known: dict[str, str] = field(default_factory=dict)

    @classmethod
    def on(cls, access: Access) -> NodeWatch:
        """Return a watch through the endpoint."""
        return cls(Api(access.endpoint, access.kubernetes.context()))

    async def run(self, recorder: Recorder) -> None:
        """Look again and again until cancelled; a list tells what a broken watch missed."""
        await again_and_again(self.api, lambda: self._turn(recorder))

    async def _turn(self, recorder: Recorder) -> None:
        found = await good(self.api, "GET", NODES, b"", ASK_SECONDS)
        for one in found.get("items", ()):
            self._take(one, recorder)
        version = found.get("metadata", {}).get("resourceVersion", "")
        path = f"{NODES}?watch=1&resourceVersion={version}"
        async with aclosing(self.api.lines(path, seconds=ASK_SECONDS)) as lines:
            async for line in lines:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                self._take(event["object"], recorder)

    def _take(self, node: dict[str, object], recorder: Recorder) -> None:
        name, state = _condition(node)
        if self.known.get(name) != state:
            self.known[name] = state
            recorder.mark(Kind.NODE, name, state)


def _condition(node: dict[str, object]) -> tuple[str, str]:
    metadata, status = node["metadata"], node.get("status")
    if not isinstance(metadata, dict) or not isinstance(status, dict):
        return "", "Unknown"
    conditions = {one["type"]: one["status"] for one in status.get("conditions", ())}
    return str(metadata["name"]), str(conditions.get("Ready", "Unknown"))
