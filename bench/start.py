"""How much processor time it takes to say hello."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from bench.measure import run, side_by_side
from bench.table import Row

ANSIBLE = Path(".venv-bench/bin/ansible")


def help_row() -> Row:
    """`backstay --help` beside `ansible --version`."""
    ours = lambda: run((sys.executable, "-m", "backstay", "--help")).processor_seconds  # noqa: E731
    beside = lambda: run((str(ANSIBLE), "--version")).processor_seconds  # noqa: E731
    pair = side_by_side(ours, beside, rounds=6)
    return Row(
        "`backstay --help` / `ansible --version`, processor time",
        f"{statistics.median(pair.ours) * 1000:.0f} ms",
        f"{statistics.median(pair.beside) * 1000:.0f} ms",
        pair.ratio,
        bound=0.5,
    )
