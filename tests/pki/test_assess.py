"""A certificate is issued anew only for a reason, and every reason can be given."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.pki.assess import Ground, reasons
from backstay.pki.issue import Pair
from backstay.pki.keys import digest
from backstay.pki.request import AuthorityName, CertificateRequest, Profile, RenewedBy
from backstay.pki.requests import requests
from backstay.secret import Secret
from backstay.spec.model import KeyKind

if TYPE_CHECKING:
    from conftest import Workshop


@pytest.fixture(scope="session")
def why(workshop: Workshop) -> Callable[..., list[str]]:
    """Return a function that tells the reasons against a pair, as they are printed."""

    def told(
        request: CertificateRequest,
        pair: Pair,
        now: datetime,
        *,
        key: Secret | None = None,
        authority: bytes | None = None,
    ) -> list[str]:
        signer = authority or workshop.authorities[request.authority].certificate
        found = reasons(
            request,
            certificate=pair.certificate,
            key_digest=digest(key or pair.key),
            authority=signer,
            now=now,
        )
        return [str(reason) for reason in found]

    return told


Why = Callable[..., list[str]]


def test_what_was_just_issued_is_well(workshop: Workshop, now: datetime, why: Why) -> None:
    """Nothing is issued twice: every certificate of the cluster, right after its issue."""
    for wanted in requests(workshop.spec).values():
        for request in wanted:
            assert why(request, workshop.issue(request), now) == []


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_is_issued_is_well(
    data: st.DataObject, workshop: Workshop, now: datetime, why: Why
) -> None:
    """For any subject, names, profile, lives and kinds of keys: issue, and there is no reason."""
    text = st.text(
        st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20
    )
    label = st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9]", fullmatch=True)
    request = CertificateRequest(
        name="any",
        stem="/any",
        authority=data.draw(st.sampled_from(AuthorityName)),
        profile=data.draw(st.sampled_from(Profile)),
        common_name=data.draw(text),
        lifetime=data.draw(st.timedeltas(timedelta(minutes=1), timedelta(days=20000))),
        renew_before=data.draw(st.timedeltas(timedelta(0), timedelta(days=400))),
        organizations=tuple(data.draw(st.sets(text, max_size=3))),
        dns_names=tuple(data.draw(st.sets(label, max_size=3))),
        addresses=tuple(data.draw(st.sets(st.ip_addresses(), max_size=3))),
        key=data.draw(st.sampled_from([KeyKind.ECDSA_P256, KeyKind.ECDSA_P384, KeyKind.RSA_2048])),
        renewed_by=data.draw(st.sampled_from(RenewedBy)),
    )
    pair = workshop.issue(request)
    assert why(request, pair, now) == []
    assert why(request, pair, now + timedelta(seconds=1)) == []


def test_absent(workshop: Workshop, now: datetime) -> None:
    """Nothing there is one reason, whatever else would be wrong."""
    request = workshop.request("apiserver")
    ca = workshop.authorities[request.authority].certificate
    for key_digest in (None, "0" * 64):
        found = reasons(request, certificate=None, key_digest=key_digest, authority=ca, now=now)
        assert [str(one) for one in found] == ["certificate: absent, want CN=kube-apiserver"]
        assert found[0].have is None


@pytest.mark.parametrize("text", [b"", b"hello", b"\x00\xff", b"-----BEGIN CERTIFICATE-----\n"])
def test_not_a_certificate(workshop: Workshop, now: datetime, text: bytes) -> None:
    """An empty, cut or foreign file is issued anew; empty is not absent."""
    request = workshop.request("apiserver")
    ca = workshop.authorities[request.authority].certificate
    found = reasons(request, certificate=text, key_digest="0" * 64, authority=ca, now=now)
    assert [str(one) for one in found] == ["form: something else, want a certificate in PEM"]


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_no_damage_is_passed_over(
    data: st.DataObject, workshop: Workshop, now: datetime, why: Why
) -> None:
    """Change any one bit of what is signed: there is a reason, and never a traceback."""
    request = workshop.request("etcd/server")
    pair = workshop.issue(request)
    read = x509.load_pem_x509_certificate(pair.certificate)
    der, signed = read.public_bytes(Encoding.DER), read.tbs_certificate_bytes
    start = der.index(signed)
    bit = data.draw(st.integers(0, 8 * len(signed) - 1))
    damaged = bytearray(der)
    damaged[start + bit // 8] ^= 1 << bit % 8
    body = base64.encodebytes(damaged)
    head = pair.certificate.partition(b"-----BEGIN")[0]
    pem = b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of cryptography, about serial numbers that it will refuse
        assert why(request, replace(pair, certificate=head + pem), now) != []


def test_the_key_is_absent(workshop: Workshop, now: datetime) -> None:
    """A certificate without its key is of no use; the kubelet's too."""
    for name in ("apiserver", "kubelet-client"):
        request = workshop.request(name)
        pair = workshop.issue(request)
        ca = workshop.authorities[request.authority].certificate
        found = reasons(
            request, certificate=pair.certificate, key_digest=None, authority=ca, now=now
        )
        assert [str(one) for one in found] == ["key: absent, want the key of the certificate"]


