"""What holds for every verb: the global options, as one frozen value."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

STDIN = "-"
DEFAULT_CONFIG = "cluster.yaml"
_ABOUT_A_CLUSTER = re.compile(
    r"\bbackstay (plan|apply|status|kubeconfig|tune|drill (run|suite|undo))\b(?! -c)"
)


class Output(StrEnum):
    """How data is printed on standard output."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class Progress(StrEnum):
    """How a run is followed on standard error."""

    AUTO = "auto"
    LIVE = "live"
    PLAIN = "plain"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Settings:
    """The global options; `timeout` in seconds, None for no end.

    `again` are the words that continue a run that was stopped, empty where nothing goes on;
    `typed` are those of the command line after the program's name.
    """

    config: str = DEFAULT_CONFIG
    output: Output = Output.TABLE
    progress: Progress = Progress.AUTO
    verbosity: int = 0
    quiet: bool = False
    no_color: bool = False
    ascii: bool = False
    no_input: bool = False
    timeout: float | None = None
    debug: bool = False
    again: str = "backstay apply"
    typed: tuple[str, ...] = ()

    @property
    def config_path(self) -> Path | None:
        """The configuration's path; None when it comes on standard input."""
        return None if self.config == STDIN else Path(self.config)

    @property
    def resume(self) -> str:
        """The words that continue a run with the same configuration."""
        return self.runnable(self.again)

    @property
    def config_words(self) -> tuple[str, ...]:
        """The words that name the configuration; none where nobody has to, or could."""
        return () if self.config in {DEFAULT_CONFIG, STDIN} else ("-c", self.config)

    def runnable(self, advice: str) -> str:
        """Return advice such as `backstay status` with the configuration's file in it."""
        if not self.config_words:
            return advice
        words = f" {shlex.join(self.config_words)}"
        return _ABOUT_A_CLUSTER.sub(lambda found: found.group() + words, advice)


def wants_colour(settings: Settings, environment: Mapping[str, str], *, terminal: bool) -> bool:
    """Return whether a stream gets colours: NO_COLOR beats FORCE_COLOR beats a dumb terminal."""
    if settings.no_color or environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    return terminal and environment.get("TERM") != "dumb"


def chosen_progress(
    settings: Settings, environment: Mapping[str, str], *, terminal: bool
) -> Progress:
    """Return how to follow a run: live only where a person looks at a terminal that can."""
    if settings.progress is not Progress.AUTO:
        return settings.progress
    smart = terminal and environment.get("TERM") != "dumb" and not environment.get("CI")
    return Progress.LIVE if smart else Progress.PLAIN
