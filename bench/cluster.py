"""On a whole cluster: looking when nothing is to be done, and memory."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path

from backstay.lab import ssh_argv
from bench.lab import BenchLab, lab
from bench.measure import seconds_of, side_by_side
from bench.table import Row

# What apply looks at, file by file; binaries are known by their stamps.
FILES = "/etc/backstay /etc/kubernetes /etc/etcd /etc/haproxy /etc/keepalived /etc/containerd \
/etc/cni /etc/systemd/system /usr/local/lib/backstay"
SUMS = "/run/bench.sums"


def cluster_rows() -> list[Row]:
    """No-op apply beside sha256sum over ssh, memory of backstay, memory of the cluster."""
    before = used_megabytes()
    with lab("bench") as made:
        after = used_megabytes()
        return [*_noop(made), _cluster_memory(after - before)]


def _noop(made: BenchLab) -> list[Row]:
    """Return the rows of time and of memory."""
    largest = [made.made.resident_megabytes]

    def apply() -> float:
        ended = made.backstay("apply", "--yes")
        largest.append(ended.resident_megabytes)
        return ended.wall_seconds

    _require_nothing_to_do(made)
    made.everywhere(
        dict.fromkeys(made.machines, f"find {FILES} -type f 2>/dev/null | xargs sha256sum >{SUMS}")
    )
    pair = side_by_side(
        apply,
        lambda: seconds_of(lambda: _sha256sum(made)),
        rounds=6,
    )
    _require_nothing_to_do(made)
    time = Row(
        "no-op apply on 4 machines / one ssh with `sha256sum -c` per machine",
        f"{statistics.median(pair.ours):.2f} s",
        f"{statistics.median(pair.beside):.2f} s",
        pair.ratio,
        bound=2.5,
        aim=1.3,
        note="sums of all files that apply looks at, four processes of ssh at once",
    )
    return [time, _memory(*largest)]


def _require_nothing_to_do(made: BenchLab) -> None:
    """Raise CalledProcessError when apply would change something: that takes other time."""
    made.backstay("plan", "--detailed-exitcode")


def _sha256sum(made: BenchLab) -> None:
    argvs = [
        ssh_argv(made.name, machine, ("sha256sum", "--quiet", "-c", SUMS))
        for machine in made.machines
    ]
    processes = [subprocess.Popen(argv, stdin=subprocess.DEVNULL) for argv in argvs]
    for process in processes:
        if process.wait():
            message = f"sha256sum found a difference: status {process.returncode}"
            raise RuntimeError(message)


def _memory(making: float, *looking: float) -> Row:
    return Row(
        "resident memory of backstay (megabytes)",
        f"{making:.0f} MB",
        "",
        max(making, *looking),
        bound=200,
        note=f"most while it made machines and cluster; {max(looking):.0f} MB with nothing to do",
    )


def _cluster_memory(megabytes: float) -> Row:
    return Row(
        "memory that the lab's cluster takes (megabytes)",
        f"{megabytes:.0f} MB",
        "",
        megabytes,
        bound=2048,
        note="what `free` calls used, after less before, right after `lab up`",
    )


def used_megabytes() -> float:
    """Return what `free` calls used: total less available, as procps 4 has it."""
    sizes = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    kilobytes = {name: int(size.split()[0]) for name, size in sizes.items()}
    return (kilobytes["MemTotal"] - kilobytes["MemAvailable"]) / 1024
