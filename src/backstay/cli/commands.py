"""Verbs and groups of verbs as click knows them: loaded late, explained with examples and codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from backstay.cli.options import GlobalOption, global_options, names_of, variable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

EXIT_CODES: Mapping[int, str] = {
    0: "done, or nothing to do",
    1: "failed part-way; safe to run again",
    2: "it ran, and the answer is no",
    3: "configuration or preflight rejected; nothing was changed",
    4: "machines unreachable or authentication failed; nothing was changed",
    5: "refused as unsafe; nothing was changed",
    64: "the command line makes no sense",
    130: "interrupted",
}


class Verb(click.Command):
    """A command whose help ends in runnable examples and its exit codes."""

    def __init__(
        self,
        *args: Any,  # noqa: ANN401  # click's own signature
        examples: Sequence[str] = (),
        exits: Mapping[int, str] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.exits = {**(exits or {0: EXIT_CODES[0]}), 64: EXIT_CODES[64]}
        name_variables(self.params)
        taken = frozenset().union(*(names_of(param) for param in self.params))
        self.params += [
            option for option in global_options(environment=False) if not names_of(option) & taken
        ]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verb's own options; the global ones are explained once."""
        write_options(self, ctx, formatter)
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text("Options for every verb: backstay --help")

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples and the exit codes."""
        del ctx
        write_ending(formatter, self.examples, self.exits)


def name_variables(params: Sequence[click.Parameter]) -> None:
    """Give each option its BACKSTAY_<NAME>, unless it has a name of its own already."""
    for param in params:
        if isinstance(param, click.Option) and param.envvar is None:
            longest = max(param.opts, key=len)
            param.envvar = variable(longest)


def write_options(
    command: click.Command, ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    """Write what a command has of its own."""
    options = (param for param in command.get_params(ctx) if isinstance(param, click.Option))
    shown = [param for param in options if not isinstance(param, GlobalOption)]
    records = [record for param in shown if (record := param.get_help_record(ctx)) is not None]
    with formatter.section("Options"):
        formatter.write_dl(records)


def write_ending(
    formatter: click.HelpFormatter, examples: Sequence[str], exits: Mapping[int, str]
) -> None:
    """Write examples and exit codes as two sections."""
    with formatter.section("Examples"):
        for example in examples:
            formatter.write(f"{'':{formatter.current_indent}}{example}\n")
    with formatter.section("Exit codes"):
        formatter.write_dl([(str(code), meaning) for code, meaning in sorted(exits.items())])


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a verb lives (`module:attribute`), and its line in the help."""

    place: str
    summary: str

    def load(self) -> click.Command:
        """Import the verb."""
        module, _, attribute = self.place.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            message = f"{self.place} is no command"
            raise TypeError(message)
        return command


class Verbs(click.Group):
    """A group that imports a verb only when it is used."""

    def __init__(
        self,
        *args: Any,  # noqa: ANN401  # click's own signature
        sections: Mapping[str, Mapping[str, Entry]],
        examples: Sequence[str] = (),
        environment: bool = False,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections
        self.examples = examples
        self.shows_globals = environment
        self.entries = {name: entry for part in sections.values() for name, entry in part.items()}
        self.params += global_options(environment=environment)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the help."""
        del ctx
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the verb; None when there is none of that name."""
        del ctx
        entry = self.entries.get(cmd_name)
        return None if entry is None else entry.load()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb; the error for an unknown one names the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=self.entries, ctx=ctx
            ) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer verbs from the table, without loading one, and options."""
        from click.shell_completion import CompletionItem

        verbs = [
            CompletionItem(name, help=entry.summary)
            for name, entry in self.entries.items()
            if name.startswith(incomplete)
        ]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs by section, then the options."""
        width = max(len(name) for name in self.entries)
        for title, entries in self.sections.items():
            with formatter.section(title):
                rows = [(f"{name:<{width}}", entry.summary) for name, entry in entries.items()]
                formatter.write_dl(rows)
        params = self.get_params(ctx)
        shown = [one for one in params if self.shows_globals or not isinstance(one, GlobalOption)]
        records = [record for one in shown if (record := one.get_help_record(ctx)) is not None]
        with formatter.section(
            "Options, before or after the verb" if self.shows_globals else "Options"
        ):
            formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples and the exit codes."""
        del ctx
        write_ending(formatter, self.examples, EXIT_CODES)


class Takes(Enum):
    """What stands after a verb: its own words, or its own and then a whole command."""

    WORDS = "words"
    A_COMMAND = "a command"


def verb(
    name: str,
    *,
    examples: Sequence[str],
    exits: Sequence[int] = (0,),
    takes: Takes = Takes.WORDS,
    **meanings: str,
) -> Callable[[Callable[..., Any]], Verb]:
    """Declare a verb; `meanings` such as `exit_2="changes are pending"` say codes more closely."""
    said = {code: meanings.get(f"exit_{code}", EXIT_CODES[code]) for code in exits}
    context = {"allow_interspersed_args": takes is Takes.WORDS}
    return click.command(name, cls=Verb, examples=examples, exits=said, context_settings=context)
