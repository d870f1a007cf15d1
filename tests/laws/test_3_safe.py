"""Law 3: a live cluster keeps quorum, and at least one serving apiserver, after every step."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from harms import cases, harms, hurt
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import BackstayError
from fakes.clusters import SHAPES, Case, Shape, Wished, built

# A lone member or a lone apiserver cannot be restarted without being away.
REDUNDANT = st.sampled_from([shape for shape in SHAPES if shape.planes > 1])

DEAD_OR_ALIVE = st.sampled_from(("inactive", "active"))


def perform_watched(case: Case) -> None:
    """Perform the plan; once the cluster lives, it must live after every step and every gate."""
    lived = case.world.is_live

    def watch(where: str) -> None:
        nonlocal lived
        assert case.world.is_live or not lived, where
        lived = case.world.is_live

    case.world.perform(case.look().plan(), watch=watch)


@given(cases(REDUNDANT))
def test_a_live_cluster_lives_after_every_step(case: Case) -> None:
    """Quorum and an apiserver that serves, whatever must be mended."""
    perform_watched(case)
    assert case.world.is_live


@given(REDUNDANT)
def test_restarting_everything_takes_nothing_away(shape: Shape) -> None:
    """New settings for all programs go through the cluster without an outage."""
    case = built(shape, Wished.OTHER)
    perform_watched(case)
    assert case.look().plan().is_empty


def part_of_control_plane(case: Case, pick: int) -> str:
    spec = case.spec
    parts = {*spec.control_planes, *spec.etcd_members, *spec.load_balancers}
    return sorted(host.name for host in parts)[pick % len(parts)]


@given(REDUNDANT, st.sampled_from(Wished), harms, st.integers(0, 20), DEAD_OR_ALIVE)
def test_with_a_silent_part_of_the_control_plane_nothing_that_runs_is_taken_away(
    shape: Shape, wished: Wished, befell: list[tuple[str, int]], pick: int, active: str
) -> None:
    """T10: whether the silent machine is dead or goes on working, nobody knows."""
    case = built(shape, wished)
    for name, number in befell:
        hurt(case, name, number)
    silent = part_of_control_plane(case, pick)
    computer = case.world.computers[silent]
    computer.silent = "no answer on SSH"
    computer.units = {n: replace(u, active=active) for n, u in computer.units.items()}
    before = invocations(case)
    # What was stopped may fail to come up again: then its gate says so, and the run ends.
    with suppress(BackstayError):
        perform_watched(case)
    assert {key: invocations(case)[key] for key in before} == before


def invocations(case: Case) -> dict[tuple[str, str], object]:
    """Tell the processes of the control plane that run, each by what it has read."""
    return {
        (host, name): (unit.digest, unit.recorded, unit.read)
        for host, computer in case.world.computers.items()
        for name, unit in computer.units.items()
        if unit.active == "active" and computer.services[name].tier.one_at_a_time
    }


@given(cases(st.sampled_from([shape for shape in SHAPES if shape.workers])))
def test_a_silent_worker_keeps_nobody_waiting(case: Case) -> None:
    """T10: all others are made as wished, and the silent one is named with its reason."""
    silent = case.spec.workers[0].name
    case.world.computers[silent].silent = "no answer on SSH"
    plan = case.apply()
    assert any("no answer on SSH" in note for note in plan.notes)
    assert silent not in {host for host, _ in plan.changes}
    assert case.look().plan().is_empty
    case.world.computers[silent].silent = ""
    assert {host for host, _ in case.apply().changes} <= {silent}
