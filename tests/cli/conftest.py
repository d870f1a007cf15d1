"""The program in an empty folder, for every test of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.program import Program


@pytest.fixture
def backstay(tmp_path: Path) -> Program:
    """Return the program, to be called with the words of a command line."""
    return Program(tmp_path)
