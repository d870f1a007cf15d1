"""The journal of a run: what was done when, for people; nothing ever reads it back."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from backstay.errors import PreflightError


@dataclass(frozen=True, slots=True)
class Journal:
    """Appends one JSON object a line to a file that only its owner can read."""

    stream: IO[bytes]

    @classmethod
    def open(cls, folder: Path, *, now: datetime) -> Journal:
        """Start the journal of a run in the folder, named after the time.

        PreflightError when it cannot be written there.
        """
        path = folder / f"{now:%Y-%m-%dT%H-%M-%S.%f}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            # Unbuffered: a line is one write, so that a kill leaves whole lines.
            return cls(path.open("ab", buffering=0))
        except OSError as error:
            raise PreflightError(
                "the journal of this run cannot be written",
                where=str(path),
                why=str(error),
                next_move="make room there, or choose another place: XDG_STATE_HOME=DIRECTORY",
            ) from error

    def write(self, event: object, *, now: datetime) -> None:
        """Write one event; a dataclass becomes its fields, with its class as `type`."""
        # Not asdict: it would take a secret apart, and print what is inside.
        told = fields(event) if is_dataclass(event) else ()
        line = {"time": now.isoformat(), "type": type(event).__name__}
        line |= {field.name: getattr(event, field.name) for field in told}
        # A disk that filled up meanwhile must not end a run in the middle of a stage.
        with suppress(OSError):
            self.stream.write(json.dumps(line, default=str).encode() + b"\n")

    def close(self) -> None:
        """End the journal."""
        self.stream.close()
