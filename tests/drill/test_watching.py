"""What is asked before clients begin, and by whom it is not answered."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from backstay.drill.history import Kind, Mark
from backstay.drill.load.access import Access, Address
from backstay.drill.recorder import Recorder
from backstay.drill.watching import ears
from backstay.errors import RefusedError, StepFailedError
from backstay.fleet.world import World
from fakes.drill_stories import story
from fakes.drill_tls import credentials
from fakes.etcd_member import Member, etcd_member

NOWHERE = Address("127.0.0.1", 1, "nobody")


def access(**members: Member) -> Access:
    """The way to members alone."""
    found = {host: member.address for host, member in members.items()}
    return Access(NOWHERE, {}, found, credentials(), credentials())


def recorder(folder: Path) -> Recorder:
    return Recorder.open(folder / "history.jsonl", story().header, tell=lambda _: None)


async def test_each_member_says_whom_it_follows(tmp_path: Path) -> None:
    """Itself, if it leads."""
    written = recorder(tmp_path)
    async with etcd_member() as one:
        await ears(World({}), written, access(a=one))
    (mark,) = (one for one in written.records if isinstance(one, Mark))
    assert (mark.kind, mark.subject, mark.state) == (Kind.LEADER, "a", "a")


async def test_a_member_that_does_not_say_is_named(tmp_path: Path) -> None:
    """A drill that cannot begin ends as one that broke off: with where and why."""
    async with etcd_member() as one, etcd_member() as other:
        other.refusals.append((grpc.StatusCode.UNAVAILABLE, "etcdserver: no leader"))
        with pytest.raises(StepFailedError) as caught:
            await ears(World({}), recorder(tmp_path), access(a=one, b=other))
    assert (caught.value.where, caught.value.why) == ("b", "no leader")


def test_a_history_without_a_place_is_refused(tmp_path: Path) -> None:
    """Nothing was broken yet, and no earlier history is written over."""
    recorder(tmp_path).close()
    with pytest.raises(RefusedError) as caught:
        recorder(tmp_path)
    assert caught.value.where == str(tmp_path / "history.jsonl")
    with pytest.raises(RefusedError):
        recorder(tmp_path / "nowhere")
