"""Bad input: a clear error with line and column, all at once, and never a traceback."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import ConfigError
from backstay.spec.digest import digest
from backstay.spec.model import ClusterSpec
from backstay.spec.parse import parse
from backstay.spec.problems import SpecError
from backstay.spec.write import render

GOOD = """\
name: demo
endpoint:
  vip: 10.0.0.100
hosts:
  - {name: cp-1, address: 10.0.0.1, roles: [control-plane]}
  - {name: cp-2, address: 10.0.0.2, roles: [control-plane]}
  - {name: cp-3, address: 10.0.0.3, roles: [control-plane]}
  - {name: w-1, address: 10.0.0.4, roles: [worker]}
"""


def complaints(text: str | bytes) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert caught.value.exit_code == 3
    return [
        f"{p.place.line}:{p.place.column} {p.message} {p.suggestion}".strip()
        if p.place
        else p.message
        for p in caught.value.problems
    ]


def test_a_good_file_is_a_specification() -> None:
    """Defaults are filled in, and a control plane implies etcd and a balancer."""
    spec = parse(GOOD)
    names = [host.name for host in spec.etcd_members]
    assert names == [host.name for host in spec.load_balancers] == ["cp-1", "cp-2", "cp-3"]
    assert (spec.kubernetes, spec.endpoint.port) == ("1.37.2", 8443)


def test_a_control_plane_is_a_member_unless_a_host_is_nothing_else() -> None:
    """Saying it of one control plane takes it from no other; a host of its own does."""
    said = GOOD.replace(
        "10.0.0.1, roles: [control-plane]", "10.0.0.1, roles: [control-plane, etcd]"
    )
    assert [host.name for host in parse(said).etcd_members] == ["cp-1", "cp-2", "cp-3"]
    alone = GOOD.replace("[worker]", "[etcd]")
    assert [host.name for host in parse(alone).etcd_members] == ["w-1"]


def test_an_unknown_key_is_shown_with_a_caret_and_what_was_meant() -> None:
    """I2: the reader sees the line, the column, and the key that was probably meant."""
    with pytest.raises(SpecError) as caught:
        parse(GOOD.replace("endpoint:\n", "endpont:\n"))
    text = str(caught.value)
    assert "cluster.yaml:2:1: there is no key 'endpont' here" in text
    assert "    endpont:\n    ^  did you mean 'endpoint'?" in text


def test_all_errors_come_at_once() -> None:
    """Nobody mends one line only to learn of the next."""
    text = (
        GOOD.replace("10.0.0.1,", "10.0.0.999,").replace("[worker]", "[wroker]") + "colour: red\n"
    )
    assert complaints(text) == [
        "5:27 this is no IPv4 or IPv6 address",
        "8:44 one of control-plane, etcd, worker, load-balancer worker",
        "9:1 there is no key 'colour' here",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "the file is empty"),
        (b"  \n\n", "the file is empty"),
        (b"\x00\x01\x02", "control character"),
        (b"\x7fELF\x02\x01", "control character"),
        (b"name: \xff\xfe", "not UTF-8"),
        (b"a" * (1024 * 1024 + 1), "beyond 1048576 bytes"),
        (b"- a\n- b\n", "must hold a mapping"),
        (b"just words", "must hold a mapping"),
        (b"a: 1\n---\nb: 2\n", "holds 2 documents"),
        (b"name: a\nname: b\n", "stands here again"),
        (b"name: [a\n", "not YAML"),
        (b"\tname: a\n", "not YAML"),
        (b"name: *nobody\n", "aliases multiply"),
        (b"a: " + b"[" * 30 + b"]" * 30, "nested deeper than 20 levels"),
        (b"a: " + b"[" * 20000, "not YAML|nested"),
        (b"? {a: b}\n: c\n", "a key must be a word"),
        (b"name: !!python/object:os.system x\n", "the tag"),
    ],
)
def test_what_is_no_configuration_is_refused_at_once(text: bytes, said: str) -> None:
    """I1: empty, huge, binary or nested input is refused in under a second."""
    began = time.process_time()
    with pytest.raises(SpecError, match=said):
        parse(text)
    assert time.process_time() - began < 1.0


def test_a_bomb_of_aliases_is_refused() -> None:
    """I1: a few lines that stand for billions of values are refused in under a second."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    began = time.process_time()
    with pytest.raises(SpecError, match="aliases multiply"):
        parse("\n".join(lines))
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: demo", "name: Demo_1", "lower-case letters"),
        ("name: demo", "name: no", "a text is needed"),
        ("name: demo", "name: 0o17", "a text is needed"),
        ("name: demo", "name: demo\nkubernetes: 1.37", "a text is needed"),
        ("name: demo", "name: demo\nkubernetes: 1.37.9", "is not known"),
        ("cp-2, address", "cp-1, address", "is also host 1's"),
        ("10.0.0.2", "10.0.0.1", "is also cp-1's"),
        ("cp-2, address", "$(reboot), address", "is no host name"),
        ("cp-2, address", '"a\\nb", address', "is no host name"),
        ("10.0.0.100", "10.0.0.2", "is the address of cp-2"),
        ("10.0.0.100", "10.9.0.100", "is not in the network of"),
        ("10.0.0.100", "10.244.0.9", "lies in the range of pods"),
        ("vip: 10.0.0.100", "vip: 10.0.0.100\n  port: 6443", "is kube-apiserver's"),
        ("vip: 10.0.0.100", "port: 8443", "needs a vip or a name"),
        ("name: demo", "name: demo\nnetwork: {pods: 10.96.0.0/12}", "overlap"),
        ("name: demo", "name: demo\nnetwork: {services: 10.0.0.0/16}", "in the range of services"),
        ("name: demo", "name: demo\nnetwork: {services: 172.16.0.0/11}", "this is no network"),
        ("name: demo", "name: demo\nnetwork: {services: 172.32.0.0/11}", "too large"),
        ("name: demo", "name: demo\nnetwork: {podsPerNodePrefix: 15}", "is no part of"),
        ("name: demo", "name: demo\netcd: {electionMilliseconds: 300}", "5 ×"),
        ("name: demo", "name: demo\npki: {certificateLifetime: 1y}", "a duration is"),
        ("name: demo", "name: demo\npki: {certificateLifetime: 100000h}", "cannot outlive"),
        ("name: demo", "name: demo\npki: {renewBefore: 400d}", "must be shorter"),
        ("name: demo", "name: demo\nextraFlags: {etcd: {force-new-cluster: 'true'}}", "cost data"),
        ("name: demo", "name: demo\nextraFlags: {etcd: {unsafe-no-fsync: 'true'}}", "cost data"),
        ("name: demo", "name: demo\nssh: {user: 'a;b'}", "is no user name"),
        ("name: demo", "name: demo\nartefacts: {sources: [mirror]}", "needs artefacts.mirror"),
        ("[worker]", "[control-plane]", "4 etcd members tolerate 1 failures, as 3 do"),
    ],
)
def test_what_cannot_be_meant_is_refused(old: str, new: str, said: str) -> None:
    """I2, I3, I4, M11, M12: wrong types, clashes, metacharacters, even members."""
    text = GOOD.replace(old, new, 1)
    with pytest.raises(SpecError, match=said):
        parse(text)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_specification_or_a_clear_error(data: bytes) -> None:
    """I1: nothing but a ConfigError ever comes out of a bad file."""
    try:
        parse(data)
    except ConfigError as error:
        assert error.what


