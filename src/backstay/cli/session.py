"""What every verb that works does: read the configuration, run to an end, with a time limit."""

from __future__ import annotations

import asyncio
import logging
import shlex
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from backstay.cli.console import Console
from backstay.cli.options import settings_of
from backstay.cli.settings import Settings
from backstay.errors import ConfigError, GateTimeoutError
from backstay.spec.limits import LARGEST_BYTES

if TYPE_CHECKING:
    from backstay.spec.model import ClusterSpec

Result = TypeVar("Result")

MOST_LABS = 3
"""So many are named; who has more knows them: backstay lab list."""

LOGGING = 2
"""From so many -v on, libraries may say what they do."""


def console_of(ctx: click.Context) -> Console:
    """Return the console with the settings of the command line."""
    return Console.here(settings_of(ctx))


def finished(
    work: Coroutine[object, object, Result], settings: Settings, *, began: float | None = None
) -> Result:
    """Run to the end; GateTimeoutError when `--timeout` passes before.

    `began` is when that counts from, by `time.monotonic`, if this is not all of the run.
    """
    if settings.verbosity >= LOGGING:
        # What connections do, in asyncssh's own words; it logs no data that passes through.
        logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    return asyncio.run(_limited(work, settings.timeout, began or time.monotonic()))


async def _limited(
    work: Coroutine[object, object, Result], seconds: float | None, began: float
) -> Result:
    # The loop's clock is the monotonic one.
    end = None if seconds is None else began + seconds
    try:
        async with asyncio.timeout_at(end) as limit:
            return await work
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise GateTimeoutError(
            f"the run did not end within {seconds:g} s (--timeout)",
            next_move="run it again; it goes on where it stopped",
        ) from error


def read_config(settings: Settings) -> tuple[bytes, str]:
    """Return the configuration's bytes, and what to call it in errors."""
    path = settings.config_path
    if path is None:
        return sys.stdin.buffer.read(LARGEST_BYTES + 1), "standard input"
    return _bytes(path, settings), str(path)


def _bytes(path: Path, settings: Settings) -> bytes:
    try:
        with path.open("rb") as file:
            # One more than the parser takes: it refuses that, and an endless file ends.
            return file.read(LARGEST_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no {path}",
            where=str(path.absolute().parent),
            why="the cluster is described in a file, and it is not there",
            next_move="\n".join(_instead(settings)),
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read", where=str(path), why=str(error), next_move="look at the file"
        ) from error


def _instead(settings: Settings) -> Iterator[str]:
    """Yield what to type where the file is missing: the same for a lab, if there is one."""
    write = "write one: backstay init HOST… --vip ADDRESS --write; or name yours: backstay -c FILE"
    again = "" if settings.config_words else f"{shlex.join(('backstay', *settings.typed))} "
    labs = tuple(_configs_of_labs())
    yield from (f"{again}-c {shlex.quote(str(config))}" for config in labs[:MOST_LABS])
    yield f"or {write}" if labs else write


def _configs_of_labs() -> Iterator[Path]:
    """Yield the files that describe the labs of this computer."""
    from backstay.lab import labs, places_of

    with suppress(OSError):
        yield from (found for name in labs() if (found := places_of(name).cluster).exists())


def read_spec(settings: Settings) -> ClusterSpec:
    """Return the specification; ConfigError with every mistake at once."""
    data, name = read_config(settings)
    # Loaded late: a file that is not there needs no parser.
    from backstay.spec.parse import parse

    return parse(data, name=name)
