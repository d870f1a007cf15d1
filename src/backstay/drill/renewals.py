"""When each node last said that it lives: its kubelet renews a Lease every ten seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from backstay.drill.history import SECOND, Kind, Mark
from backstay.drill.load.access import Access
from backstay.drill.load.kube import Api, again_and_again
from backstay.drill.recorder import Recorder

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
WATCH = f"{LEASES}?watch=1&resourceVersion=0&timeoutSeconds=3600"
"""Tells of all there are first, and then of what changes."""
CONNECT_SECONDS = 5.0
MICROSECONDS = 1_000_000


@dataclass(slots=True)
class RenewalWatch:
    """Marks every renewal, at its own moment; `zeros` is when the drill began by each node's clock.

    A renewal from before the drill is one at its beginning.
    """

    api: Api
    zeros: Mapping[str, int]
    known: dict[str, str] = field(default_factory=dict)

    @classmethod
    def on(cls, access: Access, zeros: Mapping[str, int]) -> RenewalWatch:
        """Return a watch through the endpoint."""
        return cls(Api(access.endpoint, access.kubernetes.context()), zeros)

    async def run(self, recorder: Recorder) -> None:
        """Watch until cancelled; what was missed in between is no renewal less: the last counts."""
        await again_and_again(self.api, lambda: self._turn(recorder))

    async def _turn(self, recorder: Recorder) -> None:
        async with aclosing(self.api.lines(WATCH, seconds=CONNECT_SECONDS)) as lines:
            async for line in lines:
                self._take(json.loads(line)["object"], recorder)

    def _take(self, lease: Mapping[str, Mapping[str, str]], recorder: Recorder) -> None:
        node, renewed = lease["metadata"]["name"], lease["spec"]["renewTime"]
        if node in self.zeros and self.known.get(node) != renewed:
            self.known[node] = renewed
            recorder.record(Mark(max(0, _moment(renewed) - self.zeros[node]), Kind.RENEWAL, node))


def _moment(text: str) -> int:
    """Return the nanoseconds since 1970 of a time with microseconds, which is all that it has."""
    return round(datetime.fromisoformat(text).timestamp() * MICROSECONDS) * (SECOND // MICROSECONDS)
