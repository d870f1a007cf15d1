"""Values that one reader takes for another than the next: each is refused where it stands."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.spec.limits import LARGEST_BYTES, MOST_PROBLEMS
from backstay.spec.model import ClusterSpec
from backstay.spec.parse import parse
from backstay.spec.problems import Problem, SpecError

GOOD = """name: demo
endpoint:
  vip: 10.0.0.100
hosts:
  - {name: cp-1, address: 10.0.0.11, roles: [control-plane]}
  - {name: cp-2, address: 10.0.0.12, roles: [control-plane]}
  - {name: cp-3, address: 10.0.0.13, roles: [control-plane]}
"""


def problems(text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert "\ud800" not in str(caught.value)
    return caught.value.problems


def told(text: str | bytes) -> dict[str, str]:
    """Return each problem's message by its path."""
    return {".".join(map(str, one.path)): one.message for one in problems(text)}


@pytest.mark.parametrize("value", ["true", "022", '"22"', "22.0", "0o26x", "yes"])
def test_a_port_is_a_whole_number_and_nothing_else(value: str) -> None:
    """I2: a truth value, an octal number or a text is no port."""
    found = told(f"{GOOD}ssh: {{port: {value}}}\n")
    assert found == {"ssh.port": "a whole number is needed"}


@pytest.mark.parametrize("value", ["167772171", "10.5", "true"])
def test_an_address_is_a_text(value: str) -> None:
    """I2: a library would take the number for 10.0.0.11."""
    (problem,) = problems(GOOD.replace("10.0.0.12", value))
    assert problem.path == ("hosts", 1, "address")
    assert "write it in quotes" in problem.message or "no IPv4" in problem.message
    assert problem.place is not None
    assert problem.place.line == 6


@pytest.mark.parametrize("value", ["99999999999d", "9" * 5000 + "h", "40000d"])
def test_a_duration_beyond_all_calendars_is_refused(value: str) -> None:
    """What no clock can hold is a mistake, not a crash."""
    found = told(f"{GOOD}pki: {{certificateLifetime: {value}}}\n")
    assert "36500d at most" in found["pki.certificateLifetime"]


def test_a_prefix_longer_than_the_address_is_refused() -> None:
    """A length for IPv6 with an address of IPv4."""
    found = told(GOOD.replace("vip: 10.0.0.100", "vip: 10.0.0.100\n  prefix: 64"))
    assert found == {"endpoint.prefix": "/64 is longer than the address 10.0.0.100"}


def test_half_a_character_is_refused() -> None:
    """An escape of a surrogate cannot be written to any terminal."""
    (problem,) = problems(GOOD.replace("name: demo", 'name: "\\ud800"'))
    assert "not YAML: while parsing" in problem.message or "Unicode" in problem.message


def test_a_host_name_fits_into_its_certificate() -> None:
    """52 characters do, 53 do not: `system:node:` stands before it."""
    assert parse(GOOD.replace("cp-2", "n" * 52)).hosts[1].name == "n" * 52
    assert "52 characters at most" in told(GOOD.replace("cp-2", "n" * 53))["hosts.1.name"]


def test_rules_look_at_what_could_be_read() -> None:
    """A wrong shape here does not hide a broken rule there, or in another host's line."""
    text = GOOD.replace("10.0.0.12", "10.0.0.11").replace("cp-3,", "cp_3, colour: red,")
    text += "network: {pods: 10.96.0.0/12, services: 10.96.0.0/16}\netcd: {quotaBytes: lots}\n"
    found = told(text)
    assert found.keys() == {"hosts.2.colour", "etcd.quotaBytes", "hosts.1.address", "network"}
    assert "is also cp-1's" in found["hosts.1.address"]


def test_what_is_missing_because_it_could_not_be_read_is_not_told() -> None:
    """With the one control plane unreadable nobody complains that there is none."""
    text = "name: demo\nhosts: [{name: a, address: 1.2.3.4.5, roles: [control-plane]}]\n"
    assert told(text).keys() == {"hosts.0.address"}


def test_thousands_of_mistakes_are_told_as_fifty() -> None:
    """I1: nobody reads more, and looking for the words that were meant takes its time."""
    began = time.process_time()
    crowd = "".join(f"key{number}: 1\n" for number in range(20_000))
    assert len(problems(GOOD + crowd)) == MOST_PROBLEMS
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    "unit", ["a: b\n", "- x\n", "x,", "# c\n", ": ", "? ", "&a b\n", "- ", "[],", "[", "---\n", "é"]
)
def test_a_megabyte_of_anything_is_refused_within_a_second(unit: str) -> None:
    """I1: also what is deep, long, or many."""
    size = LARGEST_BYTES - 10
    text = (unit * (size // len(unit.encode())))[:size]
    began = time.process_time()
    problems(text)
    problems(f"a: [{text[:-10]}")
    assert time.process_time() - began < 2.0


def outcome(text: str | bytes) -> None:
    try:
        assert isinstance(parse(text), ClusterSpec)
    except SpecError as error:
        str(error).encode()


@given(st.one_of(st.text(), st.binary()))
def test_any_text_is_a_cluster_or_a_list_of_problems(text: str | bytes) -> None:
    """I1: whatever the bytes, nothing else comes out."""
    outcome(text)


VALUES = st.one_of(
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.sampled_from(["yes", "022", "1_000", "1e9", "~", "[]", "{}", "- a", "*a", "!!int x", "|"]),
)


@settings(max_examples=300)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 12), VALUES)
def test_a_file_with_any_hole_is_a_cluster_or_a_list_of_problems(
    start: int, length: int, value: object
) -> None:
    """I1, I2, I4: a good file with something else somewhere in it."""
    outcome(f"{GOOD[:start]}{value}{GOOD[start + length :]}")


KEYS = ["ssh", "network", "etcd", "pki", "loadBalancer", "kubelet", "proxy", "dns", "artefacts"]
INNER = ["port", "pods", "quotaBytes", "key", "certificateLifetime", "mode", "replicas", "sources"]


@settings(max_examples=300)
@given(st.sampled_from(KEYS), st.sampled_from(INNER), VALUES)
def test_any_value_of_any_key_is_a_cluster_or_a_list_of_problems(
    key: str, inner: str, value: object
) -> None:
    """I2: wrong types, also of keys that stand elsewhere."""
    outcome(f"{GOOD}{key}: {value}\n")
    outcome(f"{GOOD}{key}:\n  {inner}: {value}\n")
