"""Which binaries a plan names, and that its apply gets the same."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import pytest

from backstay.fleet.artefacts.pins import Pin, Pins
from backstay.fleet.artefacts.places import default_places
from backstay.fleet.artefacts.table import artefact_names, catalogue, release_of
from backstay.fleet.events import nobody
from backstay.fleet.store import Store
from backstay.operations.binaries import binaries, foreseen
from backstay.resources.content import Artefact
from backstay.spec.model import ArtefactSource, ClusterSpec
from backstay.spec.versions import DEFAULT

NAMES = artefact_names(release_of(DEFAULT))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where cluster.yaml would be, with an empty cache elsewhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    return tmp_path / "cluster.yaml"


def spec(*sources: ArtefactSource) -> ClusterSpec:
    """Return a cluster that takes its binaries from there."""
    return ClusterSpec.model_validate(
        {
            "name": "prod",
            "kubernetes": DEFAULT,
            "endpoint": {"vip": "10.0.0.10"},
            "hosts": [{"name": "cp-1", "address": "10.0.0.11", "roles": ["control-plane"]}],
            "artefacts": {"sources": [one.value for one in sources], "bundle": "bundle"},
        }
    )


async def test_a_plan_and_its_apply_name_the_same_files(config: Path) -> None:
    """What is pinned beside cluster.yaml is foreseen without touching the cache, and is fetched."""
    wanted = {name: Artefact(name, sha256(name.encode()).hexdigest()) for name in NAMES}
    pins = Pins(config.with_name("artefacts.lock.json"), "linux/amd64", DEFAULT)
    pins.add({n: Pin(one.digest, ArtefactSource.BUILD, "go") for n, one in wanted.items()})
    for name, one in wanted.items():
        path = config.with_name("bundle") / one.digest / name
        path.parent.mkdir(parents=True)
        path.write_text(name)
    asked = spec(ArtefactSource.BUNDLE)
    assert await foreseen(asked, config=config, tell=nobody) == wanted
    assert not default_places().root.exists()
    found, store = await binaries(asked, config=config, tell=nobody)
    assert found == wanted
    assert store.path(wanted["etcd"]).read_text() == "etcd"


async def test_what_is_not_certain_is_fetched_for_the_plan(config: Path) -> None:
    """Official releases that nobody used yet have no digest: the shipped one would be a lie."""
    got = {**catalogue(DEFAULT), "etcd": Artefact("etcd", "ab" * 32)}

    async def fetched(*_: object, **__: object) -> tuple[dict[str, Artefact], Store]:
        return got, Store(config.parent)

    with patch("backstay.operations.binaries.binaries", fetched):
        asked = spec(ArtefactSource.RELEASE)
        assert await foreseen(asked, config=config, tell=nobody) == got
