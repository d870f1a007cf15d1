"""The program as its users run it: in a process of its own, with its own streams."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ended:
    """How the program ended, and what it printed where."""

    code: int
    out: str
    err: str

    def __str__(self) -> str:
        """Return all of it as one text, for snapshots."""
        return f"exit {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}"


_CHANGES_LOOKS = ("BACKSTAY_", "NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "CI", "KUBECONFIG")


@dataclass(frozen=True)
class Program:
    """Starts `backstay` in a folder, with a plain environment and no terminal."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment without anything that changes how output looks."""
        inherited = os.environ.items()
        plain = {name: value for name, value in inherited if not name.startswith(_CHANGES_LOOKS)}
        return plain | {"HOME": str(self.folder), "XDG_STATE_HOME": str(self.folder / "state")}

    def __call__(
        self, *words: str, stdin: str | bytes = "", environment: Mapping[str, str] | None = None
    ) -> Ended:
        """Run it to its end."""
        done = subprocess.run(
            (sys.executable, "-m", "backstay", *words),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=self.folder,
            env=self.environment | dict(environment or {}),
            timeout=60,
            check=False,
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
