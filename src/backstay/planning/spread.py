"""How long something takes, many times over: from single samples, or from counts in buckets."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf

HALF = 0.5
NEARLY_ALL = 0.99
_BUCKET = re.compile(
    r'(?P<name>\w+)_bucket\{(?P<labels>.*?),?le="(?P<bound>[^"]+)"\} (?P<count>\d+)'
)


@dataclass(frozen=True, slots=True)
class Spread:
    """What half of the samples stay below, and 99 of 100; in milliseconds."""

    p50: float
    p99: float
    count: int


def of_samples(samples: Sequence[float]) -> Spread | None:
    """Return the spread of samples in milliseconds; None if there are none."""
    if not samples:
        return None
    ordered = sorted(samples)
    p50, p99 = (ordered[ceil(len(ordered) * part) - 1] for part in (HALF, NEARLY_ALL))
    return Spread(p50, p99, len(ordered))


def of_buckets(buckets: Mapping[float, int]) -> Spread | None:
    """Return the spread of a histogram of seconds: upper bounds, with how many are not above.

    Within a bucket, samples count as evenly spread; what is above all bounds counts as the last.
    None if nothing was counted.
    """
    count = max(buckets.values(), default=0)
    if not count:
        return None
    p50, p99 = (
        1000 * _quantile(sorted(buckets.items()), part * count) for part in (HALF, NEARLY_ALL)
    )
    return Spread(p50, p99, count)


def _quantile(buckets: Sequence[tuple[float, int]], rank: float) -> float:
    below, counted = 0.0, 0
    for bound, not_above in buckets:
        if bound == inf:
            break
        if not_above >= rank:
            return below + (bound - below) * (rank - counted) / (not_above - counted)
        below, counted = bound, not_above
    return below


def histograms(exposed: str) -> Mapping[str, tuple[Mapping[float, int], ...]]:
    """Return the histograms in what a program exposes to Prometheus, one for each set of labels."""
    found: dict[str, dict[str, dict[float, int]]] = defaultdict(lambda: defaultdict(dict))
    for one in _BUCKET.finditer(exposed):
        found[one["name"]][one["labels"]][float(one["bound"])] = int(one["count"])
    return {name: tuple(by_labels.values()) for name, by_labels in found.items()}
