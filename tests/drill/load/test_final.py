"""The reads at the end: asked again until they tell of one end, for as long as they may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat

import pytest

from backstay.drill.history import FinalRead
from backstay.drill.load import final
from backstay.drill.load.kube import KubeError

Has = tuple[str | None, int] | None
"""Value and revision of the only key; None is no answer."""


@dataclass
class Source:
    """A source that has this in each round in turn, and the last of it for ever."""

    rounds: tuple[Has, ...]
    asked: int = 0
    closed: bool = False
    answers: Iterator[Has] = field(init=False)

    def __post_init__(self) -> None:
        """Begin."""
        self.answers = chain(self.rounds, repeat(self.rounds[-1]))

    async def all(self, *, seconds: float) -> Mapping[str, tuple[str | None, int]]:
        """Answer, or not."""
        del seconds
        self.asked += 1
        if (found := next(self.answers)) is None:
            raise KubeError("http 500")
        return {"a": found}

    async def close(self) -> None:
        """Remember it."""
        self.closed = True


OLD, NEW = ("x-1", 5), ("x-2", 6)


async def read(**rounds: tuple[Has, ...]) -> tuple[dict[str, FinalRead], set[int]]:
    """What was read from each source, and how often they were asked."""
    sources = {name.replace("_", " "): Source(one) for name, one in rounds.items()}
    found = await final.final_reads(sources, ("a",))
    assert all(one.closed for one in sources.values())
    return {one.source: one for one in found}, {one.asked for one in sources.values()}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(final, "POLL_SECONDS", 0.01)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(final, "FINAL_SECONDS", 0.5)


async def test_two_rounds_that_are_the_same_are_the_end() -> None:
    """Stores are no business of one another's."""
    found, asked = await read(etcd_1=(OLD,), etcd_2=(OLD,), apiserver_1=(NEW,))
    assert {name: one.value for name, one in found.items()} == {
        "etcd 1": "x-1",
        "etcd 2": "x-1",
        "apiserver 1": "x-2",
    }
    assert asked == {2}


async def test_a_write_that_comes_late_is_waited_for() -> None:
    """Given up long ago, it is seen by one and not by another that was asked before it."""
    found, asked = await read(apiserver_1=(OLD, NEW), apiserver_2=(NEW,))
    assert {one.value for one in found.values()} == {"x-2"}
    assert asked == {3}


async def test_a_write_that_comes_between_two_rounds_is_waited_for() -> None:
    """All had the same twice, and not the same."""
    found, asked = await read(etcd_1=(OLD, NEW), etcd_2=(OLD, NEW))
    assert {one.modified for one in found.values()} == {6}
    assert asked == {3}


@pytest.mark.usefixtures("_impatient")
async def test_sources_that_go_on_to_differ_do_so_in_the_record() -> None:
    """What is true of a store that diverged is not waited away."""
    found, _ = await read(etcd_1=(OLD,), etcd_2=(NEW,))
    assert {name: one.value for name, one in found.items()} == {"etcd 1": "x-1", "etcd 2": "x-2"}


async def test_a_source_that_comes_back_is_asked_again() -> None:
    """A member may have just come back."""
    found, asked = await read(etcd_1=(None, None, OLD), etcd_2=(OLD,))
    assert found.keys() == {"etcd 1", "etcd 2"}
    assert asked == {4}


@pytest.mark.usefixtures("_impatient")
async def test_a_source_without_an_answer_leaves_nothing() -> None:
    """The judge sees that it is missing, and what the others have."""
    found, asked = await read(etcd_1=(None,), etcd_2=(OLD,))
    assert found.keys() == {"etcd 2"}
    assert min(asked) > 2


@pytest.mark.usefixtures("_impatient")
async def test_a_source_that_is_lost_again_has_been_read() -> None:
    """All of one round are told of, since those of different rounds may differ."""
    found, _ = await read(etcd_1=(OLD, None), etcd_2=(OLD, NEW))
    assert {name: one.value for name, one in found.items()} == {"etcd 1": "x-1", "etcd 2": "x-1"}
