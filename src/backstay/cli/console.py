"""The terminal: data goes to standard output, everything said to people to standard error."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from backstay.cli.settings import Output, Progress, Settings, chosen_progress, wants_colour
from backstay.planning.look import ASCII, UNICODE, Detail, Look, Tone, unpainted

WIDTH_WITHOUT_TERMINAL = 100
_CODES: Mapping[Tone, str] = {
    Tone.ADD: "32",
    Tone.ALTER: "33",
    Tone.REMOVE: "31",
    Tone.GOOD: "32",
    Tone.WARNING: "33",
    Tone.BAD: "1;31",
    Tone.STRONG: "1",
    Tone.FAINT: "2",
}


def painted(tone: Tone, text: str) -> str:
    """Return the text in the tone's colour."""
    return f"\x1b[{_CODES[tone]}m{text}\x1b[0m"


@dataclass(frozen=True, slots=True)
class Report:
    """One answer in all its shapes: for people, for programs, and as bare names."""

    document: Mapping[str, object]
    text: Callable[[Look], str]
    names: Iterable[str] = ()


@dataclass(frozen=True, slots=True)
class Console:
    """Both streams, with the look that each of them bears."""

    settings: Settings
    out: TextIO
    err: TextIO
    environment: Mapping[str, str]

    @classmethod
    def here(cls, settings: Settings) -> Console:
        """Return the console of this process."""
        return cls(settings, sys.stdout, sys.stderr, os.environ)

    def look(self, stream: TextIO) -> Look:
        """Return how text for the stream is dressed."""
        terminal = stream.isatty()
        colour = wants_colour(self.settings, self.environment, terminal=terminal)
        fits = (stream.encoding or "utf-8").lower().replace("-", "") in {"utf8", "utf16", "utf32"}
        width = shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 24)).columns
        return Look(
            marks=UNICODE if fits and not self.settings.ascii else ASCII,
            paint=painted if colour else unpainted,
            width=max(width, 60) if terminal else WIDTH_WITHOUT_TERMINAL,
            detail=Detail.FULL if self.tells_all else Detail.BRIEF,
        )

    @property
    def tells_all(self) -> bool:
        """Whether every single thing is named: `-o wide`, or `-v`."""
        return self.settings.output is Output.WIDE or self.settings.verbosity > 0

    @property
    def progress(self) -> Progress:
        """How runs are followed on standard error."""
        return chosen_progress(self.settings, self.environment, terminal=self.err.isatty())

    @property
    def may_ask(self) -> bool:
        """Whether a person is there to answer."""
        return not self.settings.no_input and sys.stdin.isatty() and self.err.isatty()

    def data(self, text: str) -> None:
        """Print data."""
        self.out.write(text if text.endswith("\n") else f"{text}\n")

    def talk(self, text: str) -> None:
        """Say something to the person; in `--progress json` it becomes a diagnostic."""
        if self.settings.quiet:
            return
        if self.progress is Progress.JSON:
            self.event("diagnostic", {"severity": "info", "summary": text})
        else:
            self.say(text)

    def event(self, kind: str, fields: Mapping[str, object]) -> None:
        """Say something to a program: one object, with its time (docs/progress-json.md)."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.say(json.dumps({"type": kind, "time": time, **fields}, ensure_ascii=False))

    def say(self, text: str) -> None:
        """Write a line to standard error, whatever becomes of it: a run outlives its reader."""
        try:
            self.err.write(f"{text}\n")
            self.err.flush()
        except OSError:  # a closed pipe, a terminal that is gone, a full disk
            return

    def show(self, report: Report) -> None:
        """Print an answer in the shape that was asked for."""
        match self.settings.output:
            case Output.JSON:
                self.data(json.dumps(report.document, indent=2, ensure_ascii=False))
            case Output.YAML:
                self.data(as_yaml(report.document))
            case Output.NAME:
                self.out.writelines(f"{name}\n" for name in report.names)
            case Output.TABLE | Output.WIDE:
                self.data(report.text(self.look(self.out)))


def as_yaml(document: Mapping[str, object]) -> str:
    """Return plain values as YAML, keys in their order."""
    # A tenth of a second of imports that only this needs.
    from io import StringIO

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.representer.sort_base_mapping_type_on_output = False
    stream = StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()
