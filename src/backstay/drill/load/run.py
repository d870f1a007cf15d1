"""All clients of a drill together, and the reads at its end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from backstay.drill.history import (
    Client,
    FinalHash,
    Path,
    Record,
)
from backstay.drill.load import etcd, kube
from backstay.drill.load.access import Access, Address
from backstay.drill.load.clients import Notebook, Watching, Working
from backstay.drill.load.final import (
    FINAL_SECONDS,
    PATIENCE_SECONDS,
    POLL_SECONDS,
    Failure,
    Source,
    final_reads,
)
from backstay.drill.load.newest import Newest
from backstay.drill.load.plan import LoadPlan
from backstay.drill.load.store import Store
from backstay.errors import GateTimeoutError, StepFailedError

LEAVE_SECONDS = 3.0
"""Beyond an attempt, for who has to wait or to send again; a Retry-After may say an hour."""

T = TypeVar("T")


@dataclass(slots=True)
class ClusterLoad:
    """The load of one drill on one cluster."""

    plan: LoadPlan
    access: Access
    context: ssl.SSLContext

    @classmethod
    def on(cls, access: Access, plan: LoadPlan) -> ClusterLoad:
        """Return the load, with the access's credentials ready."""
        return cls(plan, access, access.kubernetes.context())

    async def prepare(self) -> None:
        """Make the registers; raises StepFailedError when the cluster does not take them."""
        api = self._api(self.access.endpoint)
        try:
            await kube.make_registers(api, self.plan.run, self.plan.keys, seconds=PATIENCE_SECONDS)
        except kube.KubeError as error:
            raise StepFailedError(
                "the registers that clients write to could not be made",
                where=f"{self.access.endpoint.host}:{self.access.endpoint.port}",
                why=str(error),
                next_move="backstay status",
            ) from error
        finally:
            await api.close()

    async def run(
        self, *, record: Callable[[Record], None], clock: Callable[[], int], stop: asyncio.Event
    ) -> None:
        """Let all clients work until `stop` is set."""
        newest = Newest(record, {one.name: one for one in self.plan.clients})
        notebook = Notebook(newest.record, clock, stop)
        keys = frozenset(self.plan.keys)
        watches = [Watching(one, self._store(one), keys) for one in self.plan.watches]
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(one.run(notebook)) for one in watches]
            async with asyncio.TaskGroup() as working:
                workers = [working.create_task(one.run(notebook)) for one in self._workers()]
                working.create_task(_gone(workers, stop, self.plan.seconds + LEAVE_SECONDS))
            await newest.reached_by(watches)
            for task in watching:
                task.cancel()

    def _workers(self) -> Iterator[Working]:
        seeds = Random(self.plan.seed)  # noqa: S311  # chosen keys are no secrets
        for worker in self.plan.workers:
            own = Random(seeds.getrandbits(64))  # noqa: S311
            store = self._store(worker.client)
            yield Working(worker, store, self.plan.keys, own, self.plan.seconds)

    def _store(self, client: Client) -> Store:
        access = self.access
        match client.path:
            case Path.ETCD:
                return self._member(client.host)
            case Path.NODE:
                return self._plane(client.host)
            case Path.SERVICE if access.service is not None:
                return kube.Registers(self._api(access.service), self.plan.run)
            case _:
                return kube.Registers(self._api(access.endpoint), self.plan.run)

    def _member(self, host: str) -> etcd.Registers:
        return etcd.Registers(etcd.Etcd(self.access.members[host], self.access.etcd), self.plan.run)

    def _plane(self, host: str) -> kube.Registers:
        return kube.Registers(self._api(self.access.planes[host]), self.plan.run)

    def _api(self, address: Address) -> kube.Api:
        return kube.Api(address, self.context)

    async def final(self, *, record: Callable[[Record], None]) -> None:
        """Read every register from every member and apiserver, and hash every member.

        A source that does not answer leaves nothing: the judge sees that it is missing.
        """
        sources: dict[str, Source] = {
            **{f"etcd {host}": self._member(host) for host in self.access.members},
            **{f"apiserver {host}": self._plane(host) for host in self.access.planes},
        }
        for one in await final_reads(sources, self.plan.keys):
            record(one)
        await self._hash(record)

    async def _hash(self, record: Callable[[Record], None]) -> None:
        members = {host: self._member(host).etcd for host in self.access.members}
        with suppress(GateTimeoutError):
            for one in await _eventually(lambda: _hashes(members)):
                record(one)
        for member in members.values():
            await member.close()

    async def remove(self) -> None:
        """Remove what the drill wrote, as far as the cluster answers."""
        api = self._api(self.access.endpoint)
        members = [self._member(host).etcd for host in self.access.members]
        with suppress(*Failure):
            await kube.remove_registers(api, self.plan.run, seconds=PATIENCE_SECONDS)
        for member in members:
            with suppress(*Failure):
                await etcd.remove_registers(member, self.plan.run, seconds=PATIENCE_SECONDS)
                break
        await api.close()
        for member in members:
            await member.close()


async def _gone(workers: Sequence[asyncio.Task[None]], stop: asyncio.Event, seconds: float) -> None:
    """Wait for the end, and for so long until all workers have left; then they have to."""
    await stop.wait()
    _, late = await asyncio.wait(workers, timeout=seconds)
    for one in late:
        one.cancel()


class _NotComparableError(Exception):
    """Members were asked for hashes while they compacted their stores."""


async def _hashes(members: Mapping[str, etcd.Etcd]) -> tuple[FinalHash, ...]:
    """Return the hashes of all members at the newest revision that any of them has."""
    told = [await etcd.status(one, seconds=PATIENCE_SECONDS) for one in members.values()]
    revision = max(one.header.revision for one in told)
    found = [
        await etcd.hash_at(one, revision, seconds=PATIENCE_SECONDS) for one in members.values()
    ]
    if len({kept for _, kept in found}) > 1:
        raise _NotComparableError("the members have not all compacted yet")
    return tuple(
        FinalHash(host, revision, number) for host, (number, _) in zip(members, found, strict=True)
    )


async def _eventually(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer; raises GateTimeoutError with the last failure."""
    said = ""
    try:
        async with asyncio.timeout(FINAL_SECONDS):
            while True:
                try:
                    return await ask()
                except (*Failure, _NotComparableError) as error:
                    said = str(error)
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError as error:
        raise GateTimeoutError("a last read had no answer", why=said) from error
