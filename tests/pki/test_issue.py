"""Issued certificates are what TLS stacks accept, and what their files say they are."""

from __future__ import annotations

import re
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from backstay.errors import RefusedError
from backstay.pki.authority import Authority, create, fingerprint
from backstay.pki.issue import Pair, issue
from backstay.pki.keys import digest, load_key, serialize_key
from backstay.pki.reading import declared_digest
from backstay.pki.request import AuthorityName, Profile
from backstay.secret import Secret
from backstay.spec.model import KeyKind

if TYPE_CHECKING:
    from conftest import Workshop


def leaf_of(pair: Pair) -> x509.Certificate:
    """Read a pair's certificate."""
    return x509.load_pem_x509_certificate(pair.certificate)


def verifier(authority: Authority, now: datetime) -> PolicyBuilder:
    """Return a policy that trusts one authority, at a moment."""
    root = x509.load_pem_x509_certificate(authority.certificate)
    return PolicyBuilder().store(Store([root])).time(now)


def test_servers_verify_by_each_of_their_names(workshop: Workshop, now: datetime) -> None:
    """Every server certificate chains to its authority for every name and address in it."""
    for name in ("etcd/server", "apiserver", "kubelet-server"):
        request = workshop.request(name)
        leaf = leaf_of(workshop.issue(request))
        policy = verifier(workshop.authorities[request.authority], now)
        for dns_name in request.dns_names:
            assert policy.build_server_verifier(x509.DNSName(dns_name)).verify(leaf, [])
        for address in request.addresses:
            assert policy.build_server_verifier(x509.IPAddress(address)).verify(leaf, [])
        stranger = policy.build_server_verifier(x509.IPAddress(ip_address("192.0.2.77")))
        with pytest.raises(VerificationError):
            stranger.verify(leaf, [])


@pytest.mark.parametrize("name", ["etcd/server", "apiserver", "kubelet-server"])
def test_a_server_is_no_client(workshop: Workshop, now: datetime, name: str) -> None:
    """The server profile has serverAuth and nothing else."""
    request = workshop.request(name)
    policy = verifier(workshop.authorities[request.authority], now)
    with pytest.raises(VerificationError, match="EKU"):
        policy.build_client_verifier().verify(leaf_of(workshop.issue(request)), [])


def test_a_peer_is_both(workshop: Workshop, now: datetime) -> None:
    """Members call one another with the certificate with which they answer."""
    leaf = leaf_of(workshop.issue(workshop.request("etcd/peer")))
    policy = verifier(workshop.authorities[AuthorityName.ETCD_PEER], now)
    assert policy.build_client_verifier().verify(leaf, [])
    assert policy.build_server_verifier(x509.DNSName("m1")).verify(leaf, [])


def shake_hands(
    tmp_path: Path, *, port: tuple[Pair, Authority], caller: tuple[Pair, Authority]
) -> None:
    """Do a whole TLS handshake in memory, both sides verifying; ssl.SSLError if refused."""

    def context(protocol: int, pair: Pair, trusted: Authority) -> ssl.SSLContext:
        made = ssl.SSLContext(protocol)
        made.maximum_version = ssl.TLSVersion.TLSv1_2  # a refusal is then seen on both sides
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(cadata=trusted.certificate.decode())
        files = (tmp_path / "one.crt", tmp_path / "one.key")
        for file, content in zip(files, (pair.certificate, pair.key.reveal()), strict=True):
            file.write_bytes(content)
        made.load_cert_chain(*files)
        return made

    ways = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context(ssl.PROTOCOL_TLS_SERVER, *port).wrap_bio(*ways, server_side=True)
    client = context(ssl.PROTOCOL_TLS_CLIENT, *caller).wrap_bio(
        *reversed(ways), server_hostname="m1"
    )
    waiting = [client, server]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert not waiting


def test_who_may_call_which_port_of_etcd(workshop: Workshop, tmp_path: Path) -> None:
    """Clients are accepted on 2379 only, peers on 2380 only; servers call neither."""
    real = workshop_now(workshop)
    clients, peers = (real[0][name] for name in (AuthorityName.ETCD, AuthorityName.ETCD_PEER))
    pairs = real[1]
    client_port, peer_port = (pairs["etcd/server"], clients), (pairs["etcd/peer"], peers)
    for name in ("etcd/healthcheck-client", "apiserver-etcd-client"):
        shake_hands(tmp_path, port=client_port, caller=(pairs[name], clients))
        with pytest.raises(ssl.SSLError):
            shake_hands(tmp_path, port=peer_port, caller=(pairs[name], peers))
    shake_hands(tmp_path, port=peer_port, caller=(pairs["etcd/peer"], peers))
    for port, name in ((client_port, "peer"), (client_port, "server"), (peer_port, "server")):
        with pytest.raises(ssl.SSLError):
            shake_hands(tmp_path, port=port, caller=(pairs[f"etcd/{name}"], port[1]))


