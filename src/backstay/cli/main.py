"""The program: its verbs, and how a run ends."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from functools import partial
from io import TextIOWrapper
from types import TracebackType
from typing import NoReturn

import click

from backstay import __version__
from backstay.cli.commands import Entry, Verbs
from backstay.cli.console import Console
from backstay.cli.failure import READER_GONE, foreseen_by_nobody, told
from backstay.cli.options import Gathered
from backstay.cli.settings import Settings
from backstay.errors import BackstayError

_ENDINGS = (KeyboardInterrupt, click.Abort, BrokenPipeError)

SECTIONS = {
    "Start": {
        "init": Entry("backstay.cli.verbs.init:init", "Write a cluster.yaml from a list of hosts."),
        "lab": Entry("backstay.cli.verbs.lab:lab", "Real machines on this computer."),
    },
    "Change": {
        "plan": Entry("backstay.cli.verbs.plan:plan", "Show what apply would change."),
        "apply": Entry("backstay.cli.verbs.apply:apply", "Make the machines as cluster.yaml says."),
    },
    "Look": {
        "status": Entry("backstay.cli.verbs.status:status", "How the cluster is, right now."),
        "kubeconfig": Entry(
            "backstay.cli.verbs.kubeconfig:kubeconfig", "Short-lived access for kubectl."
        ),
        "tune": Entry("backstay.cli.verbs.tune:tune", "Which timers fit these machines."),
        "config": Entry("backstay.cli.verbs.config:config", "About cluster.yaml itself."),
    },
    "Prove": {
        "drill": Entry("backstay.cli.verbs.drill:drill", "Break it, and measure what that costs."),
    },
    "Carry": {
        "version": Entry("backstay.cli.verbs.version:version", "Versions, ours and supported."),
        "completion": Entry(
            "backstay.cli.verbs.completion:completion", "Completion for your shell."
        ),
    },
}


@click.group(
    cls=Verbs,
    sections=SECTIONS,
    environment=True,
    examples=(
        "backstay lab up",
        "backstay init 10.0.0.11 10.0.0.12 10.0.0.13 --control-plane 3 --vip 10.0.0.10 --write",
        "backstay plan && backstay apply",
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="backstay %(version)s")
def backstay() -> None:
    """Highly available Kubernetes control planes on machines you own."""


def run(argv: Sequence[str]) -> int:
    """Run the program with these words, and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A name with a byte that the terminal cannot show must not end a run.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    gathered = Gathered(Settings(typed=tuple(argv)))
    sys.excepthook = partial(_unforeseen, gathered)
    try:
        result = backstay.main(list(argv), "backstay", standalone_mode=False, obj=gathered)
        sys.stdout.flush()
    except (BackstayError, BaseExceptionGroup, click.ClickException, *_ENDINGS) as error:
        code = told(error, Console.here(gathered.settings))
        if code is None:
            raise
        return code
    return result if isinstance(result, int) else 0


def _unforeseen(
    gathered: Gathered,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    """Tell about a bug of ours: the last thing that an interpreter does before exit code 1."""
    if gathered.settings.debug:
        sys.__excepthook__(kind, error, trace)
    else:
        console = Console.here(gathered.settings)
        console.say(foreseen_by_nobody(error, console.look(console.err)))


def prepare_interpreter() -> None:
    """Make it quick for a process that lives for seconds.

    Collecting garbage while hundreds of modules load is a tenth of a short run, and a third of
    planning a thousand hosts; pydantic looks for plugins in all that is installed.
    """
    gc.set_threshold(50_000, 20, 50)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def main() -> NoReturn:
    """Run as a program."""
    prepare_interpreter()
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = READER_GONE
    if code == READER_GONE:
        # Who read us has gone; the interpreter must not complain about it while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
