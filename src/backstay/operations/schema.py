"""`backstay config schema`: what cluster.yaml may say, for editors."""

from __future__ import annotations

from backstay.spec import schema as spec_schema


def schema() -> dict[str, object]:
    """Return the JSON Schema of cluster.yaml."""
    return spec_schema.schema()
