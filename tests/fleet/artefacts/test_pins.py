"""The lock file of artefacts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.pins import Pin, Pins
from backstay.spec.model import ArtefactSource

PIN = Pin("ab" * 32, ArtefactSource.RELEASE, "https://example.test/kubelet")
SOURCES = st.sampled_from(list(ArtefactSource))
SOME = st.dictionaries(
    st.text(min_size=1), st.builds(Pin, st.text("0123456789abcdef"), SOURCES, st.text())
)


def pins(folder: Path, *, version: str = "1.37.2", platform: str = "linux/amd64") -> Pins:
    """Return the pins of a version in the folder's lock file."""
    return Pins(folder / "artefacts.lock.json", platform, version)


def test_no_file_means_no_pins(tmp_path: Path) -> None:
    """Looking does not make the file."""
    assert pins(tmp_path).read() == {}
    pins(tmp_path).add({})
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=30)
@given(SOME)
def test_what_is_pinned_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, some: dict[str, Pin]
) -> None:
    """Nothing is lost or changed by the file."""
    folder = tmp_path_factory.mktemp("pins")
    pins(folder).add(some)
    assert pins(folder).read() == some


def test_pins_are_added_to_those_there(tmp_path: Path) -> None:
    """One artefact after the other is pinned as it comes."""
    pins(tmp_path).add({"kubelet": PIN})
    pins(tmp_path).add({"etcd": PIN})
    assert set(pins(tmp_path).read()) == {"kubelet", "etcd"}


def test_versions_and_platforms_do_not_mix(tmp_path: Path) -> None:
    """The kubelet of another version is another file."""
    pins(tmp_path).add({"kubelet": PIN})
    assert pins(tmp_path, version="1.36.3").read() == {}
    assert pins(tmp_path, platform="linux/arm64").read() == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"format": "somebody-else/v1"}',
        '{"format": "backstay/artefacts-lock/v1", "linux/amd64": 3}',
        '{"format": "backstay/artefacts-lock/v1", "linux/amd64": {"1.37.2": {"etcd": {}}}}',
        '{"format": "backstay/artefacts-lock/v1", "linux/amd64": {"1.37.2": []}}',
    ],
)
def test_a_damaged_file_is_an_error_and_stays(tmp_path: Path, text: str) -> None:
    """Pinning anew in silence would accept whatever is served today."""
    path = tmp_path / "artefacts.lock.json"
    path.write_text(text)
    with pytest.raises(ArtefactError, match="lock file") as caught:
        pins(tmp_path).read()
    assert str(path) in str(caught.value)
    assert path.read_text() == text


def test_the_file_is_fit_for_version_control(tmp_path: Path) -> None:
    """Order of keys does not depend on the order of pinning, and the last line ends."""
    pins(tmp_path).add({"kubelet": PIN, "etcd": PIN})
    text = pins(tmp_path).path.read_text()
    assert text.endswith("}\n")
    assert list(json.loads(text)["linux/amd64"]["1.37.2"]) == ["etcd", "kubelet"]
