"""The program as its users run it: words in, exit code and two streams out, in a folder."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from backstay.cli.main import run


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


def _stream(data: bytes = b"") -> io.TextIOWrapper:
    """Return a text stream over bytes, as a real one is: shell completion writes bytes."""
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="\n")


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode()


@dataclass(frozen=True)
class Program:
    """Runs `backstay` in a folder, with a plain environment and no terminal."""

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
        """Run it to its end in this process: starting Python anew takes most of a run's time."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        with self._surroundings(data, environment or {}) as (out, err):
            try:
                code = run(words)
            except SystemExit as ending:
                code = int(ending.code or 0)
        return Ended(code, _written(out), _written(err))

    @contextmanager
    def _surroundings(
        self, data: bytes, environment: Mapping[str, str]
    ) -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
        hook = sys.excepthook
        with (
            chdir(self.folder),
            patch.dict(os.environ, self.environment | dict(environment), clear=True),
            patch.object(sys, "stdin", _stream(data)),
            redirect_stdout(_stream()) as out,
            redirect_stderr(_stream()) as err,
        ):
            yield out, err
        sys.excepthook = hook

    def apart(self, *words: str, stdin: str | bytes = "") -> Ended:
        """Run it in a process of its own."""
        done = subprocess.run(
            (sys.executable, "-m", "backstay", *words),
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd=self.folder,
            env=self.environment,
            timeout=60,
            check=False,
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
