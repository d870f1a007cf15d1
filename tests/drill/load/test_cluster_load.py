"""All clients together, against an API and members in memory, and what a judge says of it."""

from __future__ import annotations

import asyncio
import gc
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path as File

import grpc
import pytest

from backstay.drill.history import (
    Action,
    FinalHash,
    FinalRead,
    Header,
    History,
    Kind,
    Mark,
    Operation,
    Outcome,
    Record,
    WatchEvent,
)
from backstay.drill.load import run
from backstay.drill.load.access import Access
from backstay.drill.load.plan import LoadPlan, load_plan
from backstay.drill.load.run import ClusterLoad
from backstay.drill.oracle.judge import RATE, judge
from backstay.drill.oracle.verdict import Verdict
from backstay.errors import StepFailedError
from fakes.drill_tls import credentials
from fakes.etcd_member import Member, etcd_member
from fakes.kube_api import Api, answers, kube_api


@dataclass
class Cluster:
    """One API, its members, and all ways into it; what was recorded of it, by its clock."""

    api: Api
    members: dict[str, Member]
    records: list[Record] = field(default_factory=list)
    zero: int = field(default_factory=time.monotonic_ns)

    @property
    def access(self) -> Access:
        """The ways in."""
        members = {host: one.address for host, one in self.members.items()}
        own = credentials()
        return Access(
            self.api.address, {"cp-1": self.api.address}, members, own, own, self.api.address
        )

    def plan(self) -> LoadPlan:
        """A load for a busy computer, and patience with it."""
        planned = load_plan(
            run="r1",
            seed=1,
            planes=("cp-1",),
            members=tuple(self.members),
            service=True,
            seconds=1,
            scale=0.3,
        )
        return replace(planned, seconds=20)

    def clock(self) -> int:
        """Nanoseconds since the beginning."""
        return time.monotonic_ns() - self.zero

    def mark(self, phase: str) -> None:
        """Record the beginning of a phase."""
        self.records.append(Mark(self.clock(), Kind.PHASE, phase))

    def history(self, plan: LoadPlan) -> History:
        """What a judge is given."""
        header = Header(
            *("none", "fake", "", "", 1),
            clients=plan.clients,
            members=tuple(self.members),
            load={RATE: plan.rate},
        )
        return History(header, tuple(self.records))


@asynccontextmanager
async def running(members: int = 1) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(kube_api())
        found = {
            f"cp-{number + 1}": await stack.enter_async_context(etcd_member())
            for number in range(members)
        }
        yield Cluster(api, found)


async def test_a_load_on_a_well_cluster_passes_every_check() -> None:
    """From its registers to its last reads, a judge finds nothing missing and nothing wrong.

    Whether there was enough load, and in time, is another test's: this computer may be busy.
    """
    async with running() as cluster:
        plan = cluster.plan()
        load = ClusterLoad.on(cluster.access, plan)
        await load.prepare()
        stop = asyncio.Event()
        cluster.mark("warm-up")
        working = asyncio.ensure_future(
            load.run(record=cluster.records.append, clock=cluster.clock, stop=stop)
        )
        await asyncio.sleep(1.0)
        cluster.mark("fault")
        stop.set()
        await working
        cluster.mark("final")
        await load.final(record=cluster.records.append)
        cluster.mark("end")
        judgement = judge(cluster.history(plan), now=time.monotonic)
        await load.remove()
    judged = {one.check for one in judgement.findings if one.verdict is Verdict.PASS}
    assert {one.check for one in judgement.findings} - judged <= {"load", "clients"}
    operations = [one for one in cluster.records if isinstance(one, Operation)]
    assert {one.client for one in operations} == {one.client.name for one in plan.workers}
    assert {one.outcome for one in operations} == {Outcome.OK}
    assert {client for client, _ in last_heard(cluster)} == {one.name for one in plan.watches}
    assert {event for _, event in last_heard(cluster)} == last_written(operations, plan)
    sources = {one.source for one in cluster.records if isinstance(one, FinalRead)}
    assert sources == {"apiserver cp-1", "etcd cp-1"}
    assert cluster.api.things == {}
    assert cluster.members["cp-1"].keys == {}


def last_heard(cluster: Cluster) -> set[tuple[str, int]]:
    """The newest event of each watch."""
    newest = {one.client: one.modified for one in cluster.records if isinstance(one, WatchEvent)}
    return set(newest.items())


def last_written(operations: list[Operation], plan: LoadPlan) -> set[int]:
    """The newest write to each store."""
    stores = {one.name: one.store for one in plan.clients}
    newest: dict[str, int] = {}
    for one in operations:
        if one.action is Action.WRITE:
            store = stores[one.client]
            newest[store] = max(newest.get(store, 0), one.modified or 0)
    return set(newest.values())


async def test_a_load_goes_on_whatever_the_cluster_does() -> None:
    """With everything gone, operations fail, watches wait, and stopping is as quick as ever."""
    async with running() as cluster:
        load = ClusterLoad.on(cluster.access, cluster.plan())
        await load.prepare()
        stop = asyncio.Event()
        working = asyncio.ensure_future(
            load.run(record=cluster.records.append, clock=cluster.clock, stop=stop)
        )
        await asyncio.sleep(0.2)
        await cluster.members["cp-1"].stop()
        cluster.api.acts.extend([answers(500)] * 10_000)
        for session in list(cluster.api.sessions):
            session.transport.abort()
        gone = cluster.clock()
        async with asyncio.timeout(20):
            while len(called_after(cluster, gone)) < 20 and not working.done():
                await asyncio.sleep(0.01)
            stop.set()
            await working
    outcomes = {one.outcome for one in called_after(cluster, gone)}
    assert outcomes == {Outcome.FAIL, Outcome.UNKNOWN}


