"""A cluster of machines in memory, changed by the very scripts that fleet/perform.py sends.

Time passes only where somebody waits for it: a unit that was restarted stays away until a gate
asks for it. Whatever forgets to wait finds things away.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backstay.components.loadbalancer import CONFIG as HAPROXY_SETTINGS
from backstay.errors import GateTimeoutError, StepFailedError, UnreachableError
from backstay.fleet import events
from backstay.fleet.observe import script_text
from backstay.fleet.perform import Performer
from backstay.fleet.store import Store
from backstay.fleet.transport import Completed
from backstay.fleet.world import World
from backstay.planning.drift import object_name
from backstay.planning.invariants import quorum
from backstay.planning.observation import HostSeen, Observation, Unreachable
from backstay.planning.plan import (
    ApiReady,
    BalancerServes,
    DeploymentAvailable,
    EndpointServes,
    EtcdHealthy,
    Gate,
    LeasesHeld,
    NodesReady,
    NodesRegistered,
    Plan,
    UnitsActive,
)
from backstay.resources.resource import Key, Resource, Seen, Unknown
from backstay.resources.service import Service
from backstay.spec.model import ClusterSpec
from fakes.computer import ETCD, UNITS, Computer, Node, Unit, facts
from fakes.credentials import Credentials

APISERVER, HAPROXY = "kube-apiserver.service", "haproxy.service"
SPEAKER = "keepalived.service"
CONTROLLERS = ("kube-controller-manager.service", "kube-scheduler.service")
NODE = ("containerd.service", "kubelet.service")


MARK = "mark"


class Cut(BaseException):
    """The one who performs was killed: no error that anyone could handle."""


@dataclass(frozen=True, slots=True)
class _MemoryMachine:
    """A machine as fleet/transport.py wants it."""

    world: MemoryWorld
    name: str

    async def run(self, script: str, *, deadline: float, on_line: object = None) -> Completed:
        del deadline, on_line
        return self.world.run(self.name, script)


@dataclass(frozen=True, slots=True)
class _Gates:
    """Waits as fleet/gates.py does, without a clock."""

    world: MemoryWorld

    @property
    def planes(self) -> tuple[str, ...]:
        return tuple(host for host in self.world.planes if not self.world.computers[host].silent)

    async def all(self, gates: Sequence[Gate]) -> None:
        self.world.hold(gates)


def commands(script: str) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """Yield the commands of a performing script, each with what it gets on standard input."""
    lines = iter(script.partition(script_text("perform.sh"))[2].splitlines())
    for line in filter(None, lines):
        words, _, rest = line.partition(' 2>"$reason"')
        ending = rest.partition("<<'")[2].partition("'")[0]
        body = "".join(iter(lambda: next(lines), ending)) if ending else ""
        argv = shlex.split(words) if "'" in words else words.split()
        yield tuple(argv), base64.b64decode(body)


@dataclass(slots=True)
class MemoryWorld:
    """All machines of a cluster, and what its API holds.

    `keyring` finds the bytes of contents. `budget` is how many single changes may still happen
    before one fails with `spent`, `ticks` names those that did; `told` is every command that was
    run, `events` what was said.
    """

    spec: ClusterSpec
    computers: dict[str, Computer]
    keyring: Credentials
    objects: dict[str, Mapping[str, object]] = field(default_factory=dict)
    budget: int | None = None
    spent: Callable[[], BaseException] = Cut
    ticks: list[str] = field(default_factory=list)
    told: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    events: list[events.Event] = field(default_factory=list)

    def __copy__(self) -> MemoryWorld:
        computers = {name: copy(computer) for name, computer in self.computers.items()}
        return replace(
            self, computers=computers, objects=dict(self.objects), ticks=[], told=[], events=[]
        )

    # ------------------------------------------------------------------ looking

    def observe(self, wished: Mapping[str, Mapping[Key, Resource]]) -> Observation:
        """Return what fleet/observe.py would have understood of the machines' answers."""
        return Observation({host: self._host(host, wished[host]) for host in wished})

    def _host(self, host: str, wished: Mapping[Key, Resource]) -> HostSeen | Unreachable:
        computer = self.computers[host]
        if computer.silent:
            return Unreachable(computer.silent)
        records: dict[Key, Seen] = {
            key: facts(computer, one.probe().verb, one.probe().argument)
            for key, one in wished.items()
        }
        unread = Unknown("it is there, but could not be read")
        records |= dict.fromkeys(computer.unreadable & records.keys(), unread)
        told = {
            "etcd_data": _yes(computer.etcd_data),
            "etcd_served": _yes(computer.etcd_served),
            "etcd_leader": _yes(host == self.leader),
            "addresses": self._addresses(host),
            "listening": computer.survey["listening"] + self._bound(host),
            "cluster": computer.text("/etc/backstay/cluster").replace("\n", " "),
        }
        return HostSeen({**computer.survey, **told}, records)

    def _addresses(self, host: str) -> str:
        addresses = self.computers[host].survey["addresses"]
        speaking = [h.name for h in self.spec.load_balancers if self._is_active(h.name, SPEAKER)]
        holds = speaking[:1] == [host]
        return f"{addresses}eth0={self.spec.endpoint.vip}/32," if holds else addresses

    def _bound(self, host: str) -> str:
        found = re.search(
            r"bind \S*:(\d+)$", self.computers[host].text(HAPROXY_SETTINGS), re.MULTILINE
        )
        return f"{found[1]}," if found and self._is_active(host, HAPROXY) else ""

    def ask(
        self, wanted: Sequence[Mapping[str, object]]
    ) -> Mapping[str, Mapping[str, object] | Unknown | None]:
        """Return what the API says of objects; unknown when none answers."""
        names = [object_name(one) for one in wanted]
        if not any(one.etcd_data for one in self.computers.values() if not one.silent):
            return dict.fromkeys(names)
        if not self.serving:
            return dict.fromkeys(names, Unknown("no apiserver answers"))
        return {name: self.objects.get(name) for name in names}

    # ------------------------------------------------------------------ how the cluster is

    def unit(self, host: str, name: str) -> Unit:
        """Return a unit of a machine."""
        return self.computers[host].units.get(name, Unit())

    @property
    def services(self) -> Iterator[tuple[str, Service]]:
        """Every unit that is wished, with its host."""
        for host, computer in self.computers.items():
            yield from ((host, service) for service in computer.services.values())

    @property
    def members(self) -> tuple[str, ...]:
        """Hosts with a member of etcd."""
        return tuple(host.name for host in self.spec.etcd_members)

    @property
    def planes(self) -> tuple[str, ...]:
        """Hosts with an apiserver."""
        return tuple(host.name for host in self.spec.control_planes)

    @property
    def leader(self) -> str:
        """The member that leads: the first by name, as bad as any for a rolling restart."""
        return min((h for h in self.members if self._is_active(h, ETCD)), default="")

    @property
    def has_quorum(self) -> bool:
        """Whether more than half of the members serve."""
        active = [host for host in self.members if self._is_active(host, ETCD)]
        return len(active) >= quorum(len(self.members))

    @property
    def serving(self) -> tuple[str, ...]:
        """Hosts whose apiserver answers, with its own member and quorum behind it."""
        return tuple(
            h for h in self.planes if self._is_active(h, APISERVER) and self._etcd_behind(h)
        )

    @property
    def is_live(self) -> bool:
        """Whether writes go through: quorum, and an apiserver to take them."""
        return self.has_quorum and bool(self.serving)

    def _is_active(self, host: str, name: str) -> bool:
        return self.unit(host, name).active == "active"

    def _etcd_behind(self, host: str) -> bool:
        return (host not in self.members or self._is_active(host, ETCD)) and self.has_quorum

    # ------------------------------------------------------------------ performing

    def perform(self, plan: Plan, *, watch: Callable[[str], None] = lambda _: None) -> None:
        """Perform all stages by fleet/perform.py; `watch` is called after every step and wait."""
        asyncio.run(self._performer(watch).perform(plan))

    def _performer(self, watch: Callable[[str], None]) -> Performer:
        def tell(event: events.Event) -> None:
            self.events.append(event)
            if isinstance(event, events.StepDone | events.StageDone):
                watch(str(event))

        machines = {name: _MemoryMachine(self, name) for name in self.computers}
        silent = {n: UnreachableError(c.silent) for n, c in self.computers.items() if c.silent}
        world = World({**machines, **silent}, tell=tell)
        keyring: Any = self.keyring
        waiting: Any = _Gates(self)
        return Performer(world, keyring, Store(Path("nowhere")), waiting, MARK)

    def run(self, host: str, script: str) -> Completed:
        """Run a script of fleet/perform.py or fleet/kube.py on a machine."""
        if not script.startswith("mark="):
            return self._kubectl(script)
        staged: dict[str, Node] = {}
        try:
            for argv, stdin in commands(script):
                self.command(host, argv, stdin, staged)
        except StepFailedError as error:
            return Completed(1, f"{MARK}\tfailed\t{error.what}\n", "")
        return Completed(0, "", "")

    def _kubectl(self, script: str) -> Completed:
        """Take objects in, if an apiserver serves."""
        if not self.serving:
            return Completed(1, "", "connection refused")
        body = script.partition("\n")[2].rpartition("END")[0]
        items = json.loads(base64.b64decode(body))["items"]
        self.tick("apply")
        self.objects |= {object_name(one): one for one in items}
        self.told += [("", ("apply", object_name(one))) for one in items]
        return Completed(0, "", "")

    def tick(self, what: str) -> None:
        """Let one more single change happen, unless the budget is spent."""
        if self.budget is not None:
            if self.budget == 0:
                raise self.spent()
            self.budget -= 1
        self.ticks.append(what)

    def command(
        self, host: str, argv: tuple[str, ...], stdin: bytes, staged: dict[str, Node]
    ) -> None:
        """Run one command of fleet/scripts/perform.sh; only `commit` moves what was placed."""
        self.told.append((host, argv))
        match argv:
            case ("begin" | "locate", *_):
                pass
            case ("place", path, mode, owner, *_):
                staged[path] = Node(stdin, mode, owner)
            case ("commit",):
                self._commit(host, staged)
            case _:
                self.tick(f"{host} {' '.join(argv[:2]) if argv[0] == 'systemctl' else argv[0]}")
                self.computers[host].run(argv)

    def _commit(self, host: str, staged: dict[str, Node]) -> None:
        for path, node in staged.items():
            self.tick(f"{host} move")
            self.computers[host].tree[path] = node
        if any(path.startswith(UNITS) for path in staged):
            self.tick(f"{host} systemctl daemon-reload")
            self.computers[host].run(("systemctl", "daemon-reload"))
        staged.clear()

    # ------------------------------------------------------------------ waiting

    def rest(self) -> None:
        """Let all the time pass that anything needs."""
        for only in (ETCD, APISERVER, ""):
            for host, computer in self.computers.items():
                for name in sorted(computer.units):
                    if only in {name, ""}:
                        self._up(host, name)

    def hold(self, gates: Sequence[Gate]) -> None:
        """Wait for all gates; only what they ask for, and what that needs, comes up meanwhile."""
        left = list(gates)
        for _ in gates:
            left = [gate for gate in left if not self._holds(gate)]
        if left:
            raise GateTimeoutError("gate not passed", why=str(left))

    def _up(self, host: str, *names: str) -> bool:
        for name in names:
            self.computers[host].settle(name, needs=self._has_needs(host, name))
        return all(self._is_active(host, name) for name in names)

    def _has_needs(self, host: str, name: str) -> bool:
        if name == ETCD:
            coming = [h for h in self.members if self.unit(h, ETCD).is_coming]
            return len(coming) >= quorum(len(self.members))
        return name != APISERVER or self._etcd_behind(host)

    def _api(self, host: str) -> bool:
        for member in self.members:
            self._up(member, ETCD)
        return self._up(host, APISERVER) and host in self.serving

    def _any_api(self) -> bool:
        return True in [self._api(host) for host in self.planes]

    def _holds(self, gate: Gate) -> bool:
        match gate:
            case UnitsActive(host, units):
                return self._up(host, *units)
            case EtcdHealthy(host):
                return self._up(host, ETCD) and self.has_quorum
            case ApiReady(host):
                return self._api(host)
            case BalancerServes(host):
                port = f"{self.spec.endpoint.port},"
                return self._up(host, HAPROXY) and self._any_api() and self._bound(host) == port
            case EndpointServes(host):
                return self._up(host, HAPROXY) and self._any_api()
            case LeasesHeld():
                return self._any_api() and any(self._up(h, *CONTROLLERS) for h in self.planes)
            case NodesReady(names) | NodesRegistered(names):
                return self._any_api() and False not in [self._up(name, *NODE) for name in names]
            case DeploymentAvailable(namespace, name):
                return f"Deployment/{namespace}/{name}" in self.objects and self._any_api()


def _yes(value: object) -> str:
    return "yes" if value else "no"
