"""What is noted of a fault that did not hit whom it should, or did not stand as long."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from backstay.drill.faults.targets import Roles, Site
from backstay.drill.history import Header, Kind, Mark
from backstay.drill.inject import Turn
from backstay.drill.noting import aimed, telling
from backstay.drill.recorder import Recorder

HOSTS = ("cp-1", "cp-2")
SITE = Site(HOSTS, HOSTS, HOSTS, (), dict.fromkeys(HOSTS, "10.0.0.1"), {}, 8443)
ROLES = Roles(SITE, etcd_leader="cp-1", vip_holder="cp-1")


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    header = Header("etcd-leader-kill", "lab", "2026-01-01T00:00:00Z", "backstay drill", 1, ())
    return Recorder.open(tmp_path / "history.jsonl", header, tell=lambda _: None)


def notes(recorder: Recorder) -> list[tuple[str, str, str]]:
    marks = (one for one in recorder.records if isinstance(one, Mark))
    return [(one.subject, one.state, one.detail) for one in marks if one.kind is Kind.NOTE]


async def hit(recorder: Recorder, target: str) -> None:
    """Let a fault stand on the first machine."""
    fault = contextlib.nullcontext()
    async with aimed(fault, target=target, hosts=HOSTS[:1], roles=ROLES, recorder=recorder):
        recorder.fault("cp-1", "injected", "kill etcd")


async def test_a_role_that_is_anothers_by_then_is_noted(recorder: Recorder) -> None:
    """Before anything is broken: the drill would measure the loss of a follower."""
    recorder.mark(Kind.LEADER, "cp-2", "cp-2")
    await hit(recorder, "etcd-leader")
    assert notes(recorder) == [("moved", "etcd-leader", "it was cp-1")]
    last = recorder.records[-1]
    assert isinstance(last, Mark)
    assert last.kind is Kind.FAULT


async def test_nothing_is_noted_of_roles_that_stayed(recorder: Recorder) -> None:
    """Whatever else moved."""
    recorder.mark(Kind.LEADER, "cp-2", "cp-1")
    recorder.mark(Kind.VIP, "cp-2", "holds")
    await hit(recorder, "etcd-leader")
    assert notes(recorder) == []


def test_a_fault_that_was_gone_is_noted_and_others_are_told(recorder: Recorder) -> None:
    """Times of a fault are those of its marks; a note does not move them."""
    tell = telling(recorder)
    tell("cp-1", Turn.INJECTED, "freeze etcd")
    tell("cp-1", Turn.GONE, "freeze etcd")
    tell("cp-1", Turn.UNDONE, "freeze etcd")
    faults = [one for one in recorder.records if isinstance(one, Mark) and one.kind is Kind.FAULT]
    assert [one.state for one in faults] == ["injected", "undone"]
    assert notes(recorder) == [("gone", "cp-1", "freeze etcd")]
