"""The quorum guard: more than half of the voters must be left, whoever is taken away."""

from __future__ import annotations

from itertools import combinations

import pytest

from backstay.errors import QuorumError
from backstay.planning.invariants import margin, quorum, require_quorum_without, tolerated


@pytest.mark.parametrize(
    ("voters", "needed", "may_fail"),
    [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 4, 2), (7, 4, 3)],
)
def test_quorum_is_more_than_half(voters: int, needed: int, may_fail: int) -> None:
    """An even number tolerates no more than the odd one below it (M11)."""
    assert (quorum(voters), tolerated(voters)) == (needed, may_fail)


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_the_guard_says_no_exactly_when_quorum_would_be_lost(count: int) -> None:
    """Tried for every set of healthy voters, and every member that could be taken away."""
    voters = frozenset(f"m{number}" for number in range(count))
    for size in range(count + 1):
        for healthy in map(frozenset, combinations(sorted(voters), size)):
            for member in voters:
                safe = 2 * len(healthy - {member}) > count
                try:
                    require_quorum_without(member, voters=voters, healthy=healthy)
                except QuorumError:
                    assert not safe
                else:
                    assert safe


def test_strangers_do_not_count() -> None:
    """Only voters keep quorum, however many others are healthy."""
    with pytest.raises(QuorumError):
        require_quorum_without("a", voters={"a", "b", "c"}, healthy={"a", "b", "x", "y", "z"})


def test_a_lone_member_may_be_restarted() -> None:
    """Its owner chose the outage with the number of members."""
    require_quorum_without("a", voters={"a"}, healthy={"a"})


def test_the_refusal_says_the_sum_and_who_is_away() -> None:
    """The reader sees the numbers, and what to mend first."""
    with pytest.raises(QuorumError) as caught:
        require_quorum_without("a", voters={"a", "b", "c"}, healthy={"a", "b"})
    assert "1 of 3 voters would be left, 2 are needed" in caught.value.why
    assert "not healthy now: c" in caught.value.why
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("healthy", "said"),
    [
        ("abc", "2 of 3 needed, 3 healthy now; tolerates 1 failure"),
        ("ab", "2 of 3 needed, 2 healthy now; tolerates 0 failures"),
        ("", "2 of 3 needed, 0 healthy now; tolerates 0 failures"),
    ],
)
def test_the_margin_is_one_sentence(healthy: str, said: str) -> None:
    """Never less than nothing is tolerated."""
    assert margin(frozenset("abc"), frozenset(healthy)) == said
