"""How often machines are talked to, counted by their SSH servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from component_sites import CATALOGUE

from backstay.fleet.observe import read_answers
from backstay.fleet.ssh import connected
from backstay.fleet.store import Store
from backstay.fleet.world import World
from backstay.operations.apply import apply
from backstay.pki.trust import UNSEEN
from backstay.planning.observation import HostSeen
from backstay.planning.plan import Plan
from backstay.spec.model import ClusterSpec
from fakes.clusters import Case, Shape, built, wish_of
from fakes.credentials import NOW
from fakes.spoken import instead, spoken
from fakes.sshd import Sshd, serve

MOST_ROUND_TRIPS = 3


@dataclass
class Live:
    """A cluster that is as wished, whose machines are behind SSH servers."""

    case: Case
    servers: dict[str, Sshd]

    @property
    def reached_by(self) -> ClusterSpec:
        """The specification with the addresses of the servers."""
        hosts = [
            host.model_copy(update=dict(self.servers[host.name].spec(host.name).hosts[0]))
            for host in self.case.spec.hosts
        ]
        found = next(iter(self.servers.values())).spec("any")
        return found.model_copy(update={"hosts": tuple(hosts)})


def seen(case: Case) -> dict[str, HostSeen]:
    """Return what the machines would say when they are asked about everything."""
    observation = case.world.observe(wish_of(case.spec, UNSEEN).hosts)
    return {name: one for name, one in observation.hosts.items() if isinstance(one, HostSeen)}


@pytest.fixture(params=[Shape(1), Shape(3, workers=1)], ids=["one machine", "four machines"])
async def live(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Live]:
    """Build a cluster in memory, and let its machines answer over SSH."""
    case = await asyncio.to_thread(built, request.param)
    objects = tuple(case.world.objects.values())
    async with AsyncExitStack() as stack:
        servers = {}
        for name, machine in seen(case).items():
            server = servers[name] = await stack.enter_async_context(serve(tmp_path))
            server.answer = partial(instead, seen=machine, objects=objects)
        yield Live(case, servers)


def test_machines_in_memory_speak_as_real_ones_do() -> None:
    """What they say is understood as what they are; otherwise nothing below means anything."""
    for machine in seen(built(Shape(3, workers=1))).values():
        assert read_answers(spoken(machine, mark="m"), mark="m") == HostSeen(
            machine.survey,
            {
                key: record
                if not (isinstance(record, dict) and "digest" in record)
                else {**record, "pid": str(number)}
                for number, (key, record) in enumerate(machine.records.items(), start=100)
            },
        )


async def test_an_apply_with_nothing_to_do(live: Live, tmp_path: Path) -> None:
    """One connection and at most three round trips per machine; nothing is asked or locked."""

    def agreed(plan: Plan) -> bool:
        pytest.fail(f"there is something to do: {plan.changes}")

    async with connected(live.reached_by) as machines:
        plan = await apply(
            live.case.spec,
            world=World(machines, now=lambda: NOW),
            catalogue=CATALOGUE,
            store=Store(tmp_path),
            agreed=agreed,
        )
    assert plan.is_empty
    counted = {
        name: (server.connections, len(server.commands)) for name, server in live.servers.items()
    }
    assert {connections for connections, _ in counted.values()} == {1}, counted
    assert all(1 <= trips <= MOST_ROUND_TRIPS for _, trips in counted.values()), counted
    assert sum(trips for _, trips in counted.values()) == len(counted) + 1, counted
