"""The resource: facts in, printed differences and commands out."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from backstay.pki.certificate import Certificate
from backstay.pki.issue import Pair
from backstay.pki.keys import digest
from backstay.resources.content import Issued
from backstay.resources.resource import Command, Diff, Facts, Key, Probe, Resource

if TYPE_CHECKING:
    from conftest import Workshop

STEM = "/etc/kubernetes/pki/etcd/server"


def facts_of(pair: Pair, **changes: str) -> Facts:
    """Return what the observing script tells of a pair in place."""
    return {
        "certificate": base64.b64encode(pair.certificate).decode(),
        "key_digest": digest(pair.key),
        "certificate_mode": "644",
        "certificate_owner": "root:root",
        "key_mode": "600",
        "key_owner": "etcd:etcd",
        **changes,
    }


@pytest.fixture
def wish(workshop: Workshop, now: datetime) -> Certificate:
    """Return the wish for the server certificate of m1."""
    request = workshop.request("etcd/server")
    return Certificate(request, workshop.authorities[request.authority].certificate, now)


@pytest.fixture
def facts(workshop: Workshop, wish: Certificate) -> Facts:
    """Return what is told once the wish is fulfilled."""
    return facts_of(workshop.issue(wish.request))


ISSUE = (
    Command(("place", f"{STEM}.crt", "644", "root:root"), Issued(STEM, "certificate")),
    Command(("place", f"{STEM}.key", "600", "etcd:etcd"), Issued(STEM, "key")),
)


def test_what_it_is(wish: Certificate) -> None:
    """A resource, named and asked about by the path of both files without suffix."""
    assert isinstance(wish, Resource)
    assert wish.key == Key("certificate", STEM)
    assert wish.probe() == Probe("certificate", STEM)


def test_nothing_to_do(wish: Certificate, facts: Facts) -> None:
    """What was issued and placed as wished is no difference."""
    assert wish.diff(facts) == ()


def test_absent(wish: Certificate) -> None:
    """Both halves are placed."""
    diffs = wish.diff(None)
    assert diffs == (Diff("certificate", "CN=m1", None),)
    assert wish.remedy(diffs) == ISSUE


@pytest.mark.parametrize("half", ["certificate", "key"])
def test_half_of_it_is_absent(wish: Certificate, facts: Facts, half: str) -> None:
    """One half without the other is issued anew as a whole."""
    fields = {"certificate": "certificate", "key": "key_digest"}
    left = {k: v for k, v in facts.items() if k not in {fields[half], f"{half}_mode"}}
    diffs = wish.diff(left)
    assert [(diff.field, diff.have) for diff in diffs] == [(half, None)]
    assert wish.remedy(diffs) == ISSUE


def test_what_is_no_base64_is_no_certificate(wish: Certificate, facts: Facts) -> None:
    """Noise in an answer cannot pass for a certificate, nor for an absent one."""
    diffs = wish.diff({**facts, "certificate": "*** motd ***"})
    assert [diff.field for diff in diffs] == ["form"]


def test_a_key_that_others_can_read(wish: Certificate, facts: Facts) -> None:
    """Rights are corrected without a new certificate (P4)."""
    diffs = wish.diff({**facts, "key_mode": "644"})
    assert diffs == (Diff("key rights", "600 etcd:etcd", "644 etcd:etcd"),)
    assert wish.remedy(diffs) == (Command(("adjust", f"{STEM}.key", "600", "etcd:etcd")),)


def test_rights_of_both(wish: Certificate, facts: Facts) -> None:
    """Owner and mode of each file are corrected together."""
    diffs = wish.diff({**facts, "key_owner": "root:root", "certificate_mode": "666"})
    assert [diff.field for diff in diffs] == ["certificate rights", "key rights"]
    assert wish.remedy(diffs) == (
        Command(("adjust", f"{STEM}.crt", "644", "root:root")),
        Command(("adjust", f"{STEM}.key", "600", "etcd:etcd")),
    )


def test_one_difference_per_reason(wish: Certificate, facts: Facts) -> None:
    """Each reason stands by itself; rights are not worth telling then, both files are placed."""
    late = Certificate(wish.request, wish.authority, wish.now + timedelta(days=400))
    diffs = late.diff({**facts, "key_digest": "0" * 64, "key_mode": "644"})
    assert [diff.field for diff in diffs] == ["key", "end"]
    assert late.remedy(diffs) == ISSUE
    assert all(diff.have is not None for diff in diffs)


def test_an_authority_that_is_about_to_be_made(wish: Certificate, facts: Facts) -> None:
    """Then whatever is there must go."""
    assert [d.field for d in Certificate(wish.request, None, wish.now).diff(facts)] == ["authority"]


def test_no_key_is_told(wish: Certificate, facts: Facts, workshop: Workshop) -> None:
    """Differences hold a part of a digest at most."""
    other = workshop.issue(wish.request, which="other")
    shown = repr(wish.diff({**facts, "key_digest": digest(other.key)}))
    assert digest(other.key) not in shown
    assert "PRIVATE" not in shown
