"""An SSH server in this process, for every test of the fleet that needs one."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.sshd import Sshd, serve

# Clusters in memory, which are made from sites of the components' tests, answer here over SSH.
sys.path.insert(0, str(Path(__file__).parents[1] / "components"))


@pytest.fixture
async def sshd(tmp_path: Path) -> AsyncIterator[Sshd]:
    """Return the server; its files are in the test's own folder."""
    async with serve(tmp_path) as server:
        yield server
