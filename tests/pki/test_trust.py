"""What the cluster keeps: one answer from all machines, or a refusal that names them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.errors import RefusedError
from backstay.pki.decide import Cluster, decide
from backstay.pki.encryption import encryption_config
from backstay.pki.kept import PAIRS, KeptName, holders
from backstay.pki.keys import PrivateKey, serialize_key, serialize_public_key
from backstay.pki.request import AuthorityName
from backstay.pki.trust import UNSEEN, Trust, complete, halves, kept_files
from backstay.resources.content import Kept, Text
from backstay.resources.resource import Seen, Unknown
from backstay.secret import Secret
from backstay.spec.model import ClusterSpec, Host, KeyKind, Role

if TYPE_CHECKING:
    from conftest import Workshop

Machines = dict[str, dict[str, Seen]]
Files = Mapping[KeptName, bytes]
ALIVE, EMPTY = Cluster.ALIVE, Cluster.EMPTY


@pytest.fixture(scope="session")
def created(
    workshop: Workshop, make_key: Callable[..., PrivateKey]
) -> Mapping[KeptName, bytes | Secret]:
    """Everything a cluster keeps, as it is made at its first run."""
    made: dict[KeptName, bytes | Secret] = {}
    for authority in workshop.authorities.values():
        made |= halves(authority)
    account = make_key(KeyKind.RSA_2048, "sa")
    made[KeptName.SERVICE_ACCOUNT_KEY] = serialize_key(account)
    made[KeptName.SERVICE_ACCOUNT_PUBLIC] = serialize_public_key(account)
    made[KeptName.ENCRYPTION] = encryption_config(bytes(range(32)))
    return made


@pytest.fixture(scope="session")
def files(created: Mapping[KeptName, bytes | Secret]) -> Files:
    """Return the bytes of every kept file."""
    return {n: v.reveal() if isinstance(v, Secret) else v for n, v in created.items()}


@pytest.fixture(scope="session")
def spec(workshop: Workshop) -> ClusterSpec:
    """Return three control planes and a worker."""
    return workshop.spec


@pytest.fixture(scope="session")
def parted(make_spec: Callable[..., ClusterSpec]) -> ClusterSpec:
    """Control planes p1 and p2, members e1 to e3, a balancer and a worker, each by itself."""
    roles = {
        "p1": Role.CONTROL_PLANE,
        "p2": Role.CONTROL_PLANE,
        "e1": Role.ETCD,
        "e2": Role.ETCD,
        "e3": Role.ETCD,
        "lb": Role.LOAD_BALANCER,
        "w1": Role.WORKER,
    }
    hosts = tuple(
        Host(name=name, address=f"10.0.0.{i}", roles=frozenset({role}))
        for i, (name, role) in enumerate(roles.items(), start=1)
    )
    return make_spec(0, hosts=hosts)


def facts(name: KeptName, content: bytes) -> dict[str, str]:
    """Return what the observing script tells: bytes of public files, digests of all."""
    told = {"type": "file", "mode": "600", "owner": "root:root"}
    told["sha256"] = sha256(content).hexdigest()
    return told | {"content": content.decode()} if name.public else told


def nothing(spec: ClusterSpec) -> Machines:
    """Return machines on which every kept file is certainly absent."""
    return {host.name: {name.value: None for name in KeptName} for host in spec.hosts}


def everything(spec: ClusterSpec, files: Files) -> Machines:
    """Return machines that have all they should."""
    seen = nothing(spec)
    for name, hosts in holders(spec).items():
        for host in hosts:
            seen[host][name.value] = facts(name, files[name])
    return seen


def refusal(spec: ClusterSpec, seen: Machines, cluster: Cluster) -> RefusedError:
    """Return the refusal, which always says what to do next."""
    with pytest.raises(RefusedError) as refused:
        decide(spec, seen, cluster=cluster)
    assert refused.value.next_move
    return refused.value


def test_nothing_anywhere(spec: ClusterSpec) -> None:
    """On a first run all of it is to be made."""
    trust = decide(spec, nothing(spec), cluster=EMPTY)
    assert trust == Trust(missing=frozenset(KeptName))
    assert trust.missing_authorities == tuple(AuthorityName)
    assert all(trust.authority(name) is None for name in AuthorityName)


def test_the_same_everywhere(spec: ClusterSpec, files: Files) -> None:
    """What all machines have is known by digest, and its public part by its bytes."""
    trust = decide(spec, everything(spec, files), cluster=ALIVE)
    assert trust.digests == {name: sha256(files[name]).hexdigest() for name in KeptName}
    assert trust.public == {name: files[name] for name in KeptName if name.public}
    assert trust.missing == frozenset()
    assert trust.external == frozenset()
    assert trust.found_on[KeptName.KUBERNETES_KEY] == ("m1", "m2", "m3")
    assert trust.authority(AuthorityName.ETCD) == files[KeptName.ETCD_CERTIFICATE]


def test_content_may_come_in_base64(spec: ClusterSpec, files: Files) -> None:
    """Either way of telling bytes is understood, and held against the digest."""
    seen = everything(spec, files)
    for records in seen.values():
        for told in records.values():
            if isinstance(told, dict) and "content" in told:
                told["content"] = base64.b64encode(told["content"].encode()).decode()
    assert decide(spec, seen, cluster=ALIVE) == decide(spec, everything(spec, files), cluster=ALIVE)


def test_a_new_control_plane_gets_what_the_others_have(spec: ClusterSpec, files: Files) -> None:
    """Absent on one host is no difference; nothing is made."""
    seen = everything(spec, files)
    seen["m1"] = dict.fromkeys(seen["m1"])
    trust = decide(spec, seen, cluster=ALIVE)
    assert trust.missing == frozenset()
    assert trust.found_on[KeptName.KUBERNETES_KEY] == ("m2", "m3")


@pytest.mark.parametrize("name", list(KeptName))
def test_hosts_that_differ_are_named(spec: ClusterSpec, files: Files, name: KeptName) -> None:
    """Two authorities, two encryption keys (P10): never chosen between."""
    seen = everything(spec, files)
    seen["m2"][name.value] = facts(name, files[name] + b"\n")
    error = refusal(spec, seen, ALIVE)
    assert error.where == "m1, m2, m3"
    assert f"{name.value} differs: " in error.why
    assert " on m1 m3, " in error.why
    assert error.why.count(" differs: ") == 1


@pytest.mark.parametrize("name", [KeptName.ETCD_CERTIFICATE, KeptName.ETCD_PEER_CERTIFICATE])
def test_a_member_with_another_authority(parted: ClusterSpec, files: Files, name: KeptName) -> None:
    """A member of a living etcd that trusts another authority is no member of ours (P3)."""
    seen = everything(parted, files)
    front = files[KeptName.FRONT_PROXY_CERTIFICATE]
    seen["e2"][name.value] = facts(name, front)
    error = refusal(parted, seen, ALIVE)
    assert " on e2" in error.why
    assert "e2" in error.where
    decide(parted, seen, cluster=EMPTY)  # before etcd has data, it is what a run left behind


def test_copies_of_workers_are_corrected(spec: ClusterSpec, files: Files) -> None:
    """A machine that only receives a file has no say in what it is."""
    seen = everything(spec, files)
    name = KeptName.KUBERNETES_CERTIFICATE
    seen["w1"][name.value] = facts(name, files[KeptName.ETCD_CERTIFICATE])
    assert decide(spec, seen, cluster=ALIVE).public[name] == files[name]


def test_a_silent_control_plane_may_be_the_only_one(spec: ClusterSpec) -> None:
    """Unknown is not absent: nothing is made while one has not answered."""
    seen = nothing(spec)
    seen["m3"] = {name.value: Unknown("timed out") for name in KeptName}
    error = refusal(spec, seen, EMPTY)
    assert error.where == "m3"
    assert "timed out" in error.why
    del seen["m3"]
    assert refusal(spec, seen, EMPTY).where == "m3"


def test_a_silent_member_may_have_data(parted: ClusterSpec, files: Files) -> None:
    """Nothing is made while a member of etcd has not answered: a living cluster may be behind."""
    seen = nothing(parted)
    del seen["e2"]
    error = refusal(parted, seen, EMPTY)
    assert error.where == "e2"
    assert "may have data" in error.why
    known = everything(parted, files)
    del known["e2"]
    assert decide(parted, known, cluster=ALIVE).missing == frozenset()


def test_a_silent_control_plane_among_others(spec: ClusterSpec, files: Files) -> None:
    """When the others agree, the silent one is not needed."""
    seen = everything(spec, files)
    del seen["m3"]
    trust = decide(spec, seen, cluster=ALIVE)
    assert trust.missing == frozenset()
    assert trust.found_on[KeptName.ENCRYPTION] == ("m1", "m2")


def test_a_silent_worker_hinders_nothing(spec: ClusterSpec) -> None:
    """It keeps nothing that others lack."""
    seen = nothing(spec)
    del seen["w1"]
    assert decide(spec, seen, cluster=EMPTY).missing == frozenset(KeptName)


@pytest.mark.parametrize("name", [*(pair.public for pair in PAIRS), KeptName.ENCRYPTION])
def test_what_a_living_cluster_lost_is_not_made_anew(
    spec: ClusterSpec, files: Files, name: KeptName
) -> None:
    """A second authority or encryption key beside its data would lock it out of itself."""
    seen = everything(spec, files)
    for records in seen.values():
        records[name.value] = None
    error = refusal(spec, seen, ALIVE)
    assert f"etcd has data, and {name.value}" in error.why


def test_a_certificate_without_a_key(spec: ClusterSpec, files: Files) -> None:
    """That is an authority kept elsewhere: its key is not wished for, and nothing is refused."""
    seen = everything(spec, files)
    for records in seen.values():
        records[KeptName.KUBERNETES_KEY.value] = None
    trust = decide(spec, seen, cluster=ALIVE)
    assert trust.external == {AuthorityName.KUBERNETES}
    wished = {file.path for kept in kept_files(spec, trust).values() for file in kept}
    assert KeptName.KUBERNETES_KEY.value not in wished
    assert KeptName.KUBERNETES_CERTIFICATE.value in wished
    assert KeptName.ETCD_KEY.value in wished


def test_a_service_account_key_that_is_lost(spec: ClusterSpec, files: Files) -> None:
    """Nobody else signs tokens: without the key, the public half is of no use."""
    seen = everything(spec, files)
    for records in seen.values():
        records[KeptName.SERVICE_ACCOUNT_KEY.value] = None
    assert "sa.key was seen on no host" in refusal(spec, seen, ALIVE).why


@pytest.mark.parametrize("content", [b"", b"rubbish\n", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_files_that_are_not_what_they_should_be(
    spec: ClusterSpec, files: Files, content: bytes
) -> None:
    """An authority that cannot be read is refused; so is a leaf in its place."""
    seen = everything(spec, files)
    name = KeptName.FRONT_PROXY_CERTIFICATE
    for records in seen.values():
        records[name.value] = facts(name, content)
    assert f"{name.value} is not the certificate of an authority" in refusal(spec, seen, ALIVE).why


def test_a_leaf_is_no_authority(spec: ClusterSpec, files: Files, workshop: Workshop) -> None:
    """What cannot sign cannot be trusted to have signed."""
    seen = everything(spec, files)
    name = KeptName.KUBERNETES_CERTIFICATE
    leaf = workshop.issue(workshop.request("apiserver")).certificate
    for records in seen.values():
        records[name.value] = facts(name, leaf)
    assert "is not the certificate of an authority" in refusal(spec, seen, ALIVE).why


def test_content_that_does_not_fit_its_digest(spec: ClusterSpec, files: Files) -> None:
    """Noise in the answer is not taken for a certificate."""
    seen = everything(spec, files)
    name = KeptName.SERVICE_ACCOUNT_PUBLIC
    for records in seen.values():
        records[name.value] = facts(name, files[name]) | {"content": "motd"}
    assert "could not be read whole" in refusal(spec, seen, ALIVE).why


def test_a_directory_in_place_of_a_key(spec: ClusterSpec, files: Files) -> None:
    """What has no digest is unknown: of no matter beside the others, but never overlooked."""
    seen = everything(spec, files)
    odd = {"type": "directory", "mode": "755", "owner": "root:root"}
    seen["m1"][KeptName.ENCRYPTION.value] = odd
    assert decide(spec, seen, cluster=ALIVE).found_on[KeptName.ENCRYPTION] == ("m2", "m3")
    lone = nothing(spec)
    lone["m1"][KeptName.ENCRYPTION.value] = odd
    assert refusal(spec, lone, EMPTY).where == "m1"


def test_all_problems_at_once(spec: ClusterSpec, files: Files) -> None:
    """One refusal tells everything."""
    seen = everything(spec, files)
    for name in (KeptName.ENCRYPTION, KeptName.ETCD_KEY):
        seen["m1"][name.value] = facts(name, b"other")
    for records in seen.values():
        records[KeptName.SERVICE_ACCOUNT_KEY.value] = None
    assert len(refusal(spec, seen, ALIVE).why.split("; ")) == 3


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_a_first_run_that_is_cut_short_is_taken_up(
    data: st.DataObject, parted: ClusterSpec, files: Files
) -> None:
    """Stop anywhere while files are written, each host by itself, keys first; twice.

    The next run never refuses, keeps every pair that a control plane has whole, and completing
    it gives a trust in which every key belongs to its certificate.
    """
    planes = {host.name for host in parted.control_planes}
    seen = nothing(parted)
    held = dict(files)
    for run in ("first", "second"):
        trust = decide(parted, seen, cluster=EMPTY)
        fresh = {name: files[name] + f"# {run} run\n".encode() for name in trust.missing}
        before = {name: held[name] for name in trust.digests}
        held = before | fresh
        trust = complete(trust, {n: v if n.public else Secret(v) for n, v in fresh.items()})
        for host, kept in kept_files(parted, trust).items():
            written = data.draw(st.integers(0, len(kept)), label=f"{run} {host}")
            for file in kept[:written]:
                name = KeptName(file.path)
                assert sha256(held[name]).hexdigest() == trust.digests[name]
                seen[host][file.path] = facts(name, held[name])
    trust = decide(parted, seen, cluster=EMPTY)
    for pair in PAIRS:
        whole = [h for h in planes if seen[h][pair.key.value] and seen[h][pair.public.value]]
        assert bool(whole) == (pair.public not in trust.missing)
        if whole:
            assert trust.digests[pair.key] == sha256(held[pair.key]).hexdigest()
            assert trust.public[pair.public] == held[pair.public]
    assert not trust.external


def test_what_was_made_completes_it(
    spec: ClusterSpec, created: Mapping[KeptName, bytes | Secret], files: Files
) -> None:
    """Then it is the same trust as will be seen on the machines, but for where it was found."""
    trust = complete(decide(spec, nothing(spec), cluster=EMPTY), created)
    later = decide(spec, everything(spec, files), cluster=ALIVE)
    assert (trust.public, trust.digests) == (later.public, later.digests)
    assert trust.new == frozenset(KeptName)
    assert trust.missing == frozenset()
    assert kept_files(spec, trust) == kept_files(spec, later)


def test_making_too_little_or_too_much(
    spec: ClusterSpec, created: Mapping[KeptName, bytes | Secret], files: Files
) -> None:
    """Exactly what is missing is made: nothing is ever replaced in passing."""
    fewer = {name: value for name, value in created.items() if name is not KeptName.ENCRYPTION}
    with pytest.raises(ValueError, match=r"encryption\.yaml"):
        complete(decide(spec, nothing(spec), cluster=EMPTY), fewer)
    with pytest.raises(ValueError, match="missing are none"):
        complete(decide(spec, everything(spec, files), cluster=ALIVE), created)


def test_which_host_gets_which_file(
    parted: ClusterSpec, created: Mapping[KeptName, bytes | Secret]
) -> None:
    """Keys on control planes only, mode 600; certificates where they are needed, mode 644."""
    trust = complete(decide(parted, nothing(parted), cluster=EMPTY), created)
    told = {
        host: [(file.path.removeprefix("/etc/kubernetes/"), file.mode) for file in kept]
        for host, kept in kept_files(parted, trust).items()
    }
    member = [("pki/etcd/ca.crt", "644"), ("pki/etcd/peer-ca.crt", "644")]
    plane = [
        ("pki/ca.key", "600"),
        ("pki/ca.crt", "644"),
        ("pki/etcd/ca.key", "600"),
        ("pki/etcd/ca.crt", "644"),
        ("pki/etcd/peer-ca.key", "600"),
        ("pki/etcd/peer-ca.crt", "644"),
        ("pki/front-proxy-ca.key", "600"),
        ("pki/front-proxy-ca.crt", "644"),
        ("pki/sa.key", "600"),
        ("pki/sa.pub", "644"),
        ("encryption.yaml", "600"),
    ]
    client = [("pki/ca.crt", "644")]
    assert told == {
        "e1": member,
        "e2": member,
        "e3": member,
        "lb": client,
        "p1": plane,
        "p2": plane,
        "w1": client,
    }


def test_secrets_are_named_never_held(
    spec: ClusterSpec, created: Mapping[KeptName, bytes | Secret], files: Files
) -> None:
    """A wish names a secret by its path and digest; only public parts are in it."""
    trust = complete(decide(spec, nothing(spec), cluster=EMPTY), created)
    for file in kept_files(spec, trust)["m1"]:
        name = KeptName(file.path)
        assert isinstance(file.content, Text if name.public else Kept)
        assert file.content.digest == sha256(files[name]).hexdigest()
        assert file.owner == "root:root"
    assert "PRIVATE KEY" not in repr(kept_files(spec, trust)) + repr(trust)
    assert "secretbox" not in repr(trust)


def test_what_to_ask_about_needs_no_trust(
    spec: ClusterSpec, created: Mapping[KeptName, bytes | Secret]
) -> None:
    """Before anything is known, the questions are those that will be asked for ever."""
    trust = complete(decide(spec, nothing(spec), cluster=EMPTY), created)
    for host, kept in kept_files(spec, trust).items():
        before = [file.probe() for file in kept_files(spec, UNSEEN)[host]]
        assert before == [file.probe() for file in kept]


def test_the_encryption_configuration() -> None:
    """Secrets with secretbox; what was written before is still read."""
    made = encryption_config(bytes(range(32)))
    assert repr(made) == "Secret(•••)"
    assert made.reveal().decode() == (
        "apiVersion: apiserver.config.k8s.io/v1\n"
        "kind: EncryptionConfiguration\n"
        "resources:\n"
        "  - resources: [secrets]\n"
        "    providers:\n"
        "      - secretbox:\n"
        "          keys:\n"
        "            - name: key1\n"
        "              secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
        "      - identity: {}\n"
    )
    with pytest.raises(ValueError, match="32 bytes"):
        encryption_config(b"short")
