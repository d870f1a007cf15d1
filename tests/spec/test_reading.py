"""How a file is read: traps of YAML, limits that hold before it is understood, all at once."""

from __future__ import annotations

import sys
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.errors import ConfigError
from backstay.spec.limits import LARGEST_BYTES, MOST_VALUES
from backstay.spec.model import ClusterSpec
from backstay.spec.parse import parse
from backstay.spec.problems import Problem, SpecError
from backstay.spec.source import read
from backstay.spec.words import Trap, meaning

GOOD = """\
name: demo
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
    return caught.value.problems


def told(text: str | bytes) -> list[tuple[str, int, int, str]]:
    """Return path, line, column and suggestion of each problem."""
    return [
        (".".join(map(str, one.path)), one.place.line, one.place.column, one.suggestion)
        for one in problems(text)
        if one.place is not None
    ]


def many(count: int) -> bytes:
    """Return a file of so many hosts, with all that can be said of one."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDPCfAHu8jjTA8JrKCl4o96kzBfBZWoeTrxOrVrVyh5F"
    host = (
        "  - name: worker-{0:04}\n    address: 10.1.{1}.{2}\n    privateAddress: 10.2.{1}.{2}\n"
        "    publicAddress: 10.3.{1}.{2}\n    port: 2222\n    user: someone\n"
        f"    hostKey: {key}\n    roles: [worker]\n"
    )
    hosts = (host.format(n, n // 250, n % 250 + 1) for n in range(count))
    return f"{GOOD}{''.join(hosts)}network: {{pods: 10.128.0.0/12}}\n".encode()


# Traps


@pytest.mark.parametrize("word", ["yes", "no", "On", "OFF", "y", "N"])
def test_a_word_that_some_take_for_a_truth_value_needs_quotes(word: str) -> None:
    """I2: to YAML 1.1 `no` is false, to YAML 1.2 it is a text: quotes settle it."""
    text = f"{GOOD}extraFlags: {{etcd: {{v: {word}}}}}\n"
    assert told(text) == [("extraFlags.etcd.v", 8, 24, f'"{word}"')]
    assert parse(GOOD.replace("cp-2", '"no"')).hosts[1].name == "no"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("022", "22"),
        ("0o22", "18"),
        ("0x22", "34"),
        ("0b11", "3"),
        ("2_222", "2222"),
        ("2222.0", "2222"),
        ('"2222"', "2222"),
        ("2222.5", ""),
        ("true", ""),
        ("yes", ""),
        ("9" * 5000, ""),
    ],
)
def test_a_port_is_written_in_plain_digits(written: str, meant: str) -> None:
    """I2: what one reader takes for 18 and another for 22 is refused, with what was meant."""
    assert told(f"{GOOD}ssh:\n  port: {written}\n") == [("ssh.port", 9, 9, meant)]


def test_a_number_where_a_text_belongs_is_refused_even_when_readers_disagree() -> None:
    """I2: a flag's value of 0600 is a text to YAML 1.2, and 384 to YAML 1.1."""
    assert told(f"{GOOD}extraFlags: {{etcd: {{v: 0600}}}}\n") == [
        ("extraFlags.etcd.v", 8, 24, "600")
    ]


@given(st.text(max_size=30))
def test_every_word_has_a_meaning(word: str) -> None:
    """No word makes it fail, and what it takes for a text is the word itself."""
    value = meaning(word)
    assert not isinstance(value, str) or value == word
    assert isinstance(value, str | bool | int | float | Trap | None)


@given(st.integers(-(10**18), 10**18))
def test_a_whole_number_means_itself(number: int) -> None:
    """Plain digits are read as everybody reads them."""
    assert meaning(str(number)) == number


# Limits


@pytest.mark.parametrize("text", ["a: &x 1\n", "a: *x\n", "a: &x [1]\nb: *x\n", "&r a: 1\n"])
def test_anchors_and_aliases_are_refused_before_they_multiply(text: str) -> None:
    """I1: no cluster needs them, and a bomb is made of nothing else."""
    (problem,) = problems(text)
    assert "aliases multiply" in problem.message
    assert problem.place is not None


