"""Histories of any records whatever, true to the types alone."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from backstay.drill.history import TAGS, Client, Connection, Header, History, Path

WORDS = st.sampled_from(["a", "etcd a", "apiserver a", "warm-up", "fault", "final", "end", ""])
TEXTS = WORDS | st.text()
MANY = st.lists(TEXTS, max_size=3).map(tuple)
CLIENTS = st.builds(
    Client, TEXTS, st.sampled_from(Path), st.sampled_from(Connection), st.booleans(), TEXTS
)
HEADERS = st.builds(
    Header,
    scenario=TEXTS,
    cluster=TEXTS,
    started=TEXTS,
    command=TEXTS,
    seed=st.integers(),
    clients=st.lists(CLIENTS, max_size=3).map(tuple),
    targets=MANY,
    explanation=TEXTS,
    objectives=MANY,
    members=MANY,
    planes=MANY,
    versions=st.dictionaries(TEXTS, TEXTS),
    settings=st.dictionaries(TEXTS, TEXTS),
    load=st.dictionaries(
        st.just("operations_per_second") | TEXTS, st.floats(allow_nan=False), max_size=3
    ),
    format=st.just(1),
)

NUMBERS = st.integers(0, 5) | st.integers()
"""Mostly few different ones, so that records meet."""

BY_TYPE = {
    "str": TEXTS,
    "str | None": st.none() | TEXTS,
    "int": NUMBERS,
    "int | None": st.none() | NUMBERS,
}


def any_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Return records of one kind; hypothesis knows the enums by itself."""
    known = {one.name: BY_TYPE[one.type] for one in fields(kind) if one.type in BY_TYPE}
    return st.builds(kind, **known)


RECORDS = st.one_of(*(any_of(kind) for kind in TAGS.values()))
HISTORIES = st.builds(History, HEADERS, st.lists(RECORDS).map(tuple))
