"""The observing script, run by a real sh, and what is understood of its answers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import pytest

from backstay.fleet.observe import observing_script, read_answers
from backstay.planning.observation import HostSeen
from backstay.resources.account import Account
from backstay.resources.content import Artefact, Kept, Text
from backstay.resources.files import Binary, Directory, File
from backstay.resources.kernel import Module, Sysctl
from backstay.resources.resource import Key, Resource, Unknown

MARK = "mark1234"


def look(wished: Iterable[Resource], *, noise: str = "") -> HostSeen:
    script = observing_script(wished, mark=MARK)
    done = subprocess.run(
        ["sh", "-s"], input=noise + script, capture_output=True, text=True, check=False
    )
    return read_answers(done.stdout, mark=MARK)


def test_a_file_tells_type_mode_owner_digest_and_text(tmp_path: Path) -> None:
    """A public file shows its text, so that a plan can show what changes."""
    text = 'a\tb\\n "q" $x\n\nlast\n'
    path = tmp_path / "f"
    path.write_text(text)
    path.chmod(0o640)
    seen = look([File(str(path), Text("x"))]).record(Key("file", str(path)))
    assert seen == {
        "type": "file",
        "mode": "640",
        "owner": "root:root",
        "sha256": sha256(text.encode()).hexdigest(),
        "content": text,
    }


def test_a_secret_file_never_shows_its_bytes(tmp_path: Path) -> None:
    """Of a kept secret only the digest is told."""
    path = tmp_path / "key"
    path.write_text("canary")
    seen = look([File(str(path), Kept("k", "00"), "600")]).record(Key("file", str(path)))
    assert seen == {
        "type": "file",
        "mode": "644",
        "owner": "root:root",
        "sha256": sha256(b"canary").hexdigest(),
    }


@pytest.mark.parametrize(
    "resource",
    [
        File("/nowhere/f", Text("")),
        Directory("/nowhere/d"),
        Binary("/nowhere/b", Artefact("b", "00")),
        Module("no_such_module"),
        Sysctl("no.such.parameter", "1"),
        Account("nosuchaccount"),
    ],
)
def test_what_is_not_there_is_absent_not_unknown(resource: Resource) -> None:
    """Absent is a fact of its own."""
    assert look([resource]).record(resource.key) is None


def test_what_was_not_asked_is_unknown() -> None:
    """A thing the machine said nothing about is unknown, never absent."""
    assert isinstance(look([]).record(Key("file", "/etc/hostname")), Unknown)


def test_a_directory_is_a_directory(tmp_path: Path) -> None:
    """A directory tells type, mode and owner."""
    tmp_path.chmod(0o700)
    seen = look([Directory(str(tmp_path))]).record(Key("directory", str(tmp_path)))
    assert seen == {"type": "directory", "mode": "700", "owner": "root:root"}


def test_a_parameter_and_an_account_tell_themselves() -> None:
    """Kernel parameters and accounts are read from the running system."""
    seen = look([Sysctl("kernel.ostype", "Linux"), Account("root")])
    assert seen.record(Key("sysctl", "kernel.ostype")) == {"value": "Linux"}
    assert seen.record(Key("account", "root")) == {"state": "present"}


def test_a_binary_without_a_stamp_is_hashed(tmp_path: Path) -> None:
    """A binary nobody verified yet is hashed when it is looked at."""
    path = tmp_path / "b"
    path.write_bytes(b"\x7fELF\0")
    seen = look([Binary(str(path), Artefact("b", "00"))]).record(Key("binary", str(path)))
    assert seen == {"sha256": sha256(b"\x7fELF\0").hexdigest()}


def test_a_link_is_no_file(tmp_path: Path) -> None:
    """A symbolic link where a file is wished differs by its type."""
    path = tmp_path / "l"
    path.symlink_to("/etc/hostname")
    wished = File(str(path), Text("x"))
    seen = look([wished]).record(wished.key)
    assert isinstance(seen, dict)
    assert "type" in {diff.field for diff in wished.diff(seen)}


def test_a_certificate_tells_both_halves(tmp_path: Path) -> None:
    """The public half is shown, of the key only its digest, and both modes."""
    stem = tmp_path / "c"
    (tmp_path / "c.crt").write_text("-----BEGIN\nx\n")
    (tmp_path / "c.key").write_text("canary")
    (tmp_path / "c.key").chmod(0o600)

    class Certificate(File):
        pass

    script = observing_script([], mark=MARK) + f"probe_certificate {stem} {tmp_path}/none\n"
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, check=False)
    seen = read_answers(done.stdout, mark=MARK)
    assert seen.record(Key("certificate", str(stem))) == {
        "certificate": "LS0tLS1CRUdJTgp4Cg==",
        "key_digest": sha256(b"canary").hexdigest(),
        "certificate_mode": "644",
        "certificate_owner": "root:root",
        "key_mode": "600",
        "key_owner": "root:root",
    }
    assert seen.record(Key("certificate", f"{tmp_path}/none")) is None


def test_noise_of_a_login_shell_is_not_heard(tmp_path: Path) -> None:
    """I7: banners and warnings before and between our lines change nothing."""
    path = tmp_path / "f"
    path.write_text("x")
    quiet = look([File(str(path), Text("x"))])
    noisy = look(
        [File(str(path), Text("x"))], noise="echo Welcome; printf 'a\\tb\\tc\\td\\te\\n'\n"
    )
    assert noisy.records == quiet.records


def test_the_survey_tells_of_the_machine() -> None:
    """Every look also says what the machine is."""
    survey = look([]).survey
    assert survey["uid"] == "0"
    assert survey["etc_writable"] == "yes"
    assert "awk" in survey["programs"].split()
    assert survey["control_groups"] in {"v1", "v2"}
    assert "lo=127.0.0.1/8" in survey["addresses"].split(",")


@pytest.mark.parametrize(
    ("metrics", "leads"),
    [
        ("etcd_server_has_leader 1\netcd_server_is_leader 1", True),
        ("etcd_server_has_leader 1\netcd_server_is_leader 0", False),
        ("# HELP etcd_server_is_leader 1", False),
        ("", False),
    ],
)
def test_a_member_tells_by_its_metrics_whether_it_leads(*, metrics: str, leads: bool) -> None:
    """One question over loopback; a member that does not answer does not lead."""
    script = observing_script([], mark=MARK) + f"curl() {{ echo '{metrics}'; }}\nleads\n"
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, check=False, text=True)
    assert (done.returncode == 0) is leads


def test_a_machine_without_a_member_is_not_asked_who_leads() -> None:
    """Nor does it say that one has served."""
    survey = look([]).survey
    assert survey["etcd_data"] == survey["etcd_served"] == "no"
    assert "etcd_leader" not in survey
