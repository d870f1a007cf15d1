"""The help is part of the interface: its words, its examples, and how fast it is."""

from __future__ import annotations

import shlex
import subprocess
import sys

import click
import pytest
from inline_snapshot import external_file

from backstay.cli.commands import Verb
from backstay.cli.main import backstay as program
from backstay.cli.main import run
from backstay.cli.options import GlobalOption

HEAVY = ("asyncssh", "cryptography", "pydantic", "rich", "httpx2", "ruamel", "asyncio")
# Widths of terminals differ; the snapshots are made for this one.
pytestmark = pytest.mark.usefixtures("wide_terminal")


@pytest.fixture
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def _below(command: click.Command, words: tuple[str, ...]) -> list[tuple[str, ...]]:
    found = [words]
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            inner = command.get_command(ctx, name)
            assert inner is not None
            found += _below(inner, (*words, name))
    return found


VERBS = _below(program, ())


def _command(words: tuple[str, ...]) -> click.Command:
    command: click.Command = program
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    return command


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_help_is_as_reviewed(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Help goes to standard output, exits with 0, and reads as in its snapshot."""
    code = run([*words, "--help"])
    said = capsys.readouterr()
    name = "-".join(("help", *words))
    assert (code, said.err) == (0, "")
    assert said.out == external_file(f"snapshots/{name}.txt")


def test_help_imports_nothing_heavy() -> None:
    """`backstay --help` loads none of the libraries that only a run needs."""
    script = (
        "import sys; from backstay.cli.main import run; assert run(['--help']) == 0\n"
        f"print([one for one in {HEAVY!r} if one in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stderr.strip() == "[]"


def test_the_verbs_are_listed_by_what_they_are_for() -> None:
    """Every verb stands in one section, and every section has verbs."""
    names = [name for entries in program.sections.values() for name in entries]
    assert len(names) == len(set(names))
    assert all(program.sections.values())


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_example_can_be_typed(words: tuple[str, ...]) -> None:
    """Each example in a help parses: its verb exists and takes these words."""
    examples = getattr(_command(words), "examples", ())
    assert examples
    for example in examples:
        line = example.removeprefix("source <(").removesuffix(")")
        for part in line.split("&&"):
            _parse(part.partition("|")[0].partition(">")[0])


def _parse(line: str) -> None:
    first, *words = shlex.split(line)
    if first != "backstay":
        assert first == "kubectl"
        return
    command: click.Command = program
    ctx = program.make_context("backstay", list(words))
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
        assert found is not None
        command = found
        ctx = command.make_context(name, words, parent=ctx)


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_option_can_come_from_the_environment(words: tuple[str, ...]) -> None:
    """Each flag of a verb is also read from BACKSTAY_<NAME>, and none of them carries a secret."""
    command = _command(words)
    own = [one for one in command.params if isinstance(one, click.Option)]
    for option in own:
        if isinstance(command, Verb) and not isinstance(option, GlobalOption):
            assert isinstance(option.envvar, str)
            assert option.envvar.startswith("BACKSTAY_")
        for name in option.opts:
            assert not {"password", "token", "secret"} & set(name.strip("-").split("-"))


def test_no_words_at_all_give_the_help_as_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Typing only `backstay` explains it, and tells scripts that nothing was done."""
    assert run([]) == 64
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Usage: backstay")
