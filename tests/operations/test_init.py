"""cluster.yaml out of a list of machines: it reads back, and pins only what is known."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from backstay.errors import ConfigError, UsageError
from backstay.operations.init import Wanted, draft
from backstay.spec.hostlist import read_lines
from backstay.spec.model import Role
from backstay.spec.parse import parse

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDPCfAHu8jjTA8JrKCl4o96kzBfBZWoeTrxOrVrVyh5F"


def nobody(address: str) -> None:
    """Know no machine."""
    del address


def made(*lines: str, **wanted: object) -> str:
    """Return the file for these lines, with an endpoint unless another is wanted."""
    return draft(
        tuple(read_lines(lines)),
        wanted=Wanted(**{"vip": "10.0.0.10", **wanted}),
        known_key=lambda address: KEY if address == "10.0.0.11" else None,
    )


def test_addresses_alone_make_three_control_planes_and_workers() -> None:
    """Names and roles are given by us; known host keys are pinned, unknown ones are a comment."""
    assert made("10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.14") == snapshot("""\
name: cluster
kubernetes: "1.37.2"
# Where clients find the API.
endpoint:
  vip: "10.0.0.10"
# The machines; a control plane also runs etcd and a balancer unless others do.
hosts:
  - name: cp-1
    address: "10.0.0.11"
    roles: [control-plane]
    hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDPCfAHu8jjTA8JrKCl4o96kzBfBZWoeTrxOrVrVyh5F"
  - name: cp-2
    address: "10.0.0.12"
    # hostKey: not known here yet; compare it on the machine's console, then pin it:
    #   ssh-keyscan -t ed25519 10.0.0.12
    roles: [control-plane]
  - name: cp-3
    address: "10.0.0.13"
    # hostKey: not known here yet; compare it on the machine's console, then pin it:
    #   ssh-keyscan -t ed25519 10.0.0.13
    roles: [control-plane]
  - name: w-1
    address: "10.0.0.14"
    # hostKey: not known here yet; compare it on the machine's console, then pin it:
    #   ssh-keyscan -t ed25519 10.0.0.14
    roles: [worker]
""")


def test_names_and_roles_may_be_said() -> None:
    """What a line says is taken as it is."""
    spec = parse(made("db-1 10.0.0.11 control-plane", "# a comment", "", "node=10.0.0.14 worker"))
    assert {host.name: host.roles for host in spec.hosts} == {
        "db-1": {Role.CONTROL_PLANE},
        "node": {Role.WORKER},
    }


def test_a_single_machine_is_its_own_endpoint() -> None:
    """Nothing moves, so no virtual address is needed."""
    assert parse(made("10.0.0.11", vip=None)).endpoint.host == "10.0.0.11"


def test_a_name_may_stand_beside_the_virtual_address() -> None:
    """Both are asked for, both are written: the name stands in URLs, the address is moved."""
    endpoint = parse(made("10.0.0.11", "10.0.0.12", "10.0.0.13", endpoint="api.prod")).endpoint
    assert (endpoint.host, str(endpoint.vip)) == ("api.prod", "10.0.0.10")


def test_machines_of_ipv6_get_ranges_of_ipv6() -> None:
    """Nobody has to find out which other keys must change too."""
    spec = parse(made("fd00::11", "fd00::12", "fd00::13", vip="fd00::10"))
    assert str(spec.network.pods) == "fd00:10:244::/48"
    assert str(spec.network.services) == "fd00:10:96::/112"


def test_several_machines_need_an_endpoint() -> None:
    """It is asked for, with the words to add."""
    with pytest.raises(UsageError) as raised:
        made("10.0.0.11", "10.0.0.12", vip=None)
    assert "--vip" in raised.value.next_move


def test_the_number_of_control_planes_may_be_said() -> None:
    """The others become workers; more than there are is a usage error."""
    spec = parse(made("10.0.0.11", "10.0.0.12", "10.0.0.13", control_planes=1))
    assert len(spec.control_planes) == 1
    with pytest.raises(UsageError, match="5 control planes"):
        made("10.0.0.11", "10.0.0.12", control_planes=5)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("cp-1", "'cp-1' is no address"),
        ("cp-1 nowhere", "'nowhere' is no address"),
        ("cp-1 10.0.0.11 master", "there is no role 'master'"),
        ("10.0.0.11 $(reboot)", "there is no role '$(reboot)'"),
        ("cp\x1b[2J", "'cp\\x1b[2J' is no address"),
    ],
)
def test_a_line_that_cannot_be_meant_is_named(line: str, said: str) -> None:
    """The error has the number and the text of the line."""
    with pytest.raises(UsageError) as raised:
        made("10.0.0.1", line)
    assert raised.value.what == said
    assert raised.value.where == f"host 2: {line}".replace("\x1b", "?")


@pytest.mark.parametrize(
    "lines",
    [
        ("10.0.0.11", "10.0.0.11"),
        ("a=10.0.0.11", "a=10.0.0.12"),
        ("10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.10"),
        ("A_B=10.0.0.11",),
        ("10.0.0.11", "192.168.0.1", "192.168.0.2"),
    ],
    ids=["address twice", "name twice", "the vip", "no name", "other network"],
)
def test_what_makes_no_cluster_is_rejected_by_the_rules_of_the_file(
    lines: tuple[str, ...],
) -> None:
    """What would be refused later is never written."""
    with pytest.raises(ConfigError):
        made(*lines)


def test_no_machines_at_all_is_a_usage_error() -> None:
    """Comments and empty lines are no machines."""
    with pytest.raises(UsageError, match="no machines"):
        made("", "# nothing")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.integers(min_value=11, max_value=250).map(lambda number: f"10.0.0.{number}"),
        min_size=1,
        max_size=20,
        unique=True,
    )
)
def test_whatever_is_written_reads_back_as_the_same_machines(addresses: list[str]) -> None:
    """Every list of machines that is accepted is in the file, in full."""
    text = draft(tuple(read_lines(addresses)), wanted=Wanted(vip="10.0.0.10"), known_key=nobody)
    assert sorted(str(host.address) for host in parse(text).hosts) == sorted(addresses)
