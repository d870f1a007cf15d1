"""Runs the program as its users do: in a process of its own, with its own streams."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Ended:
    """How the program ended, and what it printed where."""

    code: int
    out: str
    err: str

    def __str__(self) -> str:
        """Return all of it as one text, for snapshots."""
        return f"exit {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}"


Program = Callable[..., Ended]

_QUIET = ("BACKSTAY_", "NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "CI")


@pytest.fixture
def backstay(tmp_path: Path) -> Program:
    """Start the program in an empty directory, with a plain environment and no terminal."""

    def start(
        *words: str, stdin: str | bytes = "", environment: Mapping[str, str] | None = None
    ) -> Ended:
        plain = {name: value for name, value in os.environ.items() if not name.startswith(_QUIET)}
        plain |= {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            (sys.executable, "-m", "backstay", *words),
            input=data,
            capture_output=True,
            cwd=tmp_path,
            env=plain | dict(environment or {}),
            timeout=60,
            check=False,
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    return start