def workshop_now(workshop: Workshop) -> tuple[dict[AuthorityName, Authority], dict[str, Pair]]:
    """Return authorities and leaves that are valid by this computer's clock, as ssl wants."""
    now = datetime.now(tz=workshop.authorities[AuthorityName.ETCD].ends.tzinfo)
    authorities = {
        name: create(name, key=one.signer(), serial=3, now=now, lifetime=timedelta(days=1))
        for name, one in workshop.authorities.items()
    }
    names = ("etcd/server", "etcd/peer", "etcd/healthcheck-client", "apiserver-etcd-client")
    wanted = [workshop.request(name) for name in names]
    return authorities, {
        one.name: workshop.issue(one, now=now, authority=authorities[one.authority])
        for one in wanted
    }


def test_it_begins_before_now(workshop: Workshop, now: datetime) -> None:
    """Authority and leaf begin five minutes early, for hosts whose clock is behind."""
    request = workshop.request("apiserver")
    pair = workshop.issue(request, now=now + timedelta(microseconds=999))
    early = now - timedelta(minutes=5)
    authority = workshop.authorities[AuthorityName.KUBERNETES]
    assert leaf_of(pair).not_valid_before_utc == early
    assert x509.load_pem_x509_certificate(authority.certificate).not_valid_before_utc == early
    verifier(authority, early).build_server_verifier(x509.DNSName("m1")).verify(leaf_of(pair), [])


def test_it_never_outlives_its_authority(workshop: Workshop, now: datetime) -> None:
    """The life is cut, and the file says so."""
    authority = workshop.authority(AuthorityName.KUBERNETES, lifetime=timedelta(days=100))
    request = workshop.request("apiserver")
    pair = workshop.issue(request, authority=authority)
    assert leaf_of(pair).not_valid_after_utc == now + timedelta(days=100)
    assert b"cut: the kubernetes authority ends then" in pair.certificate
    short = replace(request, lifetime=timedelta(days=100))
    assert b"cut:" not in workshop.issue(short, authority=authority).certificate


def test_an_ended_authority_signs_nothing(workshop: Workshop, now: datetime) -> None:
    """What it signs would be accepted by nobody."""
    authority = workshop.authority(AuthorityName.KUBERNETES, lifetime=timedelta(days=1))
    request = workshop.request("apiserver")
    workshop.issue(request, authority=authority, now=now + timedelta(hours=23))
    with pytest.raises(RefusedError, match="ended"):
        workshop.issue(request, authority=authority, now=now + timedelta(days=1))


def test_an_authority_without_its_key_signs_nothing(workshop: Workshop) -> None:
    """An external authority is refused when something is due, with what to do."""
    authority = replace(workshop.authorities[AuthorityName.KUBERNETES], key=None)
    with pytest.raises(RefusedError) as refused:
        workshop.issue(workshop.request("apiserver"), authority=authority)
    assert "place the certificates yourself" in refused.value.next_move


def test_an_authority_with_anothers_key_signs_nothing(workshop: Workshop) -> None:
    """A mixed-up pair would sign certificates that verify nowhere."""
    other = workshop.authorities[AuthorityName.ETCD].key
    authority = replace(workshop.authorities[AuthorityName.KUBERNETES], key=other)
    with pytest.raises(RefusedError, match="does not belong"):
        workshop.issue(workshop.request("apiserver"), authority=authority)


def test_mistaken_arguments(
    workshop: Workshop, make_key: Callable[..., object], now: datetime
) -> None:
    """A key of another kind, or another authority, is the caller's mistake."""
    request = workshop.request("apiserver")
    etcd = workshop.authorities[AuthorityName.ETCD]
    with pytest.raises(ValueError, match="signed by kubernetes"):
        workshop.issue(request, authority=etcd)
    own = workshop.authorities[AuthorityName.KUBERNETES]
    with pytest.raises(ValueError, match="asks for a key"):
        issue(request, own, key=make_key(KeyKind.RSA_2048), serial=1, now=now)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [k for k in KeyKind if k is not KeyKind.RSA_4096])
def test_key_kinds(workshop: Workshop, now: datetime, kind: KeyKind) -> None:
    """Every kind works for leaf and authority; only RSA keys encipher keys."""
    authority = workshop.authority(AuthorityName.KUBERNETES, kind=kind)
    leaf = leaf_of(workshop.issue(workshop.request("apiserver", key=kind), authority=authority))
    server = verifier(authority, now).build_server_verifier(x509.DNSName("kubernetes"))
    assert server.verify(leaf, [])
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_encipherment is kind.value.startswith("rsa")


def test_the_authority_signs_leaves_only(workshop: Workshop) -> None:
    """Path length 0, certificate and revocation-list signing, an identifier, kubeadm's names."""
    subjects = {}
    for name, authority in workshop.authorities.items():
        certificate = x509.load_pem_x509_certificate(authority.certificate)
        extensions = certificate.extensions
        basics = extensions.get_extension_for_class(x509.BasicConstraints)
        usage = extensions.get_extension_for_class(x509.KeyUsage)
        assert (basics.value.ca, basics.value.path_length, basics.critical) == (True, 0, True)
        assert usage.critical
        assert usage.value.key_cert_sign
        assert usage.value.crl_sign
        assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        assert authority.certificate.startswith(b"-----BEGIN CERTIFICATE-----")
        subjects[name.value] = certificate.subject.rfc4514_string()
    assert subjects == {
        "kubernetes": "CN=kubernetes",
        "etcd": "CN=etcd-ca",
        "etcd-peer": "CN=etcd-peer-ca",
        "front-proxy": "CN=front-proxy-ca",
    }