@given(st.text(alphabet="abn:-[]{}&*!|>'\"#%@,? \n\t019.", max_size=200))
def test_any_yaml_like_text_gives_a_specification_or_a_clear_error(text: str) -> None:
    """I1: as above, with the characters that YAML cares about."""
    try:
        parse(text)
    except ConfigError as error:
        assert error.what


def test_what_is_written_reads_back_equal() -> None:
    """A rendered specification is the specification."""
    spec = parse(GOOD + "pki: {certificateLifetime: 43800h}\nextraFlags: {kubelet: {v: '2'}}\n")
    assert parse(render(spec)) == spec


def test_the_digest_does_not_depend_on_the_order_of_hosts() -> None:
    """Law 4: shuffled hosts are the same cluster."""
    spec = parse(GOOD)
    turned = spec.model_copy(update={"hosts": spec.hosts[::-1]})
    assert digest(turned) == digest(spec)
    assert digest(spec.model_copy(update={"name": "other"})) != digest(spec)


def test_a_single_control_plane_is_its_own_endpoint() -> None:
    """Without an endpoint one machine needs no balancer."""
    spec = parse("name: one\nhosts: [{name: a, address: 10.0.0.1, roles: [control-plane]}]\n")
    assert (spec.endpoint.host, spec.endpoint.port) == ("10.0.0.1", 6443)
    assert spec.load_balancers == ()


def test_a_thousand_hosts_are_read_in_seconds() -> None:
    """A large file costs time in proportion to its length."""
    hosts = "".join(
        f"  - {{name: n-{n}, address: 10.1.{n // 250}.{n % 250 + 1}, roles: [worker]}}\n"
        for n in range(1000)
    )
    text = GOOD + hosts + "network: {pods: 10.128.0.0/12}\n"
    spec: ClusterSpec = parse(text)
    assert len(spec.hosts) == 1004