@pytest.mark.parametrize(
    "text", ["a: !!int 5\n", "a: !!map {}\n", "a: !!python/name:os.system x\n", "a: !x y\n"]
)
def test_tags_are_refused(text: str) -> None:
    """Nothing in a cluster.yaml is made by calling something."""
    assert any("has no meaning here" in one.message for one in problems(text))


@pytest.mark.parametrize("text", ["name: \ud800", "\udc80: 1", b"name: \xed\xa0\x80"])
def test_half_a_character_is_no_text(text: str | bytes) -> None:
    """I1: neither as text nor as bytes."""
    assert "not UTF-8" in problems(text)[0].message


def test_what_is_not_utf_8_is_shown_where_it_stands() -> None:
    """The byte, its line and its column, with the line readable around it."""
    (problem,) = problems("name: é\nkubernetes: ".encode() + b"\xff1\n")
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (2, 13)
    assert problem.place.text == "kubernetes: \ufffd1"


def test_what_is_too_long_is_shown_where_reading_ends() -> None:
    """I1: the line and column behind the last byte that is read."""
    (problem,) = problems(b"# 456789\n" * 200_000)
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (
        LARGEST_BYTES // 9 + 1,
        LARGEST_BYTES % 9 + 1,
    )


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\u2028"])
def test_lines_end_as_yaml_ends_them(line_break: str) -> None:
    """Line numbers are those of an editor, whatever made the file."""
    (problem,) = problems(f"name: a{line_break}b{line_break}c\x07{line_break}d")
    assert problem.place is not None
    assert (problem.place.line, problem.place.column, problem.place.text) == (3, 2, "c\x07")


@pytest.mark.parametrize(
    ("text", "place"),
    [("name: [demo\n", (1, 7)), ("a: 1\nb: {c: d,\n", (2, 10)), ('name: "demo\nx: y\n', (1, 7))],
)
def test_what_is_never_closed_is_shown_where_something_stands(
    text: str, place: tuple[int, int]
) -> None:
    """The end of the file, where it is missed, has nothing to show."""
    (problem,) = problems(text)
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == place


def test_a_thousand_hosts_are_a_quarter_of_what_is_read() -> None:
    """The limits stand a few times above the largest cluster that is promised."""
    data = many(1000)
    source = read(data.decode(), name="cluster.yaml")
    assert LARGEST_BYTES / 8 < len(data) < LARGEST_BYTES / 3
    assert MOST_VALUES / 8 < len(source.keys) + len(source.values) < MOST_VALUES / 3


def test_ten_times_the_hosts_take_ten_times_as_much() -> None:
    """Reading is linear: at most 12 times the calls of functions for 10 times the hosts."""

    def calls(data: bytes) -> int:
        seen = Counter[str]()
        sys.setprofile(lambda _frame, event, _argument: seen.update((event,)))
        try:
            parse(data)
        finally:
            sys.setprofile(None)
        return seen["call"] + seen["c_call"]

    small, large = many(100), many(1000)
    parse(small)
    assert 1000 < calls(large) < 12 * calls(small)


# All at once


def test_rules_run_although_the_shape_is_wrong_elsewhere() -> None:
    """Without a name, and with a wrong timer: the rest is judged as if nothing were wrong."""
    text = GOOD.replace("name: demo\n", "").replace("10.0.0.100", "10.9.0.100")
    text = text.replace("10.0.0.12", "10.0.0.11")
    text += "etcd: {heartbeatMilliseconds: fast}\npki: {renewBefore: 400d}\n"
    text += "network: {pods: 10.96.0.0/12, services: 10.96.0.0/16}\n"
    paths = [path for path, *_ in told(text)]
    assert paths == [
        "",
        "endpoint.vip",
        "hosts.1.address",
        "etcd.heartbeatMilliseconds",
        "pki.renewBefore",
        "network",
    ]


