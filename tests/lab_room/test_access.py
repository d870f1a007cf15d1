"""What is known of a machine that is paused, and of links that are cut; none of them is real."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay.errors import PreflightError, UsageError
from backstay.lab import cut, cuts_of, is_paused, reboot, require_answering, status
from backstay.lab.access import State
from backstay.lab.model import Lab
from fakes.frozen_lab import make_frozen_lab


@pytest.fixture(autouse=True)
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Make a lab of which cp-1 is frozen."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return make_frozen_lab(tmp_path, monkeypatch)


def test_a_paused_machine_is_not_called(lab: Lab) -> None:
    """It would say nothing for as long as one waits; what ends that is said (exit 3)."""
    with pytest.raises(PreflightError, match="cp-1 is paused") as caught:
        require_answering(lab.name, "cp-1")
    assert caught.value.next_move == "backstay lab unpause cp-1 --name demo"
    require_answering(lab.name, "cp-2")


async def test_a_paused_machine_is_not_asked_to_reboot(lab: Lab) -> None:
    """Its systemd would not hear it before it goes on."""
    with pytest.raises(PreflightError, match="cp-1 is paused"):
        await reboot(lab.name, "cp-1")


def test_it_is_known_which_machine_is_paused(lab: Lab) -> None:
    """One that does not run is not."""
    assert [is_paused(lab.name, one) for one in ("cp-1", "cp-2")] == [True, False]
    assert [one.state for one in status(lab.name).machines] == [State.PAUSED, State.STOPPED]


async def test_a_machine_has_no_link_to_itself(lab: Lab) -> None:
    """Which would be cut without any effect; an unknown name comes first."""
    with pytest.raises(UsageError, match="cp-1 has no link to itself"):
        await cut(lab.name, "cp-1", "cp-1")
    with pytest.raises(UsageError, match="cp-9"):
        await cut(lab.name, "cp-9", "cp-9")


async def test_without_a_switch_nothing_is_cut(lab: Lab) -> None:
    """Nobody is asked about the rules of one that is not there."""
    assert await cuts_of(lab.name) == ()