@pytest.mark.parametrize("stopped", [True, False])
async def test_nobody_sleeps_through_the_end(
    monkeypatch: pytest.MonkeyPatch, *, stopped: bool
) -> None:
    """Who is told to come back in an hour is told to go, and what was asked for may yet happen."""
    monkeypatch.setattr(run, "LEAVE_SECONDS", 0.1)
    async with running() as cluster:
        load = ClusterLoad.on(cluster.access, replace(cluster.plan(), seconds=0.5))
        await load.prepare()
        cluster.api.acts.extend([answers(429, retry_after="3600")] * 10_000)
        stop = asyncio.Event()
        working = asyncio.ensure_future(
            load.run(record=cluster.records.append, clock=cluster.clock, stop=stop)
        )
        async with asyncio.timeout(20):
            await until_asked(cluster)
            stop.set() if stopped else working.cancel()
            await asyncio.wait([working])
    operations = [one for one in cluster.records if isinstance(one, Operation)]
    left = {one.client: one for one in operations if one.error == "left"}
    assert {one.client.name for one in load.plan.workers if one.client.store != "etcd"} <= {*left}
    assert {one.outcome for one in left.values()} == {Outcome.UNKNOWN}
    assert all((one.value is None) is (one.action is Action.READ) for one in left.values())


async def until_asked(cluster: Cluster) -> None:
    """Wait until each client of the API that works has asked once."""
    asked = 0
    while asked < 8:
        await asyncio.sleep(0.01)
        asked = sum(
            "configmaps/" in path for method, path, _ in cluster.api.asked if method != "POST"
        )


def called_after(cluster: Cluster, moment: int) -> list[Operation]:
    """What was asked since then."""
    operations = (one for one in cluster.records if isinstance(one, Operation))
    return [one for one in operations if one.called > moment]


async def test_a_load_that_is_cancelled_leaves_nothing_running() -> None:
    """Whoever stops a drill need not wait for its clients."""
    async with running() as cluster:
        load = ClusterLoad.on(cluster.access, cluster.plan())
        await load.prepare()
        before = asyncio.all_tasks()
        working = asyncio.ensure_future(
            load.run(record=cluster.records.append, clock=cluster.clock, stop=asyncio.Event())
        )
        await asyncio.sleep(0.2)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        ours = [one for one in asyncio.all_tasks() - before if "backstay" in str(one.get_coro())]
        assert ours == []


async def test_an_error_of_our_own_ends_the_load() -> None:
    """A recorder that cannot write is not passed over."""

    def full(record: Record) -> None:
        del record
        raise OSError("no space left")

    async with running() as cluster:
        load = ClusterLoad.on(cluster.access, cluster.plan())
        await load.prepare()
        with pytest.raises(ExceptionGroup):
            async with asyncio.timeout(20):
                await load.run(record=full, clock=cluster.clock, stop=asyncio.Event())


async def test_a_cluster_that_takes_no_registers_is_not_drilled() -> None:
    """The error says what the API said."""
    async with running() as cluster:
        load = ClusterLoad.on(cluster.access, cluster.plan())
        cluster.api.acts.append(answers(403))
        with pytest.raises(StepFailedError, match="http 403"):
            await load.prepare()


async def test_hashes_are_compared_only_where_compaction_is_the_same() -> None:
    """Members compact one after the other: until all have, their hashes say nothing."""
    async with running(2) as cluster:
        load = ClusterLoad.on(cluster.access, cluster.plan())
        first, second = cluster.members.values()
        first.compacted = 50
        asyncio.get_running_loop().call_later(0.5, setattr, second, "compacted", 50)
        await load.final(record=cluster.records.append)
    found = [one for one in cluster.records if isinstance(one, FinalHash)]
    assert [one.member for one in found] == ["cp-1", "cp-2"]
    assert len({(one.revision, one.hash) for one in found}) == 1
    assert second.compacted == 50


async def test_a_last_read_is_asked_for_again() -> None:
    """A member may have just come back."""
    async with running() as cluster:
        load = ClusterLoad.on(cluster.access, cluster.plan())
        refusal = (grpc.StatusCode.UNAVAILABLE, "etcdserver: leader changed")
        cluster.members["cp-1"].refusals.extend([refusal] * 2)
        cluster.api.acts.append(answers(500))
        await load.final(record=cluster.records.append)
    sources = {one.source for one in cluster.records if isinstance(one, FinalRead)}
    assert sources == {"apiserver cp-1", "etcd cp-1"}


def test_a_client_s_key_is_never_on_a_disk(tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> None:
    """The context is made from memory, and leaves no descriptor behind."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    gc.collect()
    before = sorted(one.name for one in File("/proc/self/fd").iterdir())
    context = credentials().context()
    after = sorted(one.name for one in File("/proc/self/fd").iterdir())
    assert isinstance(context, ssl.SSLContext)
    # What tests before this one left may be closed meanwhile, by threads of theirs.
    assert len(after) <= len(before)
    assert list(tmp_path.iterdir()) == []
