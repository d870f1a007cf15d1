"""How a run that ends badly is told: what, where, why, next; and its exit code."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import click

from backstay.cli.console import Console
from backstay.cli.settings import Progress, Settings
from backstay.errors import BackstayError, UsageError
from backstay.planning.look import Look, Tone

INTERRUPTED = 130
# As shells report a program that was ended by SIGPIPE.
READER_GONE = 141


def told(error: BaseException, console: Console) -> int | None:
    """Tell the error, and return the exit code; None for what nobody foresaw."""
    match error:
        case BrokenPipeError():
            return READER_GONE
        case KeyboardInterrupt() | click.Abort():
            _tell_interruption(console)
            return INTERRUPTED
        case click.exceptions.NoArgsIsHelpError():
            console.say(error.format_message())
            return UsageError.exit_code
        case click.ClickException():
            _tell((_from_click(error),), console)
            return UsageError.exit_code
        case _:
            found = tuple(_ours(error))
            _tell(found, console)
            return min((one.exit_code for one in found), default=None)


def _ours(error: BaseException) -> Iterator[BackstayError]:
    """Yield our errors, also out of groups; nothing when a foreign one is among them."""
    if isinstance(error, BackstayError):
        yield error
    elif isinstance(error, BaseExceptionGroup):
        inner = [found for one in error.exceptions for found in (tuple(_ours(one)) or (None,))]
        if None not in inner:
            yield from (one for one in inner if one is not None)


def _from_click(error: click.ClickException) -> BackstayError:
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    path = ctx.command_path if ctx else "backstay"
    message = error.format_message().rstrip(".")
    return UsageError(message, where=f"command line: {path}", next_move=f"{path} --help")


def _tell_interruption(console: Console) -> None:
    if console.progress is Progress.JSON:
        console.event("diagnostic", {"severity": "error", "summary": "stopped"})
    else:
        resume = console.settings.resume
        console.say("\nStopped." + (f" To go on where it stopped: {resume}" if resume else ""))


def _tell(errors: tuple[BackstayError, ...], console: Console) -> None:
    for error in errors:
        if console.progress is Progress.JSON:
            console.event("diagnostic", diagnostic(error, console.settings))
        else:
            console.say(text(error, console.look(console.err), console.settings))
        if console.settings.debug:
            console.say("".join(traceback.format_exception(error)))


def diagnostic(error: BackstayError, settings: Settings) -> dict[str, object]:
    """Return an error as the fields of an event of `--progress json`."""
    return {
        "severity": "error",
        "summary": error.what,
        "where": error.where,
        "why": error.why,
        "next": settings.runnable(error.next_move),
        "exit_code": error.exit_code,
    }


def text(error: BackstayError, look: Look, settings: Settings) -> str:
    """Return an error for people: what first, then where, why and what to type next."""
    head, *more = error.what.splitlines()
    lines = [f"{look.paint(Tone.BAD, 'error:')} {look.paint(Tone.STRONG, head)}", *more]
    parts = (
        ("where", error.where),
        ("why", error.why),
        ("next", settings.runnable(error.next_move)),
    )
    for name, said in parts:
        for index, line in enumerate(said.strip("\n").splitlines()):
            label = look.paint(Tone.FAINT, f"{name:<6}") if index == 0 else " " * 6
            lines.append(f"  {label} {line}".rstrip())
    return "\n".join(lines)


def foreseen_by_nobody(error: BaseException, look: Look) -> str:
    """Return a bug of ours for people, without a traceback."""
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    place = f"{frame[0].filename}:{frame[0].lineno}" if frame else "unknown"
    return text(
        BackstayError(
            f"a bug in backstay: {type(error).__name__}: {error}",
            where=place,
            why="an error that the program did not expect",
            next_move="run it again with --debug, and report what it prints",
        ),
        look,
        Settings(),
    )
