"""The ring of balancers: whoever left is asked once, and nobody twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backstay.components.endpoint_ring import MARKS, Ring


def addresses(size: int) -> tuple[str, ...]:
    """Return as many addresses as there are balancers."""
    return tuple(f"192.0.2.{number}" for number in range(1, size + 1))


def journey(size: int, origin: int, left: set[int]) -> list[int]:
    """Follow a packet that nobody knows, from where it arrived to where it is refused."""
    seen, here = [origin], origin
    while onward := [p for p in Ring(addresses(size), here).onward(origin) if p in left]:
        here = onward[0]
        seen.append(here)
    return seen


@given(st.integers(2, len(MARKS)).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_a_packet_meets_everybody_once(where: tuple[int, int]) -> None:
    """Where all have left, the way leads around the ring and ends before its origin."""
    size, origin = where
    assert journey(size, origin, set(range(size))) == [(origin + n) % size for n in range(size)]


@given(st.data())
def test_a_packet_meets_those_that_left_and_no_others(data: st.DataObject) -> None:
    """A machine that was lost, or never had the address, is no part of the way."""
    size = data.draw(st.integers(2, len(MARKS)))
    origin = data.draw(st.integers(0, size - 1))
    left = data.draw(st.sets(st.integers(0, size - 1)))
    seen = journey(size, origin, left)
    assert len(seen) == len(set(seen))
    assert set(seen) == left | {origin}


def test_marks_are_of_the_pool_for_local_use() -> None:
    """RFC 2474, section 6: xxxx11."""
    assert all(mark & 0b11 == 0b11 and mark < 64 for mark in MARKS)


def test_more_balancers_than_marks_hand_nothing_over() -> None:
    """Two of them would have the same mark."""
    assert Ring(addresses(len(MARKS)), 0).others
    assert not Ring(addresses(len(MARKS) + 1), 0).others