def test_rules_are_silent_about_what_only_a_default_says() -> None:
    """Where the ranges cannot be read, their defaults clash with nothing."""
    text = GOOD.replace("10.0.0.", "10.244.0.") + "network: {pods: 172.16.0.0/33}\n"
    assert [path for path, *_ in told(text)] == ["network.pods"]


@pytest.mark.parametrize(
    ("right", "wrong"), [("endpoint:", "endpont:"), ("vip:", "vpi:"), ("hosts:", "host:")]
)
def test_a_misspelt_key_is_told_once(right: str, wrong: str) -> None:
    """What it should have said is not missed a second time."""
    paths = [path for path, *_ in told(GOOD.replace(right, wrong))]
    assert [path for path in paths if path] == [
        {"vpi:": "endpoint.vpi"}.get(wrong, wrong.rstrip(":"))
    ]


def test_writing_and_rules_are_told_together() -> None:
    """A key that stands twice hides no clash of addresses."""
    text = GOOD.replace("10.0.0.12", "10.0.0.11") + "name: other\n"
    assert [path for path, *_ in told(text)] == ["hosts.1.address", "name"]


# What is printed


def test_a_terminal_obeys_nothing_that_a_file_says() -> None:
    """I4: an escape sequence in a name is shown, not obeyed; a tab keeps its column."""
    with pytest.raises(SpecError) as caught:
        parse(GOOD.replace("cp-2", '"\\e[2Jx\\u202e"').replace("10.0.0.12", "10.0.0.11"))
    assert all(line.isprintable() for line in str(caught.value).splitlines())


def test_a_megabyte_of_a_word_is_not_printed() -> None:
    """Nobody reads it, and a terminal takes long over it."""
    with pytest.raises(SpecError) as caught:
        parse(GOOD.replace("demo", "X" * 1_000_000))
    assert len(str(caught.value)) < 2000


# Anything


def outcome(data: str | bytes) -> None:
    began = time.process_time()
    try:
        assert isinstance(parse(data), ClusterSpec)
    except ConfigError as error:
        str(error).encode()
    assert time.process_time() - began < 1.0


WHOLE_FILE = f"""{GOOD}ssh: {{user: admin, port: 2222, bastion: {{address: b.example}}}}
network: {{pods: 10.244.0.0/16, services: 10.96.0.0/16, cni: bridge}}
pki: {{certificateLifetime: 43800h, renewBefore: 30d, key: ecdsa-p256}}
dns: {{domain: cluster.local, cpuLimit: 200m}}
extraFlags: {{kubelet: {{v: "2"}}}}
""".encode()
PIECES = st.one_of(
    st.binary(max_size=6),
    st.text(max_size=6).map(lambda text: text.encode(errors="surrogatepass")),
    st.sampled_from(
        rb"""\t|: |- |[|}|&a |*a |!!x |"\ud800"|022|1.5|yes|~|::1|/64|'|<<|%|# |? """.split(b"|")
    ),
    st.sampled_from([b"\n", b"|\n", b"\xff", b"\x00", b"9" * 5000]),
)
CHANGES = st.lists(
    st.tuples(st.integers(0, len(WHOLE_FILE)), st.integers(0, 20), PIECES), min_size=1, max_size=4
)


def test_the_file_that_is_changed_is_a_good_one() -> None:
    """Else its changes would prove little."""
    assert parse(WHOLE_FILE).ssh.port == 2222


@settings(max_examples=400, deadline=None)
@given(CHANGES)
def test_a_good_file_with_any_changes_is_a_cluster_or_problems(
    changes: list[tuple[int, int, bytes]],
) -> None:
    """I1, I2, I4: never anything else, and always within a second."""
    data = WHOLE_FILE
    for start, length, piece in changes:
        data = data[:start] + piece + data[start + length :]
    outcome(data)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.binary(), st.text(st.characters(categories=("Cs", "Lu", "Cc")))))
def test_any_text_or_bytes_are_a_cluster_or_problems(data: str | bytes) -> None:
    """I1: whatever stands in the file, halves of characters too."""
    outcome(data)
