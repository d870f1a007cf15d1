"""The identity of a specification: equal wishes have equal digests, however they are written."""

from __future__ import annotations

import json
from hashlib import sha256

from backstay.spec.model import ClusterSpec


def digest(spec: ClusterSpec) -> str:
    """Return the SHA-256 of all values, defaults included, whatever the order of hosts or keys."""
    values = spec.model_dump(mode="json", by_alias=True)
    values["hosts"] = sorted(
        ({**host, "roles": sorted(host["roles"])} for host in values["hosts"]),
        key=lambda host: str(host["name"]),
    )
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
