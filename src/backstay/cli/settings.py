"""What holds for every verb: the global options, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

STDIN = "-"


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
    """The global options; `timeout` in seconds, None for no end."""

    config: str = "cluster.yaml"
    output: Output = Output.TABLE
    progress: Progress = Progress.AUTO
    verbosity: int = 0
    quiet: bool = False
    no_color: bool = False
    ascii: bool = False
    no_input: bool = False
    timeout: float | None = None
    debug: bool = False

    @property
    def config_path(self) -> Path | None:
        """The configuration's path; None when it comes on standard input."""
        return None if self.config == STDIN else Path(self.config)

    @property
    def resume(self) -> str:
        """The words that continue a run with the same configuration."""
        return "backstay apply" + ("" if self.config == "cluster.yaml" else f" -c {self.config}")


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
