"""Which source is asked for what."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.fleet.artefacts.pins import Pin
from backstay.fleet.artefacts.sources import Expectations, sources_of
from backstay.fleet.artefacts.table import Table
from backstay.spec.model import Artefacts, ArtefactSource

BUILD, RELEASE = ArtefactSource.BUILD, ArtefactSource.RELEASE
COPIES = (ArtefactSource.BUNDLE, ArtefactSource.MIRROR)
TABLE = Table({"etcd": "shipped"}, {"runc": {"gcc 1": "reference"}})


def test_a_pin_is_what_every_source_must_give() -> None:
    """Whatever was accepted once is the only thing that is accepted."""
    expectations = Expectations({"etcd": Pin("pinned", RELEASE, "address")}, TABLE)
    assert {expectations.digest(source, "etcd") for source in ArtefactSource} == {"pinned"}


def test_what_we_build_is_in_the_shipped_table() -> None:
    """Copies of it may come from anywhere; what others published is another file."""
    expectations = Expectations({}, TABLE)
    assert {expectations.digest(source, "etcd") for source in (BUILD, *COPIES)} == {"shipped"}
    assert expectations.digest(RELEASE, "etcd") is None


@pytest.mark.parametrize(("pinned", "other"), [(RELEASE, BUILD), (BUILD, RELEASE)])
def test_a_source_is_not_asked_for_what_it_cannot_make(
    pinned: ArtefactSource, other: ArtefactSource
) -> None:
    """No build gives the bytes of a published file, and the other way round."""
    expectations = Expectations({"etcd": Pin("pinned", pinned, "origin")}, TABLE)
    assert expectations.possible(pinned, "etcd")
    assert not expectations.possible(other, "etcd")
    assert all(expectations.possible(copy, "etcd") for copy in COPIES)


def test_copies_are_found_by_digest() -> None:
    """Without one there is nothing to ask a bundle or a mirror for."""
    expectations = Expectations({}, Table({}, {}))
    assert not any(expectations.possible(copy, "etcd") for copy in COPIES)
    assert expectations.possible(BUILD, "etcd")
    assert expectations.possible(RELEASE, "etcd")


def test_a_bundle_is_named_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    """A relative path means the same from wherever backstay is started."""
    wish = Artefacts(sources=(ArtefactSource.BUNDLE,), bundle="carried")
    sources = sources_of(wish, folder=tmp_path)
    assert sources.bundle == tmp_path / "carried"
    assert sources.lock_file == tmp_path / "artefacts.lock.json"
    assert sources.order == (ArtefactSource.BUNDLE,)
