"""A cluster is merged into the user's kubeconfig, and nothing else of it changes."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from backstay.errors import ConfigError
from backstay.fleet.kubeconfigs import Access, default_path, merge_into, merged
from backstay.pki.issue import Pair
from backstay.secret import Secret

ACCESS = Access(
    cluster="prod",
    server="https://10.0.0.10:8443",
    authority=b"authority",
    user="alice",
    pair=Pair(b"certificate", Secret(b"key")),
)
OTHERS = """\
# mine, do not touch
apiVersion: v1
kind: Config
current-context: home
clusters:
- name: home  # the one under the desk
  cluster: {server: "https://home:6443"}
users:
- name: me
  user:
    token: abc
contexts:
- name: home
  context:
    cluster: home
    user: me
preferences: {}
"""


def _read(text: str) -> dict[str, object]:
    found: dict[str, object] = YAML(typ="safe").load(text)
    return found


def test_a_new_file_holds_all_that_a_client_needs() -> None:
    """Server, authority, certificate and key stand in the file itself."""
    document = _read(merged("", ACCESS, where="x"))
    assert document["current-context"] == "prod"
    (cluster,) = document["clusters"]
    (user,) = document["users"]
    (context,) = document["contexts"]
    assert cluster["cluster"]["server"] == "https://10.0.0.10:8443"
    assert base64.b64decode(cluster["cluster"]["certificate-authority-data"]) == b"authority"
    assert base64.b64decode(user["user"]["client-key-data"]) == b"key"
    assert context == {"name": "prod", "context": {"cluster": "prod", "user": "alice@prod"}}


def test_other_clusters_and_comments_are_left_as_they_are() -> None:
    """What was there stays, word by word, comments too."""
    text = merged(OTHERS, ACCESS, where="x")
    before, after = _read(OTHERS), _read(text)
    for name in ("clusters", "users", "contexts"):
        assert after[name][0] == before[name][0]
        assert len(after[name]) == 2
    assert "# mine, do not touch" in text
    assert "# the one under the desk" in text
    assert after["current-context"] == "prod"


def test_merging_again_replaces_and_does_not_pile_up() -> None:
    """A second certificate takes the place of the first."""
    once = merged(OTHERS, ACCESS, where="x")
    again = merged(once, ACCESS, where="x")
    assert _read(again) == _read(once)


@pytest.mark.parametrize("text", ["- a list\n", "clusters: [1, 2]\n", "a: [\n", "just words"])
def test_what_is_no_kubeconfig_is_left_alone(tmp_path: Path, text: str) -> None:
    """Refused with a reason, and the file stays as it was."""
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError, match="left alone"):
        merge_into(path, ACCESS)
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_and_its_backup_are_for_their_owner_only(tmp_path: Path) -> None:
    """Mode 0600 for both, whatever the file's mode was; the backup holds the old text."""
    path = tmp_path / "config"
    path.write_text(OTHERS)
    path.chmod(0o644)
    backup = merge_into(path, ACCESS)
    assert backup is not None
    assert backup.read_text() == OTHERS
    for one in (path, backup):
        assert stat.S_IMODE(one.stat().st_mode) == 0o600
    assert sorted(tmp_path.iterdir()) == [path, backup]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """A kubeconfig kept elsewhere is changed where it is."""
    real, link = tmp_path / "real", tmp_path / "config"
    real.write_text(OTHERS)
    link.symlink_to(real)
    merge_into(link, ACCESS)
    assert link.is_symlink()
    assert "prod" in real.read_text()


def test_a_first_kubeconfig_has_no_backup(tmp_path: Path) -> None:
    """Folders are made for it, closed to others."""
    path = tmp_path / "home" / ".kube" / "config"
    assert merge_into(path, ACCESS) is None
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"KUBECONFIG": "/a:/b"}, "/a"),
        ({"KUBECONFIG": ":/b"}, "/b"),
        ({"KUBECONFIG": ""}, "~/.kube/config"),
        ({}, "~/.kube/config"),
    ],
)
def test_the_first_file_of_kubeconfig_is_taken(environment: dict[str, str], expected: str) -> None:
    """As kubectl does when it writes."""
    assert default_path(environment) == Path(expected).expanduser()
