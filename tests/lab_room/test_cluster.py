"""The `cluster.yaml` of a lab."""

from __future__ import annotations

from ipaddress import IPv6Network
from pathlib import Path

from lab_room_values import make_lab
from ruamel.yaml import YAML

from backstay.lab.cluster import cluster_text, write_cluster
from backstay.spec.model import ClusterSpec

EXPECTED = """\
# Written by `backstay lab up`, and yours to change: a changed file is left as it is.
name: demo
kubernetes: "1.37.2"
endpoint:
  vip: "10.213.7.100"
  port: 8443
  virtualRouterId: 8
ssh:
  user: root
  key: "/state/id_ed25519"
hosts:
  - name: cp-1
    address: "10.213.7.11"
    roles: [control-plane]
    hostKey: "ssh-ed25519 AAAA"
  - name: w-1
    address: "10.213.7.101"
    roles: [worker]
    hostKey: "ssh-ed25519 AAAA"
  - name: lb-1
    address: "10.213.7.61"
    roles: [load-balancer]
    hostKey: "ssh-ed25519 AAAA"
"""


def read(text: str) -> ClusterSpec:
    """Read a specification as its owner's would be."""
    return ClusterSpec.model_validate(YAML(typ="safe").load(text))


def test_the_file_reads_as_an_owner_would_write_it() -> None:
    """Nothing in it is special to a lab."""
    assert cluster_text(make_lab(), key=Path("/state/id_ed25519")) == EXPECTED


def test_the_file_is_a_specification() -> None:
    """The model takes it, with the lab's addresses and keys."""
    spec = read(EXPECTED)
    assert str(spec.endpoint.vip) == "10.213.7.100"
    assert [host.name for host in spec.load_balancers] == ["lb-1"]
    assert spec.host("cp-1").host_key == "ssh-ed25519 AAAA"


def test_odd_places_and_other_families_are_quoted() -> None:
    """A directory with a quote, and an address full of colons."""
    lab = make_lab(IPv6Network("fd00:213::/64"))
    spec = read(cluster_text(lab, key=Path('/st"ate: #1/key')))
    assert spec.ssh.key == '/st"ate: #1/key'
    assert str(spec.host("cp-1").address) == "fd00:213::b"


def test_a_changed_file_is_left_as_it_is(tmp_path: Path) -> None:
    """Ours is replaced by ours; the user's stays."""
    path = tmp_path / "cluster.yaml"
    write_cluster(path, old=None, new="one")
    write_cluster(path, old="one", new="two")
    assert path.read_text() == "two"
    path.write_text("mine")
    write_cluster(path, old="two", new="three")
    assert path.read_text() == "mine"
