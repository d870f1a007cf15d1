"""A lab as the benchmark needs it: machines without a cluster, scripts on all of them at once."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from backstay.lab import Machine, places_of, read, ssh_argv
from backstay.spec.model import ClusterSpec
from backstay.spec.parse import parse
from bench.measure import Ended, run

BACKSTAY = (sys.executable, "-m", "backstay")
PLANES = ("cp-1", "cp-2", "cp-3")


@dataclass(frozen=True)
class BenchLab:
    """A lab by its name, and what the run was like that made it."""

    name: str
    made: Ended

    @property
    def config(self) -> Path:
        """Its cluster.yaml."""
        return places_of(self.name).cluster

    @property
    def spec(self) -> ClusterSpec:
        """What its cluster.yaml says."""
        return parse(self.config.read_bytes(), name=str(self.config))

    @property
    def machines(self) -> Mapping[str, Machine]:
        """Its machines by name."""
        return {one.name: one for one in read(self.name).machines}

    @property
    def addresses(self) -> dict[str, str]:
        """The machines' addresses by name."""
        return {name: str(one.address) for name, one in self.machines.items()}

    def backstay(self, *words: str) -> Ended:
        """Run a verb on the lab's cluster."""
        return run((*BACKSTAY, *words, "-c", str(self.config)))

    def sh(self, machine: str, script: str, *, stdin: bytes | None = None) -> bytes:
        """Run a script as root on a machine; with bytes for its input, it is given as words."""
        words = ("sh", "-s") if stdin is None else ("sh", "-c", shlex.quote(script))
        done = subprocess.run(
            ssh_argv(self.name, machine, words),
            input=script.encode() if stdin is None else stdin,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            said = (done.stdout + done.stderr).decode(errors="replace")
            message = f"{machine}: {said[-2000:]}"
            raise RuntimeError(message)
        return done.stdout

    def everywhere(self, scripts: Mapping[str, str]) -> Mapping[str, bytes]:
        """Run a script on each machine, all at once."""
        with ThreadPoolExecutor(len(scripts)) as pool:
            done = pool.map(lambda pair: self.sh(*pair), scripts.items())
            return dict(zip(scripts, done, strict=True))


@contextmanager
def lab(name: str, *words: str) -> Iterator[BenchLab]:
    """Make a lab, and remove it whatever happens."""
    run((*BACKSTAY, "lab", "down", "--name", name))
    try:
        yield BenchLab(name, run((*BACKSTAY, "lab", "up", "--name", name, *words)))
    finally:
        run((*BACKSTAY, "lab", "down", "--name", name))
