"""What is written about cluster.yaml is what is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from backstay.spec.model import ClusterSpec
from backstay.spec.parse import parse
from backstay.spec.schema import reference, schema
from fakes.json_schema import accepts, parts

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
MINIMAL = {"name": "a", "hosts": [{"name": "b", "address": "10.0.0.1", "roles": ["control-plane"]}]}


def test_the_reference_page_is_made_of_the_schema() -> None:
    """docs/cluster-yaml.md cannot rot: it is what `reference` returns."""
    assert (ROOT / "docs" / "cluster-yaml.md").read_text() == reference()


def test_links_of_the_reference_page_lead_somewhere() -> None:
    """Words that a key may have stand on the page too."""
    page = reference()
    headings = {line[3:].lower() for line in page.splitlines() if line.startswith("## ")}
    assert set(re.findall(r"\]\(#(.*?)\)", page)) <= headings


def test_every_key_is_explained() -> None:
    """No key without a meaning of its own."""
    meanings = {
        f"{part['title']}.{key}": field.get("description", "")
        for part in (schema(), *schema()["$defs"].values())
        for key, field in part.get("properties", {}).items()
    }
    assert [key for key, meaning in meanings.items() if not meaning] == []
    assert "Where pods get addresses" in meanings["NetworkRanges.pods"]


def test_it_is_a_schema_of_its_draft() -> None:
    """Every keyword is one of draft 2020-12, every reference leads to a part of it."""
    whole = schema()
    assert whole["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for part in parts(whole):
        accepts(whole, None, part)
        accepts(whole, {}, part)
        accepts(whole, [], part)
    references = {part["$ref"] for part in parts(whole) if "$ref" in part}
    assert references <= {f"#/$defs/{name}" for name in whole["$defs"]}


def test_every_default_is_as_its_key_asks_and_stands_once() -> None:
    """A default that the schema itself refuses would be written into files by editors."""
    whole = schema()
    told = [part for part in parts(whole) if "default" in part]
    assert [part for part in told if not accepts(whole, part["default"], part)] == []
    assert not any(isinstance(part["default"], dict) for part in told)
    assert whole["$defs"]["Pki"]["properties"]["certificateLifetime"]["default"] == "365d"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_good(path: Path) -> None:
    """To the reader, and to an editor that knows the schema alone."""
    assert parse(path.read_bytes(), name=path.name).control_planes
    assert accepts(schema(), YAML(typ="safe").load(path.read_bytes()))


@pytest.mark.parametrize(
    "change",
    [
        {"colour": "red"},
        {"name": 5},
        {"hosts": {}},
        {"ssh": {"port": 65536}},
        {"ssh": {"port": True}},
        {"proxy": {"mode": "ipvs"}},
        {"pki": {"renewBefore": "1y"}},
        {"network": {"pods": "10.0.0.0/33"}},
        {"endpoint": {"vip": "10.0.0"}},
        {"extraFlags": {"docker": {}}},
        {"extraFlags": {"etcd": {"v": 2}}},
        {"hosts": [MINIMAL["hosts"][0], {"name": "c"}]},  # type: ignore[index]
        {},
    ],
    ids=str,
)
def test_the_schema_refuses_what_the_reader_refuses(change: dict[str, object]) -> None:
    """An editor shows the mistake before anything is run."""
    value = MINIMAL | change
    try:
        ClusterSpec.model_validate(value)
    except ValidationError:
        assert not accepts(schema(), value)
    else:
        assert not change
        assert accepts(schema(), value)
