"""The table of versions."""

from __future__ import annotations

import re

import pytest

from backstay.spec.model import ClusterSpec
from backstay.spec.versions import DEFAULT, KUBERNETES

PLAIN = re.compile(r"\d+(\.\d+){0,2}")


@pytest.mark.parametrize("version", KUBERNETES)
def test_a_release_is_filed_under_its_own_version(version: str) -> None:
    """Whoever looks a version up gets the release of that version."""
    assert KUBERNETES[version].kubernetes == version


@pytest.mark.parametrize("version", KUBERNETES)
def test_versions_are_written_without_the_letter_v(version: str) -> None:
    """Addresses and tags put the v where the project in question wants one."""
    release = KUBERNETES[version]
    assert all(PLAIN.fullmatch(one) for one in (version, *release.components.values()))


def test_the_minor_version_is_a_number() -> None:
    """Rules about version skew count minors."""
    assert [release.minor for release in KUBERNETES.values()] == [37, 36]


def test_a_cluster_that_names_no_version_gets_the_default() -> None:
    """The default of the model is the newest in the table."""
    assert ClusterSpec.model_fields["kubernetes"].default == DEFAULT


def test_components_name_everything_but_kubernetes() -> None:
    """`backstay version` prints them."""
    assert KUBERNETES["1.37.2"].components == {
        "etcd": "3.7.3",
        "containerd": "2.3.7",
        "runc": "1.5.2",
        "cni": "1.9.1",
        "coredns": "1.14.7",
        "pause": "1",
        "go": "1.27.3",
    }
