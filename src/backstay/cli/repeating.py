"""The command that does a drill again, as it is typed."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import timedelta

from backstay.cli.settings import Settings
from backstay.drill.wish import Wish
from backstay.spec.durations import format_duration


def repeatable(wish: Wish, settings: Settings, *, confirm: str | None) -> Wish:
    """Return the wish with the command that asks for just this drill."""
    return replace(wish, command=_command(wish, settings, confirm))


def _command(wish: Wish, settings: Settings, confirm: str | None) -> str:
    """Return the words; what is as it would be by itself is left out, but the seed."""
    words = ["backstay", "drill", "run", wish.scenario.name, *settings.config_words]
    words += ["--seed", str(wish.seed)]
    words += ["--target", wish.target] if wish.target else []
    if wish.seconds is not None:
        words += ["--duration", format_duration(timedelta(seconds=wish.seconds))]
    for one in wish.objectives:
        words += ["--objective", one]
    words += ["--scale", repr(wish.scale)] if wish.scale != 1 else []
    words += ["--confirm", confirm] if confirm else []
    return shlex.join(words)
