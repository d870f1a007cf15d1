"""A whole lab, until nodes and DNS are ready: by `backstay lab up`, and by kubeadm."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from bench import kubeadm
from bench.lab import lab
from bench.measure import seconds_of
from bench.table import Row

NAME = "bench"
MACHINES = ("--control-plane", "3", "--workers", "1")


def whole_rows() -> list[Row]:
    """Seconds of `lab up` before and after kubeadm on the same machines, which is long: A B A."""
    first = _by_backstay()
    theirs = _by_kubeadm()
    ours = statistics.mean((first, _by_backstay()))
    seconds = Row(
        "`lab up` warm, 3 control planes and a worker, nodes and DNS ready (seconds)",
        f"{ours:.1f} s",
        "",
        ours,
        bound=45,
        aim=15,
    )
    beside = Row(
        "the same / by kubeadm on the same machines",
        f"{ours:.1f} s",
        f"{theirs:.0f} s",
        ours / theirs,
        bound=1,
        note=kubeadm.NOTE,
    )
    return [seconds, beside]


def _by_backstay() -> float:
    with lab(NAME, *MACHINES) as made:
        return made.made.wall_seconds


def _by_kubeadm() -> float:
    """Return the seconds of making machines and of kubeadm, without what is brought between."""
    with tempfile.TemporaryDirectory() as folder, lab(NAME, *MACHINES, "--machines-only") as made:
        kubeadm.prepare(made, Path(folder))
        return made.made.wall_seconds + seconds_of(lambda: kubeadm.create(made))