def test_openssl_agrees(workshop: Workshop, tmp_path: Path) -> None:
    """OpenSSL skips the comment lines, verifies strictly, and reads the key and fingerprint."""
    authorities, pairs = workshop_now(workshop)
    authority, pair = authorities[AuthorityName.ETCD_PEER], pairs["etcd/peer"]
    files = {"ca.crt": authority.certificate, "p.crt": pair.certificate, "p.key": pair.key.reveal()}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    def openssl(*words: str) -> str:
        ran = ("openssl", *words)
        return subprocess.run(ran, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    for purpose in ("sslserver", "sslclient"):
        openssl("verify", "-x509_strict", "-CAfile", "ca.crt", "-purpose", purpose, "p.crt")
    public = openssl("pkey", "-in", "p.key", "-pubout")
    assert openssl("x509", "-in", "p.crt", "-noout", "-pubkey") == public
    told = openssl("x509", "-in", "ca.crt", "-noout", "-fingerprint", "-sha256")
    assert told.strip().split("=")[1].replace(":", "").lower() == fingerprint(authority.certificate)


def test_the_file_says_whose_it_is(workshop: Workshop) -> None:
    """Two lines for people and for the probe, then PEM."""
    pair = workshop.issue(workshop.request("kubelet-server"))
    lines = pair.certificate.decode().splitlines()
    assert lines[0] == (
        "# backstay: O=system:nodes, CN=system:node:m1; DNS:m1; IP:10.0.0.1;"
        " until 2027-08-01 12:00:00 UTC"
    )
    assert lines[1] == f"# key sha256: {digest(pair.key)}"
    assert lines[2] == "-----BEGIN CERTIFICATE-----"
    assert declared_digest(pair.certificate) == digest(pair.key)


@pytest.mark.parametrize("name", ["-----BEGIN CERTIFICATE-----", "a\n# key sha256: " + "0" * 64])
def test_no_name_can_forge_the_lines(workshop: Workshop, name: str) -> None:
    """Whatever a subject holds stays on one line, and begins nothing."""
    request = workshop.request("admin", organizations=(name[:64],))
    pair = workshop.issue(request)
    assert declared_digest(pair.certificate) == digest(pair.key)
    assert re.fullmatch(rb"(?:# [^\n]*\n){2}(?:[^#\n]*\n)+", pair.certificate)
    assert leaf_of(pair)


def test_no_key_bytes_are_shown(workshop: Workshop) -> None:
    """Neither repr nor str of a pair or an authority shows the key."""
    pair = workshop.issue(workshop.request("apiserver"))
    authority = workshop.authorities[AuthorityName.KUBERNETES]
    for shown in (repr(pair), str(pair), f"{pair}", repr(authority), str(authority)):
        assert "PRIVATE KEY" not in shown
        assert "•••" in shown


def test_the_key_file_is_the_key(workshop: Workshop) -> None:
    """PKCS #8, not encrypted, readable by anyone's reader and by ours."""
    pair = workshop.issue(workshop.request("apiserver"))
    assert pair.key.reveal().startswith(b"-----BEGIN PRIVATE KEY-----")
    key = load_pem_private_key(pair.key.reveal(), password=None)
    assert key.public_key() == leaf_of(pair).public_key()
    assert serialize_key(load_key(pair.key, where="here")) == pair.key


ENCRYPTED = b"""-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,5A3C9CF1C1AC0D4B0E7C6C8A6C4DD2B4

AAAA
-----END EC PRIVATE KEY-----
"""


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "not a private key"), (b"x", "not a private key"), (ENCRYPTED, "encrypted")],
)
def test_keys_that_cannot_be_used(content: bytes, why: str) -> None:
    """The refusal says where and why, and shows nothing of the key."""
    with pytest.raises(RefusedError) as refused:
        load_key(Secret(content), where="/etc/kubernetes/pki/ca.key")
    assert refused.value.where == "/etc/kubernetes/pki/ca.key"
    assert why in refused.value.why
    assert "AAAA" not in str(refused.value)


def test_profiles() -> None:
    """Server serves, client calls, peer does both."""
    assert [(p.serves, p.calls) for p in Profile] == [(True, False), (False, True), (True, True)]


def test_only_lines_before_the_certificate_count(workshop: Workshop) -> None:
    """What somebody appends to the file says nothing about the key."""
    pair = workshop.issue(workshop.request("apiserver"))
    bare = pair.certificate[pair.certificate.index(b"-----BEGIN") :]
    assert declared_digest(bare + b"# key sha256: " + b"0" * 64 + b"\n") is None
