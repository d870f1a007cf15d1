"""Parts of a benchmark that takes no time."""

from __future__ import annotations

from bench.table import Row

PARTS = {name: f"fakes.bench_rows:{name}" for name in ("one", "broken", "two")}


def one() -> Row:
    return Row("one of them", "1 s", "2 s", 0.5, bound=1)


def two() -> list[Row]:
    return [Row("two a", "3 s", "", 3, bound=1), Row("two b", "1 s", "", 1, bound=1)]


def broken() -> Row:
    message = "the machine went away"
    raise RuntimeError(message)