def test_another_key(workshop: Workshop, now: datetime, why: Why) -> None:
    """A swapped key is seen by its digest alone (P4)."""
    request = workshop.request("apiserver")
    pair, other = workshop.issue(request), workshop.issue(request, which="other")
    assert why(request, pair, now, key=other.key) == [
        f"key: sha256 {digest(other.key)[:12]}…, want sha256 {digest(pair.key)[:12]}…"
    ]


def test_an_encrypted_key(workshop: Workshop, now: datetime, why: Why) -> None:
    """The same key with a passphrase is another file: no component could read it (P4)."""
    request = workshop.request("apiserver")
    pair = workshop.issue(request)
    key = load_pem_private_key(pair.key.reveal(), password=None)
    sealed = key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x")
    )
    assert [line[:4] for line in why(request, pair, now, key=Secret(sealed))] == ["key:"]


def test_a_certificate_that_does_not_name_its_key(
    workshop: Workshop, now: datetime, why: Why
) -> None:
    """One made by another tool may or may not fit its key: it is issued anew."""
    request = workshop.request("apiserver")
    pair = workshop.issue(request)
    bare = replace(pair, certificate=pair.certificate[pair.certificate.index(b"-----") :])
    assert why(request, bare, now) == ["key: not named there, want named in the certificate's file"]


def test_another_authority(workshop: Workshop, now: datetime, why: Why) -> None:
    """The signature counts: another authority of the same name does not pass (P3)."""
    for name in ("apiserver", "kubelet-client"):
        request = workshop.request(name)
        impostor = workshop.authority(request.authority, which="impostor")
        pair = workshop.issue(request, authority=impostor)
        assert why(request, pair, now) == [
            "authority: signed by another (CN=kubernetes), want signed by the kubernetes authority"
        ]


def test_an_authority_that_is_about_to_be_made(workshop: Workshop, now: datetime) -> None:
    """Whatever is there was signed by another."""
    request = workshop.request("apiserver")
    pair = workshop.issue(request)
    found = reasons(
        request,
        certificate=pair.certificate,
        key_digest=digest(pair.key),
        authority=None,
        now=now,
    )
    assert [one.ground for one in found] == [Ground.AUTHORITY]


def test_the_edges_of_its_life(workshop: Workshop, now: datetime, why: Why) -> None:
    """Valid from five minutes before, due thirty days before its end, over at its end."""
    request = workshop.request("apiserver")
    pair = workshop.issue(request)
    second, end = timedelta(seconds=1), now + timedelta(days=365)
    due = ["end: valid until 2027-08-01 12:00:00 UTC, want more than 30d left"]
    over = ["end: expired at 2027-08-01 12:00:00 UTC, want valid now"]
    early = ["start: not valid before 2026-08-01 11:55:00 UTC, want valid now"]
    assert why(request, pair, now - timedelta(minutes=5) - second) == early
    assert why(request, pair, now - timedelta(minutes=5)) == []
    assert why(request, pair, end - timedelta(days=30) - second) == []
    assert why(request, pair, end - timedelta(days=30)) == due
    assert why(request, pair, end - second) == due
    assert why(request, pair, end) == over


def test_a_short_life_is_renewed_at_half(workshop: Workshop, now: datetime, why: Why) -> None:
    """Otherwise ten days with `renewBefore: 30d` would mean new certificates at each run."""
    request = workshop.request("apiserver", lifetime=timedelta(days=10))
    pair = workshop.issue(request)
    assert why(request, pair, now + timedelta(days=5) - timedelta(seconds=1)) == []
    assert len(why(request, pair, now + timedelta(days=5))) == 1


