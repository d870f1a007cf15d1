"""Public host keys: what is pinned must be a key, else no machine could ever be the right one."""

from __future__ import annotations

from base64 import b64encode

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.spec.hostkeys import KINDS, flaw
from fakes.cluster_texts import cluster, told_one


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("comment", ["", " root@cp-1", " é ü"])
def test_every_kind_of_key_is_one(kind: str, comment: str) -> None:
    """As servers make them."""
    words = asyncssh.generate_private_key(kind).export_public_key().decode().split()[:2]
    assert flaw(" ".join(words) + comment) == ""


def test_a_cut_or_another_key_is_none() -> None:
    """A character lost in copying, and the kind of another key."""
    words = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().split()
    assert "copy it again" in flaw(f"ssh-ed25519 {words[1][:-4]}")
    assert "copy it again" in flaw(f"ssh-ed25519 {words[1][:-1]}")
    assert "copy it again" in flaw(f"ssh-rsa {words[1]}")
    assert "its kind (ssh-ed25519," in flaw(words[1])
    assert "its kind (ssh-ed25519," in flaw("ssh-ed25519")
    assert "copy it again" in flaw(f"ssh-ed25519 {b64encode(b'AAAA').decode()}")


@given(st.text(), st.binary())
def test_nothing_makes_it_fail(text: str, data: bytes) -> None:
    """Whatever is pasted."""
    assert flaw(text)
    assert isinstance(flaw(f"ssh-rsa {b64encode(data).decode()} {text}"), str)


def test_a_host_key_that_is_none_is_shown() -> None:
    """It would fail with every machine, and look like a login that is refused."""
    hosts = {"a": f"address: 10.0.0.1, roles: [control-plane], hostKey: ssh-ed25519 {'A' * 68}"}
    path, message = told_one(cluster(hosts=hosts))
    assert path == "hosts.0.hostKey"
    assert "no whole key" in message
