"""How a run is followed: live, line by line, as objects, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from backstay.cli.console import Console
from backstay.cli.settings import Progress


class Follower(Protocol):
    """Someone who is told what happens and shows it."""

    def tell(self, event: object) -> None:
        """Take an event; what is no event of ours is passed over."""

    def talk(self, text: str) -> None:
        """Say a sentence of the program's own."""

    def aside(self) -> AbstractContextManager[object]:
        """Give the terminal away for a while, so that a question can be asked."""

    def summary(self, kind: str, fields: dict[str, object], text: str) -> None:
        """Say something that programs get as an object of `kind`, people as text."""


@dataclass(frozen=True, slots=True)
class Silent:
    """Shows nothing: `--quiet`."""

    console: Console

    def tell(self, event: object) -> None:
        """Pass the event over."""

    def talk(self, text: str) -> None:
        """Say it, unless the console is quiet too."""
        self.console.talk(text)

    def aside(self) -> AbstractContextManager[object]:
        """Nothing of ours is on the terminal."""
        return nullcontext()

    def summary(self, kind: str, fields: dict[str, object], text: str) -> None:
        """Pass it over."""


@contextmanager
def following(console: Console) -> Iterator[Follower]:
    """Follow a run in the way that the settings and the terminal ask for."""
    with _follower(console) as follower:
        yield follower


def _follower(console: Console) -> AbstractContextManager[Follower]:
    # Each way of following loads what it alone needs: rich is a tenth of a second.
    if console.settings.quiet:
        return nullcontext(Silent(console))
    match console.progress:
        case Progress.LIVE:
            from backstay.cli.progress_live import live

            return live(console)
        case Progress.JSON:
            from backstay.cli.progress_json import ndjson

            return ndjson(console)
        case Progress.PLAIN | Progress.AUTO:
            from backstay.cli.progress_plain import plain

            return plain(console)
