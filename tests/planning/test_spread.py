"""Spreads of samples and of histograms, as Prometheus has them."""

from __future__ import annotations

from itertools import accumulate
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.planning.spread import Spread, histograms, of_buckets, of_samples

BOUNDS = (0.001, 0.002, 0.004, 0.008, inf)
COUNTS = st.lists(st.integers(0, 1000), min_size=len(BOUNDS), max_size=len(BOUNDS))
EXPOSED = """\
# TYPE rtt_seconds histogram
rtt_seconds_bucket{To="90b5",le="0.1"} 3
rtt_seconds_bucket{To="90b5",le="+Inf"} 4
rtt_seconds_sum{To="90b5"} 0.34
rtt_seconds_count{To="90b5"} 4
rtt_seconds_bucket{To="dcc4",le="0.1"} 5
rtt_seconds_bucket{To="dcc4",le="+Inf"} 5
fsync_seconds_bucket{le="0.001"} 7
fsync_seconds_bucket{le="+Inf"} 8
leader_changes_total 2
"""


def test_samples_have_their_nearest_ranks() -> None:
    """Of a hundred, the fiftieth and the ninety-ninth; of one, that one."""
    assert of_samples([float(one) for one in range(100, 0, -1)]) == Spread(50, 99, 100)
    assert of_samples([0.25]) == Spread(0.25, 0.25, 1)
    assert of_samples([]) is None


def test_within_a_bucket_samples_count_as_evenly_spread() -> None:
    """Ranks 50 and 99 of 100, of which 80 are in the first millisecond and the rest in two more."""
    found = of_buckets({0.001: 80, 0.003: 100, inf: 100})
    assert found is not None
    assert found.p50 == pytest.approx(50 / 80)
    assert found.p99 == pytest.approx(1 + 2 * 19 / 20)
    assert found.count == 100


def test_what_is_above_all_bounds_counts_as_the_last_bound() -> None:
    """How far above is not known; nothing counted is not the same as zero."""
    assert of_buckets({0.001: 0, 0.002: 0, inf: 7}) == Spread(2, 2, 7)
    assert of_buckets({0.001: 0, inf: 0}) is None
    assert of_buckets({}) is None


@given(COUNTS)
def test_a_spread_is_in_the_bucket_that_holds_its_rank(counts: list[int]) -> None:
    """Between the bounds of that bucket, whatever the others hold; and p50 is not above p99."""
    totals = list(accumulate(counts))
    found = of_buckets(dict(zip(BOUNDS, totals, strict=True)))
    if found is None:
        assert totals[-1] == 0
        return
    assert 0 <= found.p50 <= found.p99 <= 1000 * BOUNDS[-2]
    for value, part in ((found.p50, 0.5), (found.p99, 0.99)):
        at_or_below = max(
            (n for b, n in zip(BOUNDS, totals, strict=True) if 1000 * b <= value), default=0
        )
        above = [n for b, n in zip(BOUNDS, totals, strict=True) if 1000 * b >= value]
        assert at_or_below <= part * totals[-1] * (1 + 1e-9) or value == 1000 * BOUNDS[-2]
        assert above[0] >= part * totals[-1] or value == 1000 * BOUNDS[-2]


def test_histograms_are_told_apart_by_name_and_labels() -> None:
    """Counters and sums are none of them."""
    assert histograms(EXPOSED) == {
        "rtt_seconds": ({0.1: 3, inf: 4}, {0.1: 5, inf: 5}),
        "fsync_seconds": ({0.001: 7, inf: 8},),
    }
    assert histograms("") == {}
