"""How long the search for an order may take, and what is said when it takes longer."""

from __future__ import annotations

import itertools
import re
import time
from collections import defaultdict
from dataclasses import replace
from functools import cache
from string import ascii_letters

import pytest

from backstay.drill.history import Action, History, Operation, Outcome
from backstay.drill.oracle import linearizability
from backstay.drill.oracle.judge import judge
from backstay.drill.oracle.linearizability import step
from backstay.drill.oracle.register import Span, misfit
from backstay.drill.oracle.verdict import Finding, Judgement, Verdict
from fakes.drill_histories import STORES, history


def with_verdict(found: Judgement, verdict: Verdict) -> list[Finding]:
    return [one for one in found.findings if one.verdict is verdict]


@cache
def crowded() -> History:
    """Sixteen clients on one key: five thousand operations in each store, some unknown."""
    return history(7, clients=16, each=313, keys="a")


UNDECIDED = re.compile(r"(etcd|apiserver): a with 4\d\d\d operations could not be decided in time")


def test_a_search_without_time_is_inconclusive() -> None:
    """What cannot be decided within the limit is said to be undecided, with key and size."""
    clock = itertools.count(0, 30.0)
    found = judge(crowded(), now=lambda: float(next(clock)))
    doubts = with_verdict(found, Verdict.INCONCLUSIVE)
    assert len(doubts) == len(STORES)
    assert all(UNDECIDED.fullmatch(one.what) for one in doubts)


def test_a_search_ends_when_its_time_does() -> None:
    """The limit is for all keys together; this clock is real, but stands while others work."""
    found = crowded()
    began = time.process_time()
    assert judge(found, now=time.process_time, seconds=0.1).verdict is Verdict.INCONCLUSIVE
    assert time.process_time() - began < 3


def test_operations_as_drills_have_them_are_searched_in_hardly_more_steps() -> None:
    """Sixteen clients, fifty keys, unknown writes that stay open: no choice is taken back often."""
    spans: dict[str, list[Span[Operation]]] = defaultdict(list)
    for one in history(7, clients=16, each=313, keys=ascii_letters[:50]).of(Operation):
        if one.client.startswith("etcd") and one.outcome is not Outcome.FAIL:
            returned = one.returned if one.outcome is Outcome.OK else None
            if returned is not None or one.action is Action.WRITE:
                spans[one.key].append(Span(one.called, returned, one))
    steps = 0

    def counting(state: str | None, one: Operation) -> tuple[bool, str | None]:
        nonlocal steps
        steps += 1
        return step(state, one)

    assert all(misfit(found, counting, None) is None for found in spans.values())
    operations = sum(map(len, spans.values()))
    assert operations > 4500
    assert operations <= steps < 1.5 * operations


def side_by_side(key: str, size: int) -> list[Operation]:
    """Writes that all overlap, then a read of nothing: every subset must be tried to find out."""
    writes = [
        Operation(f"etcd-{number}", Action.WRITE, key, 0, size, Outcome.OK, f"{key}-{number}")
        for number in range(size)
    ]
    return [*writes, Operation("etcd-0", Action.READ, key, size + 1, size + 2, Outcome.OK)]


@pytest.mark.parametrize("hopeless", ["a", "c"])
def test_what_is_broken_is_found_whatever_other_keys_are_called(
    hopeless: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that takes more than the first steps is not starved by one that takes all."""
    monkeypatch.setattr(linearizability, "MOST_STEPS", 16 * linearizability.FIRST_STEPS)
    good = history(1, clients=30)
    broken = [*side_by_side("b", 11), *side_by_side(hopeless, 30)]
    found = judge(replace(good, records=(*good.records, *broken)), now=lambda: 0.0)
    said = [one.what for one in with_verdict(found, Verdict.FAIL)]
    assert "etcd: no order of the operations on b makes sense" in said


def test_a_verdict_does_not_hang_on_the_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps end the search, the same number everywhere; the clock here never moves."""
    monkeypatch.setattr(linearizability, "MOST_STEPS", 4 * linearizability.FIRST_STEPS)
    found = judge(crowded(), now=lambda: 0.0)
    assert len(with_verdict(found, Verdict.INCONCLUSIVE)) == len(STORES)


def test_a_key_that_cannot_be_decided_hides_no_other() -> None:
    """A broken promise weighs more than a doubt, whichever key comes first."""
    good = crowded()
    last = max(one.returned for one in good.records if isinstance(one, Operation))
    write = Operation("etcd-1", Action.WRITE, "b", 0, 1, Outcome.OK, "lost")
    read = Operation("etcd-0", Action.READ, "b", last + 1, last + 2, Outcome.OK)
    clock = itertools.count(0, 30.0)
    spoilt = replace(good, records=(*good.records, write, read))
    found = judge(spoilt, now=lambda: float(next(clock)))
    broken = [one.what for one in with_verdict(found, Verdict.FAIL)]
    assert "etcd: no order of the operations on b makes sense" in broken
