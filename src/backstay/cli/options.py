"""The global options: accepted before and after the verb, and from BACKSTAY_<NAME>.

Each option writes itself into the one Settings of the run. The verb's own copy reads no
environment, so that a word on the command line before the verb is not undone after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf, isnan
from typing import Any

import click
from click.core import ParameterSource

from backstay.cli.settings import Output, Progress, Settings

PREFIX = "BACKSTAY_"
_GIVEN = frozenset({ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT})


class Duration(click.ParamType[float]):
    """A duration such as `90s`, `5m` or `1h30m`, in seconds, within bounds if it has some."""

    name = "duration"

    def __init__(self, *, least: float = 0.0, most: float = inf) -> None:
        self.least = least
        self.most = most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds; a usage error names the units."""
        # Reading durations loads pydantic, and --help must not.
        from backstay.spec.durations import parse_duration

        try:
            seconds = parse_duration(value).total_seconds()
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not self.least <= seconds <= self.most:
            self.fail(f"from {self.least:g} s to {self.most:g} s make sense here", param, ctx)
        return seconds


class Factor(click.FloatRange):
    """A number that multiplies another: within its bounds, and a number indeed."""

    def convert(
        self,
        value: Any,  # noqa: ANN401  # click's own signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Return the number; a usage error says the bounds."""
        found: float = super().convert(value, param, ctx)
        if isnan(found):
            self.fail(f"{value!r} is no number.", param, ctx)
        return found


@dataclass(slots=True)
class Gathered:
    """The settings as far as the command line was read; kept outside, so that errors know them."""

    settings: Settings = field(default_factory=Settings)


def settings_of(ctx: click.Context) -> Settings:
    """Return the settings gathered so far."""
    return ctx.ensure_object(Gathered).settings


def _store(ctx: click.Context, param: click.Parameter, value: Any) -> None:  # noqa: ANN401  # each option its type
    if ctx.get_parameter_source(param.name) in _GIVEN:
        gathered = ctx.ensure_object(Gathered)
        given: dict[str, Any] = {param.name: value}
        match param.name:
            case "output":
                given["output"] = Output(value)
            case "progress":
                given["progress"] = Progress(value)
            case "verbosity":
                given["verbosity"] += gathered.settings.verbosity
        gathered.settings = replace(gathered.settings, **given)


class GlobalOption(click.Option):
    """An option that every verb has; the verb's help does not repeat it."""


def variable(option: str) -> str:
    """Return the environment's name of an option such as `--show-files`."""
    return PREFIX + option.lstrip("-").replace("-", "_").upper()


def _complete_configs(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[click.shell_completion.CompletionItem]:
    from click.shell_completion import CompletionItem

    del ctx, param
    return [CompletionItem(incomplete, type="file")]


_TABLE: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("-c", "--config"),
        {
            "metavar": "FILE|-",
            "help": "The cluster's configuration; - is standard input. [default: cluster.yaml]",
            "shell_complete": _complete_configs,
        },
    ),
    (
        ("-o", "--output"),
        {"type": click.Choice([one.value for one in Output]), "help": "How data is printed."},
    ),
    (
        ("--progress",),
        {"type": click.Choice([one.value for one in Progress]), "help": "How a run is followed."},
    ),
    (
        ("-v", "--verbose", "verbosity"),
        {"count": True, "help": "Name every single thing; -vv also logs connections."},
    ),
    (("-q", "--quiet"), {"is_flag": True, "help": "Say nothing but errors."}),
    (("--no-color",), {"is_flag": True, "help": "Print without colours (also NO_COLOR)."}),
    (("--ascii",), {"is_flag": True, "help": "Print marks as ASCII."}),
    (("--no-input",), {"is_flag": True, "help": "Never ask; fail where a question is needed."}),
    (("--timeout",), {"type": Duration(), "help": "End the run after this long, such as 10m."}),
    (("--debug",), {"is_flag": True, "help": "Show tracebacks."}),
)


def global_options(*, environment: bool) -> list[click.Option]:
    """Return the options anew; the program's own copy also reads the environment."""
    return [
        GlobalOption(
            names,
            callback=_store,
            expose_value=False,
            envvar=variable(names[1] if len(names) > 1 else names[0]) if environment else None,
            **extra,
        )
        for names, extra in _TABLE
    ]


def names_of(option: click.Parameter) -> frozenset[str]:
    """Return every spelling of an option."""
    return frozenset((*option.opts, *option.secondary_opts))
