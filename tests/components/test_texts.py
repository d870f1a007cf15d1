"""YAML, command lines, environment files and quantities say what was meant, whatever is in them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

import pytest
from component_sites import STACKED, environment_of, flags_of, site_of, spec_of
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from backstay.components.addresses import https, socket_text
from backstay.components.assemble import build
from backstay.components.flags import assigned, command, word
from backstay.components.quantities import canonical
from backstay.components.yaml_text import yaml_text

PRINTABLE = st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp"))
TEXT_OF_LINE = st.text(PRINTABLE, max_size=30)
SCALARS = st.none() | st.booleans() | st.integers() | st.text(PRINTABLE, max_size=20)
KEYS = st.text(PRINTABLE, max_size=8)
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    ),
    min_size=1,
    max_size=4,
)


@given(document=DOCUMENTS)
@settings(deadline=None)
def test_yaml_is_read_back_as_it_was(document: Mapping[str, object]) -> None:
    """Another reader finds the same document, strings as strings and numbers as numbers."""
    assert YAML(typ="safe").load(yaml_text(document)) == document


@pytest.mark.parametrize("text", ["yes", "No", "null", "~", "0x10", "1e3", "1.5", "", "a: b", "*"])
def test_yaml_quotes_what_would_not_be_a_string(text: str) -> None:
    """Words and numbers of YAML stay text."""
    assert YAML(typ="safe").load(yaml_text({"key": text})) == {"key": text}


def test_yaml_looks_as_a_person_would_write_it() -> None:
    """Block style, plain words without quotes, a list item's first key beside its dash."""
    document = {"kind": "Config", "list": [{"name": "a", "n": 1}, "b"], "none": [], "on": True}
    assert yaml_text(document) == (
        'kind: Config\nlist:\n  - name: a\n    "n": 1\n  - b\nnone: []\n"on": true\n'
    )


@given(text=TEXT_OF_LINE)
@settings(max_examples=30, deadline=None)
def test_environment_files_are_read_back_as_they_were(text: str) -> None:
    """A shell, whose quoting systemd follows here, finds the value that was meant."""
    line = assigned("VALUE", text.replace("!", ""))
    script = f'{line}printf %s "$VALUE"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert done.stdout.decode() == text.replace("!", "")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain-1.2/x,y=z", "plain-1.2/x,y=z"),
        ("two words", '"two words"'),
        ("50%", '"50%%"'),
        ("$HOME", '"$$HOME"'),
        ('say "x"', '"say \\"x\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("[::]:1", '"[::]:1"'),
        ("", '""'),
    ],
)
def test_words_of_commands_are_kept_from_systemd(text: str, written: str) -> None:
    """Specifiers, variables and quotes reach the program as they are."""
    assert word(text) == written


def test_commands_have_one_flag_a_line() -> None:
    """So that a difference is a line."""
    assert command("/bin/x", {"a": "1", "b": "2 3"}) == (
        'ExecStart=/bin/x \\\n  --a=1 \\\n  "--b=2 3"'
    )


def test_the_owners_flags_come_last_and_win() -> None:
    """A flag of ours keeps its place with the owner's value, a new one is added at the end."""
    extra = {
        "kube-apiserver": {"--audit-log-maxage": "90", "event-ttl": "2h"},
        "etcd": {"snapshot-count": "5000", "election-timeout": "2000"},
    }
    resources = build(site_of(spec_of({**STACKED, "extraFlags": extra}))).hosts["cp-1"]
    flags = flags_of(resources, "kube-apiserver")
    assert flags["audit-log-maxage"] == "90"
    assert list(flags)[-1] == "event-ttl"
    environment = environment_of(resources, "/etc/etcd/etcd.env")
    assert environment["ETCD_ELECTION_TIMEOUT"] == "2000"
    assert list(environment)[-1] == "ETCD_SNAPSHOT_COUNT"


@pytest.mark.parametrize(
    ("text", "canon"),
    [
        ("100m", "100m"),
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("70Mi", "70Mi"),
        ("2000M", "2G"),
        ("512", "512"),
        ("0", "0"),
        ("1e3", "1e3"),
        ("many", "many"),
    ],
)
def test_quantities_are_as_the_api_returns_them(text: str, canon: str) -> None:
    """Else what was asked for would differ from what is there for ever."""
    assert canonical(text) == canon
    assert canonical(canon) == canon


def test_ipv6_addresses_stand_in_brackets() -> None:
    """Wherever a port follows."""
    assert socket_text("2001:db8::1", 80) == "[2001:db8::1]:80"
    assert https("192.0.2.1", 6443) == "https://192.0.2.1:6443"