def test_near_the_authoritys_end_nothing_is_gained(
    workshop: Workshop, now: datetime, why: Why
) -> None:
    """A life that was cut is no reason by itself: a new one would end at the same moment."""
    authority = workshop.authority(AuthorityName.KUBERNETES, lifetime=timedelta(days=20))
    request = workshop.request("apiserver")
    pair = workshop.issue(request, authority=authority)
    ca = authority.certificate
    assert why(request, pair, now, authority=ca) == []
    assert why(request, pair, now + timedelta(days=19), authority=ca) == []
    assert len(why(request, pair, now + timedelta(days=20), authority=ca)) == 1


def test_another_subject(workshop: Workshop, now: datetime, why: Why) -> None:
    """Common name and organisations both count, their order does not."""
    request = workshop.request("admin")
    old = workshop.issue(replace(request, common_name="root"))
    wanted = "want O=backstay:cluster-admins, CN=kubernetes-admin"
    assert why(request, old, now) == [f"subject: O=backstay:cluster-admins, CN=root, {wanted}"]
    old = workshop.issue(replace(request, organizations=("system:masters",)))
    assert why(request, old, now) == [f"subject: O=system:masters, CN=kubernetes-admin, {wanted}"]
    both = replace(request, organizations=("a", "b"))
    assert why(both, workshop.issue(replace(both, organizations=("b", "a"))), now) == []


def test_a_name_is_missing(workshop: Workshop, now: datetime, why: Why) -> None:
    """A server whose certificate lacks the virtual address is issued anew (P3)."""
    request = workshop.request("apiserver")
    vip = ip_address("10.0.0.100")
    fewer = tuple(address for address in request.addresses if address != vip)
    old = workshop.issue(replace(request, addresses=fewer))
    (told,) = why(request, old, now)
    assert told.startswith("names: lacks IP:10.0.0.100, want DNS:kubernetes ")


def test_a_name_too_many(workshop: Workshop, now: datetime, why: Why) -> None:
    """A certificate must not answer to what it no longer is."""
    request = workshop.request("kubelet-server")
    old = workshop.issue(replace(request, dns_names=("m1", "old.example")))
    assert why(request, old, now) == ["names: has DNS:old.example too, want DNS:m1 IP:10.0.0.1"]


def test_a_client_has_no_names(workshop: Workshop, now: datetime, why: Why) -> None:
    """None wanted and some there is a difference; none and none is not."""
    request = workshop.request("admin")
    old = workshop.issue(replace(request, dns_names=("m1",)))
    assert why(request, old, now) == ["names: has DNS:m1 too, want none"]


def test_other_usages(workshop: Workshop, now: datetime, why: Why) -> None:
    """Each profile in place of each other."""
    request = workshop.request("etcd/server")
    told = {
        profile.value: why(request, workshop.issue(replace(request, profile=profile)), now)
        for profile in Profile
    }
    assert told == {
        "server": [],
        "client": ["usages: client, want server"],
        "peer": ["usages: client server, want server"],
    }


def test_another_kind_of_key(workshop: Workshop, now: datetime, why: Why) -> None:
    """Asking for stronger keys re-issues what has the old kind."""
    request = workshop.request("apiserver", key=KeyKind.ECDSA_P384)
    old = workshop.issue(replace(request, key=KeyKind.ECDSA_P256))
    assert why(request, old, now) == ["key kind: ecdsa-p256, want ecdsa-p384"]


def test_all_reasons_are_told_at_once(workshop: Workshop, now: datetime, why: Why) -> None:
    """In the order of the table."""
    request = workshop.request("apiserver")
    old = workshop.issue(
        replace(request, common_name="x", dns_names=(), profile=Profile.PEER),
        authority=workshop.authority(AuthorityName.KUBERNETES, which="impostor"),
    )
    grounds = [line.split(":")[0] for line in why(request, old, now + timedelta(days=400))]
    assert grounds == ["authority", "end", "subject", "names", "usages"]


def test_the_kubelets_own_is_left_alone(workshop: Workshop, now: datetime, why: Why) -> None:
    """It has long been replaced in the kubelet's directory: age and names are not ours to judge."""
    request = workshop.request("kubelet-client")
    pair = workshop.issue(replace(request, dns_names=("x",), profile=Profile.PEER))
    assert why(request, pair, now + timedelta(days=400)) == []
    assert why(request, pair, now, key=Secret(b"another")) == []
