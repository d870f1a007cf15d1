"""The journal of a run: what was done when, for people; nothing ever reads it back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True)
class Journal:
    """Appends one JSON object a line to a file that only its owner can read."""

    stream: IO[str]

    @classmethod
    def open(cls, folder: Path, *, now: datetime) -> Journal:
        """Start the journal of a run in the folder, named after the time."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{now:%Y-%m-%dT%H-%M-%S.%f}.jsonl"
        path.touch(mode=0o600)
        return cls(path.open("a", buffering=1))

    def write(self, event: object, *, now: datetime) -> None:
        """Write one event; a dataclass becomes its fields, with its class as `type`."""
        fields = asdict(event) if is_dataclass(event) and not isinstance(event, type) else {}
        line = {"time": now.isoformat(), "type": type(event).__name__, **fields}
        self.stream.write(json.dumps(line, default=str) + "\n")
