"""Histories of any records whatever, true to the types alone."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from hypothesis import strategies as st

from backstay.drill.history import Client, Connection, Header, History, Path
from backstay.drill.history_file import TAGS

LONG = st.integers(-(2**63) + 1, 2**63 - 1)
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
    seed=LONG,
    clients=st.lists(CLIENTS, max_size=3).map(tuple),
    targets=MANY,
    explanation=TEXTS,
    objectives=MANY,
    members=MANY,
    planes=MANY,
    versions=st.dictionaries(TEXTS, TEXTS),
    settings=st.dictionaries(TEXTS, TEXTS),
    load=st.dictionaries(
        st.just("operations_per_second") | TEXTS,
        st.floats(allow_nan=False, allow_infinity=False),
        max_size=3,
    ),
    format=st.just(1),
)

NUMBERS = st.integers(0, 5) | LONG
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


def known(header: Header, records: list[Any]) -> History:
    """Return a history whose header knows every client of its records."""
    named = {one.name for one in header.clients}
    strange = {getattr(one, "client", None) for one in records} - {None} - named
    more = (Client(name, Path.VIP, Connection.NEW) for name in sorted(strange))
    return History(replace(header, clients=(*header.clients, *more)), tuple(records))


HISTORIES = st.builds(known, HEADERS, st.lists(RECORDS))
