"""Measure machines: how far apart they are, how slow their disks, how late their processors."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import dirname

from backstay.components.addresses import Port, https, socket_text
from backstay.components.etcd import HOME
from backstay.errors import GateTimeoutError, UnreachableError
from backstay.fleet.events import Note
from backstay.fleet.observe import read_answers, script_text
from backstay.fleet.world import World
from backstay.planning.observation import HostSeen
from backstay.planning.spread import Spread, histograms, of_buckets, of_samples
from backstay.planning.tuning import Measured, Quantity, Source
from backstay.resources.resource import Unknown
from backstay.spec.model import ClusterSpec, Host

MEASURE_SECONDS = 60.0
SAMPLES = 200
"""Of what takes a few milliseconds: so that two of them are above what 99 of 100 stay below."""

CHECKS = 40
"""Of /readyz, which costs an apiserver a handshake each time."""

ENOUGH = 100
"""With fewer, the worst of a hundred is not in what etcd counted: it tries peers twice a minute."""

_METRICS = {
    Quantity.ROUND_TRIP: "etcd_network_peer_round_trip_time_seconds",
    Quantity.FSYNC: "etcd_disk_wal_fsync_duration_seconds",
}
_PAIRS = {"peer": Quantity.ROUND_TRIP, "readyz": Quantity.READYZ}


@dataclass(frozen=True, slots=True)
class Measurements:
    """What was measured, why some machines were not, and what to do about it."""

    measured: tuple[Measured, ...]
    silent: Mapping[str, str]
    next_moves: tuple[str, ...] = ()


async def measure(spec: ClusterSpec, world: World, *, mark: str) -> Measurements:
    """Measure members and balancers, all at once; `mark` is a random word of this run.

    Raises UnreachableError when none of them answers.
    """
    hosts = sorted({*spec.etcd_members, *spec.load_balancers}, key=lambda host: host.name)
    _announce(world, [host.name for host in hosts])
    found = await asyncio.gather(*(_ask(spec, host, world, mark) for host in hosts))
    seen = dict(zip((host.name for host in hosts), found, strict=True))
    silent = {name: one for name, one in seen.items() if isinstance(one, UnreachableError)}
    if len(silent) == len(seen):
        raise next(iter(silent.values()))
    return Measurements(
        tuple(
            measured
            for name, one in seen.items()
            if isinstance(one, HostSeen)
            for measured in read_measured(name, one)
        ),
        {name: error.sentence for name, error in silent.items()},
        tuple(error.next_move for error in silent.values()),
    )


def _announce(world: World, hosts: Sequence[str]) -> None:
    for host in hosts:
        machine = world.machines[host]
        if isinstance(machine, UnreachableError):
            world.tell(Note(machine.sentence, host))
    if any(host in world.reached for host in hosts):
        world.tell(Note("measuring for some seconds"))


async def _ask(
    spec: ClusterSpec, host: Host, world: World, mark: str
) -> HostSeen | UnreachableError:
    machine = world.machines[host.name]
    if isinstance(machine, UnreachableError):
        return machine
    try:
        done = await machine.run(_script(spec, host, mark=mark), deadline=MEASURE_SECONDS)
    except UnreachableError as error:
        return error
    except GateTimeoutError as error:
        return UnreachableError(error.what, where=error.where)
    return read_answers(done.stdout, mark=mark)


def _script(spec: ClusterSpec, host: Host, *, mark: str) -> str:
    calls = "\n".join(shlex.join(call) for call in _calls(spec, host))
    return "\n".join((f"mark={mark}", script_text("observe.sh"), script_text("measure.sh"), calls))


def _calls(spec: ClusterSpec, host: Host) -> Iterator[tuple[str, ...]]:
    """Yield what the host is to measure, one after the other, so that nothing disturbs the next."""
    yield "measure_lateness", str(SAMPLES)
    for role in (spec.etcd_members, spec.load_balancers):
        if host in role:
            for peer in role:
                if peer != host:
                    url = https(peer.internal, Port.ETCD_PEER)
                    yield "measure_peer", str(SAMPLES), peer.name, url
    if host in spec.etcd_members:
        yield "measure_fsync", str(SAMPLES), HOME, dirname(HOME)
        yield ("measure_etcd",)
    if host in spec.load_balancers:
        for plane in spec.control_planes:
            address = socket_text(plane.internal, Port.APISERVER)
            yield "measure_readyz", str(CHECKS), plane.name, address


def read_measured(host: str, seen: HostSeen) -> Iterator[Measured]:
    """Yield what a machine found; of what etcd counted often enough itself, only that."""
    counted = histograms(seen.survey.get("metrics", "").replace("\\n", "\n"))
    by_etcd = {
        quantity: spreads
        for quantity, name in _METRICS.items()
        if (spreads := list(_often_enough(counted.get(name, ()))))
    }
    for quantity, spreads in by_etcd.items():
        yield from (Measured(quantity, host, one, Source.ETCD) for one in spreads)
    for quantity, peer, times in _probed(seen):
        spread = of_samples([1000 * float(one) for one in times.split()])
        if spread is not None and quantity not in by_etcd:
            yield Measured(quantity, host, spread, peer=peer)


def _often_enough(counted: Iterable[Mapping[float, int]]) -> Iterator[Spread]:
    spreads = map(of_buckets, counted)
    return (one for one in spreads if one is not None and one.count >= ENOUGH)


def _probed(seen: HostSeen) -> Iterator[tuple[Quantity, str, str]]:
    for quantity in (Quantity.FSYNC, Quantity.LATENESS):
        yield quantity, "", seen.survey.get(quantity, "")
    for key, record in seen.records.items():
        if key.kind in _PAIRS and record is not None and not isinstance(record, Unknown):
            yield _PAIRS[key.kind], key.name, record["times"]
