"""What is written about cluster.yaml is what is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.spec.parse import parse
from backstay.spec.schema import reference, schema

ROOT = Path(__file__).parents[2]


def test_the_reference_page_is_made_of_the_schema() -> None:
    """docs/cluster-yaml.md cannot rot: it is what `reference` returns."""
    assert (ROOT / "docs" / "cluster-yaml.md").read_text() == reference()


def test_every_key_is_explained() -> None:
    """No key without a meaning."""
    parts = [schema(), *schema()["$defs"].values()]
    silent = [
        f"{part['title']}.{key}"
        for part in parts
        for key, field in part.get("properties", {}).items()
        if not field.get("description")
    ]
    assert silent == []


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_the_examples_are_good(path: Path) -> None:
    """Every example can be read."""
    assert parse(path.read_bytes(), name=path.name).control_planes
