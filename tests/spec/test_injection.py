"""What a file may not slip into a command, a file of ours, or a terminal; and near-addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.spec.parse import parse
from backstay.spec.problems import SpecError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDPCfAHu8jjTA8JrKCl4o96kzBfBZWoeTrxOrVrVyh5F"
GOOD = """\
name: demo
endpoint: {name: api.example, port: 8443}
hosts:
  - {name: a, address: "fd00::1", roles: [control-plane]}
  - {name: b, address: "fd00::2", roles: [control-plane]}
  - {name: c, address: "fd00::3", roles: [control-plane]}
network: {pods: "fd01::/48", services: "fd02::/112", podsPerNodePrefix: 64}
"""
HOLES = (
    'hosts: [{name: %s, address: "fd00::1", roles: [control-plane]}]',
    "hosts: [{name: a, address: %s, roles: [control-plane]}]",
    'hosts: [{name: a, address: "fd00::1", roles: [control-plane], user: %s}]',
    "endpoint: {name: %s}",
    "endpoint: {vip: %s}",
    "endpoint: {name: a.example, interface: %s}",
    "ssh: {user: %s}",
    "ssh: {bastion: {address: %s}}",
    "ssh: {bastion: {address: a.example, user: %s}}",
    "dns: {domain: %s}",
    "dns: {cpuRequest: %s}",
    "kubernetes: %s",
)


def told(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse(text)
    return [".".join(map(str, one.path)) for one in caught.value.problems]


def with_part(part: str) -> str:
    """Return the good file with one of its parts replaced."""
    key = part.partition(":")[0]
    lines = GOOD.splitlines(keepends=True)
    first = next((i for i, line in enumerate(lines) if line.startswith(f"{key}:")), len(lines))
    after = next((i for i in range(first + 1, len(lines)) if lines[i][0] != " "), len(lines))
    return "".join((*lines[:first], part, "\n", *lines[after:]))


def test_the_file_to_be_spoiled_is_good() -> None:
    """Else the tests beside this one would prove little."""
    assert len(parse(GOOD).hosts) == 3


@pytest.mark.parametrize("hole", HOLES)
@given(
    before=st.text("ab1.:-", max_size=3),
    bad=st.sampled_from(
        [";", "$(x)", "`x`", "|", "&", "\\n", "'", " ", "\\0", "\\e", "%", "*", "/"]
    ),
    after=st.text("ab1.:-", max_size=3),
)
def test_what_a_shell_obeys_is_in_no_name_or_address(
    hole: str, before: str, bad: str, after: str
) -> None:
    """I4: whatever stands around it; the zone of an IPv6 address may be any text to Python."""
    assert told(with_part(hole % f'"{before}{bad}{after}"'))


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ("ssh: {key: %s}", "ssh.key"),
        ("ssh: {knownHosts: %s}", "ssh.knownHosts"),
        ("artefacts: {bundle: %s}", "artefacts.bundle"),
        ("artefacts: {mirror: %s}", "artefacts.mirror"),
        ("extraFlags: {kubelet: {v: %s}}", "extraFlags.kubelet.v"),
    ],
)
@pytest.mark.parametrize("bad", ["\\n", "\\r", "\\e", "\\0", "\\u2028", "\\u202e", "\\x7f"])
def test_paths_and_flags_are_one_printable_line(part: str, path: str, bad: str) -> None:
    """I4: they may hold anything that a person can see."""
    assert told(with_part(part % f'"a{bad}b"')) == [path]
    assert parse(with_part(part % '"/a b/$c;é"'))


@pytest.mark.parametrize("bad", ["\\r", "\\0", "\\e"])
def test_the_comment_of_a_host_key_is_one_printable_line(bad: str) -> None:
    """I4: it is written into a known_hosts file."""
    key = f'hostKey: "{KEY} me{bad}x"'
    assert told(GOOD.replace("name: b,", f"name: b, {key},")) == ["hosts.1.hostKey"]


@pytest.mark.parametrize("address", ["fe80::1%eth0", "fe80::1%$(x)", "ff02::1", "::", "224.0.0.1"])
def test_an_address_is_one_machine_s_and_means_the_same_everywhere(address: str) -> None:
    """A zone belongs to one machine, a group to many, and the unspecified to none."""
    assert told(GOOD.replace("fd00::2", address)) == ["hosts.1.address"]


@pytest.mark.parametrize(
    "name", ["...", ":::", "10.0.0.300", "1.2.3", "010.0.0.1", "a" * 64, f"{'a.' * 127}a", "-a", ""]
)
def test_the_name_of_the_endpoint_is_a_name_or_an_address(name: str) -> None:
    """What ends in digits is no name (RFC 1123), but a mistyped address."""
    assert told(with_part(f'endpoint: {{name: "{name}"}}')) == ["endpoint.name"]
    assert told(with_part(f'ssh: {{bastion: {{address: "{name}"}}}}')) == ["ssh.bastion.address"]


@pytest.mark.parametrize("name", ["10.0.0.9", "fd00::9", "api", "api.example", "1a.b2"])
def test_names_and_addresses_lead_to_the_endpoint(name: str) -> None:
    """Both stand in certificates."""
    assert parse(with_part(f'endpoint: {{name: "{name}"}}')).endpoint.host == name


@pytest.mark.parametrize(("key", "meant"), [("load_balancer", "loadBalancer"), ("extra_flags", "")])
def test_a_key_has_one_spelling(key: str, meant: str) -> None:
    """I2: ours in Python is none of the file's, where a second spelling could stand twice."""
    with pytest.raises(SpecError) as caught:
        parse(f"{GOOD}{key}: {{}}\n")
    (problem,) = caught.value.problems
    assert problem.path == (key,)
    assert problem.suggestion == (meant or "extraFlags")
