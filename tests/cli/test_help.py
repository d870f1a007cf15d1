"""The help is part of the interface: its words, its examples, and how fast it is."""

from __future__ import annotations

import shlex
import subprocess
import sys

import click
import pytest
from conftest_words import VERBS
from inline_snapshot import external_file

from backstay.cli.commands import Verb
from backstay.cli.main import backstay as program
from backstay.cli.main import run

HEAVY = ("asyncssh", "cryptography", "pydantic", "rich", "httpx2", "ruamel", "asyncio", "structlog")


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


def _command(words: tuple[str, ...]) -> tuple[click.Command, click.Context]:
    ctx = click.Context(program, info_name="backstay")
    command: click.Command = program
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(ctx, word)
        assert found is not None
        command = found
        ctx = click.Context(command, parent=ctx, info_name=word)
    return command, ctx


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_example_can_be_typed(words: tuple[str, ...]) -> None:
    """Each example in a help parses: its verb exists and takes these words."""
    command, _ = _command(words)
    examples = getattr(command, "examples", ())
    assert examples
    for example in examples:
        for part in example.replace("<(", "&&").replace(")", "").split("&&"):
            _parse(part.partition("|")[0].partition(">")[0])


def _parse(line: str) -> None:
    first, *words = shlex.split(line)
    if first != "backstay":
        assert first == "source"
        return
    command: click.Command = program
    ctx = program.make_context("backstay", list(words), resilient_parsing=False)
    while isinstance(command, click.Group):
        rest = [*ctx._protected_args, *ctx.args]
        name, found, words = command.resolve_command(ctx, rest)
        assert found is not None
        command = found
        ctx = command.make_context(name, words, parent=ctx)


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_option_can_come_from_the_environment(words: tuple[str, ...]) -> None:
    """Each flag is also read from BACKSTAY_<NAME>, and none of them carries a secret."""
    command, _ = _command(words)
    for param in command.params:
        if isinstance(param, click.Option) and isinstance(command, Verb):
            longest = max(param.opts, key=len).lstrip("-").replace("-", "_").upper()
            assert param.envvar in {None, f"BACKSTAY_{longest}"}
            assert not {"PASSWORD", "TOKEN", "SECRET"} & set(longest.split("_"))


def test_no_words_at_all_give_the_help_as_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Typing only `backstay` explains it, and tells scripts that nothing was done."""
    assert run([]) == 64
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Usage: backstay")
