"""Whether there is room for a build."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.modules import ModuleSet, module_sets
from backstay.fleet.artefacts.places import Places
from backstay.fleet.artefacts.space import (
    begin,
    check_space,
    clean_build_caches,
    still_needed,
    tree_bytes,
)
from backstay.fleet.artefacts.table import release_of

MEGA = 1_000_000


def module_set(name: str, *, cache_bytes: int = 100 * MEGA) -> ModuleSet:
    """Return a set by its name."""
    found = next(one for one in module_sets(release_of("1.37.2")) if one.name == name)
    return replace(found, cache_bytes=cache_bytes)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Return a cache with nothing in it."""
    return Places(tmp_path / "cache")


def fill(folder: Path, size: int) -> None:
    """Add a file of real blocks to a cache."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{len(list(folder.iterdir()))}").write_bytes(b"x" * size)


def test_too_little_disk_is_seen_before_the_build(places: Places) -> None:
    """The error says how much is needed, how much is there, and what can be done."""
    huge = module_set("kubernetes", cache_bytes=10**18)
    with pytest.raises(ArtefactError, match="too little disk space") as caught:
        check_space(places, [huge])
    assert "1000000002.0 GB are needed" in str(caught.value)
    assert "XDG_CACHE_HOME" in str(caught.value)


def test_what_others_brought_into_the_caches_is_no_help(places: Places) -> None:
    """Ten gigabytes of another Kubernetes do not make this one smaller."""
    fill(places.build_cache, 40 * MEGA)
    fill(places.module_cache, 40 * MEGA)
    assert still_needed(places, [module_set("kubernetes")]) == 100 * MEGA


def test_what_a_set_brought_before_it_was_interrupted_is_not_needed_again(places: Places) -> None:
    """Only the growth since it began counts, and only for itself."""
    etcd, kubernetes = module_set("etcd"), module_set("kubernetes")
    fill(places.build_cache, 40 * MEGA)
    begin(places, etcd)
    fill(places.build_cache, 10 * MEGA)
    fill(places.module_cache, 20 * MEGA)
    assert 69 * MEGA < still_needed(places, [etcd]) <= 70 * MEGA
    assert 169 * MEGA < still_needed(places, [etcd, kubernetes]) <= 170 * MEGA
    assert still_needed(places, [kubernetes]) == 100 * MEGA


def test_beginning_again_forgets_nothing(places: Places) -> None:
    """A set that is interrupted twice has what it brought both times."""
    etcd = module_set("etcd")
    for _ in range(2):
        begin(places, etcd)
        fill(places.build_cache, 10 * MEGA)
    assert 79 * MEGA < still_needed(places, [etcd]) <= 80 * MEGA


def test_another_set_in_between_makes_it_unknown(places: Places) -> None:
    """What grew since is then not all its own; it is better to ask for too much."""
    etcd = module_set("etcd")
    begin(places, etcd)
    fill(places.build_cache, 10 * MEGA)
    begin(places, module_set("kubernetes"))
    assert still_needed(places, [etcd]) == 100 * MEGA


def test_no_set_needs_less_than_nothing(places: Places) -> None:
    """One that grew more than was measured once takes nothing from the next."""
    etcd, kubernetes = module_set("etcd", cache_bytes=MEGA), module_set("kubernetes")
    begin(places, etcd)
    fill(places.build_cache, 10 * MEGA)
    assert still_needed(places, [etcd, kubernetes]) == 100 * MEGA


@pytest.mark.parametrize("text", ["", "{", "[]", "etcd", '{"folder": "etcd-3.7.3"}'])
def test_a_damaged_note_counts_for_nothing(places: Places, text: str) -> None:
    """Then everything is needed."""
    begin(places, module_set("etcd"))
    fill(places.build_cache, 10 * MEGA)
    places.begun.write_text(text)
    assert still_needed(places, [module_set("etcd")]) == 100 * MEGA


def test_cleaning_removes_what_only_builds_need(places: Places) -> None:
    """Also folders that Go made read-only; the artefacts stay."""
    module = places.module_cache / "example.test" / "module@v1"
    module.mkdir(parents=True)
    (module / "source.go").write_bytes(b"12345")
    module.chmod(0o555)
    artefact = places.blobs / "ab" / "etcd"
    artefact.parent.mkdir(parents=True)
    artefact.write_bytes(b"kept")
    begin(places, module_set("etcd"))
    before = tree_bytes(places.root)
    assert clean_build_caches(places) == before - tree_bytes(places.root) >= 5
    assert not places.module_cache.exists()
    assert artefact.read_bytes() == b"kept"
    assert clean_build_caches(places) == 0
    assert not places.begun.exists()
