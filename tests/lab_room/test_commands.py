"""Programs of this computer."""

from __future__ import annotations

import io

import pytest

from backstay.errors import PreflightError, StepFailedError
from backstay.lab.commands import follow, run, tail


async def test_output_and_input_are_text() -> None:
    """What goes in on standard input comes out."""
    assert await run("cat", stdin="çå\n") == "çå\n"


async def test_a_failure_carries_the_last_words_and_the_command() -> None:
    """The command is quoted so that it can be typed."""
    with pytest.raises(StepFailedError) as caught:
        await run("sh", "-c", "echo why >&2; exit 7")
    assert caught.value.why == "why"
    assert "status 7" in caught.value.what
    assert "sh -c 'echo why >&2; exit 7'" in caught.value.where


async def test_a_program_that_is_not_there_is_a_matter_of_preparation() -> None:
    """Not a traceback."""
    with pytest.raises(PreflightError, match="no-such-program"):
        await run("no-such-program")


async def test_lines_are_told_while_the_program_runs() -> None:
    """Each goes to the listener and to the log."""
    log, told = io.StringIO(), list[str]()
    await follow("sh", "-c", "echo one >&2; echo two >&2", line=told.append, log=log)
    assert told == ["one", "two"]
    assert log.getvalue() == "one\ntwo\n"


async def test_a_followed_failure_carries_the_last_words() -> None:
    """As of a program that is not followed."""
    with pytest.raises(StepFailedError, match="no room"):
        await follow(
            "sh", "-c", "echo no room >&2; false", line=lambda _text: None, log=io.StringIO()
        )


def test_the_tail_skips_empty_lines() -> None:
    """Short enough to read."""
    assert tail("a\n\nb\n \nc\n", lines=2) == "b\nc"
    assert tail("") == ""
