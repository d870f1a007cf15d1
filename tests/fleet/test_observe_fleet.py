"""Looking at many machines at once: what one of them does is never the others' trouble."""

from __future__ import annotations

import pytest

from backstay.errors import GateTimeoutError, HostKeyError, PreflightError, UnreachableError
from backstay.fleet.observe import observe
from backstay.fleet.transport import Completed
from backstay.fleet.world import World
from backstay.planning.observation import HostSeen, Unreachable
from fakes.machines import FakeMachine

GOOD = Completed(0, "m\tsurvey\t.\tuid\t0\n", "")


def raising(error: Exception) -> FakeMachine:
    """Return a machine whose answer is an error."""

    def answer(_: str) -> Completed:
        raise error

    return FakeMachine("x", answer)


def saying(name: str, done: Completed) -> FakeMachine:
    """Return a machine that answers so."""
    return FakeMachine(name, lambda _: done)


async def test_silence_has_its_reason_and_kind() -> None:
    """Never connected, lost meanwhile, or hanging: unreachable, and the rest is seen."""
    world = World(
        {
            "good": saying("good", GOOD),
            "never": HostKeyError("another key", where="never", why="so", next_move="look"),
            "lost": raising(UnreachableError("the connection was lost", where="lost")),
            "hangs": raising(GateTimeoutError("no answer within 60 s", where="hangs")),
        }
    )
    seen = await observe(world, {host: {} for host in world.machines}, mark="m")
    assert isinstance(seen.hosts["good"], HostSeen)
    found = {host: one for host, one in seen.hosts.items() if isinstance(one, Unreachable)}
    assert {host: one.why for host, one in found.items()} == {
        "never": "another key: so; look",
        "lost": "the connection was lost",
        "hangs": "no answer within 60 s",
    }
    assert {one.exit_code for one in found.values()} == {4}


async def test_machines_that_are_not_fit_are_told_all_at_once() -> None:
    """I6: two that ask for a password are one report; nothing was changed (exit 3)."""
    sudo = PreflightError("sudo asks for a password", where="", why="no", next_move="allow it")
    world = World({name: raising(_at(sudo, name)) for name in ("b", "a")})
    with pytest.raises(PreflightError) as caught:
        await observe(world, {"a": {}, "b": {}}, mark="m")
    error = caught.value
    assert (error.exit_code, error.where, error.why) == (3, "a, b", "no")


def _at(error: PreflightError, where: str) -> PreflightError:
    return PreflightError(error.what, where=where, why=error.why, next_move=error.next_move)


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (Completed(1, "This account is not available.\n", ""), "This account is not available."),
        (Completed(126, "", "sh: Permission denied\n"), "sh: Permission denied"),
        (Completed(0, "", ""), "it said nothing"),
    ],
)
async def test_a_machine_that_does_not_run_scripts_is_told(done: Completed, why: str) -> None:
    """Its own words are the reason (exit 3)."""
    world = World({"a": saying("a", done)})
    with pytest.raises(PreflightError, match="did not run our script") as caught:
        await observe(world, {"a": {}}, mark="m")
    assert (caught.value.exit_code, caught.value.where, caught.value.why) == (3, "a", why)
