"""A whole lab, until nodes and DNS are ready: by `backstay lab up`, and by kubeadm."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench import kubeadm
from bench.lab import BACKSTAY, lab
from bench.measure import run, seconds_of
from bench.table import Row

NAME = "bench"
MACHINES = ("--control-plane", "3", "--workers", "1")


def whole_rows() -> list[Row]:
    """Seconds of `lab up`, and of kubeadm on the same machines; A B A."""
    first = _by_backstay()
    theirs = _by_kubeadm()
    ours = min(first, _by_backstay())
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
        note="kubeadm init, two joins of control planes and one of a worker, haproxy and "
        "keepalived as its HA document has them; images and binaries there before",
    )
    return [seconds, beside]


def _by_backstay() -> float:
    run((*BACKSTAY, "lab", "down", "--name", NAME))
    try:
        return run((*BACKSTAY, "lab", "up", "--name", NAME, *MACHINES)).wall_seconds
    finally:
        run((*BACKSTAY, "lab", "down", "--name", NAME))


def _by_kubeadm() -> float:
    """Return the seconds of making machines and of kubeadm, without what is brought before."""
    up = (*BACKSTAY, "lab", "up", "--name", NAME, *MACHINES, "--machines-only")
    with tempfile.TemporaryDirectory() as folder, lab(NAME, *MACHINES, "--machines-only") as made:
        machines = run(up).wall_seconds
        kubeadm.prepare(made, Path(folder))
        return machines + seconds_of(lambda: kubeadm.create(made))
