"""Wait for conditions with deadlines: retry waiting, never doing.

Every gate is asked until it says yes or its deadline passes; then its last answer is the reason.
"""

from __future__ import annotations

import asyncio
import shlex
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import httpx2

from backstay.errors import GateTimeoutError, StepFailedError
from backstay.fleet import events, kube
from backstay.fleet.reasons import reason
from backstay.fleet.world import World
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
    UnitsActive,
)
from backstay.planning.wording import gate_text
from backstay.spec.model import ClusterSpec

# Polling is cheap where it happens; a tenth of a second is far below any election or boot time.
POLL_SECONDS = 0.1
READYZ_SECONDS = 2.0
ETCD_STEM = "/etc/kubernetes/pki/etcd/healthcheck-client"
APISERVER_PORT = 6443
# What kubectl says while an apiserver starts or its etcd elects: it may hold a moment later.
PASSING = (
    "was refused",
    "Unable to connect to the server",
    "unable to handle the request",
    "etcdserver: ",
    "connection lost",
    "EOF",
)
# A name that every apiserver certificate carries; addresses differ, this does not.
APISERVER_NAME = "kubernetes.default.svc"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Asks gates until they hold; `authority` is the PEM of the cluster's CA."""

    world: World
    spec: ClusterSpec
    authority: str

    @property
    def planes(self) -> tuple[str, ...]:
        """Control planes through which the API may be asked, reachable ones only."""
        reached = self.world.reached
        return tuple(host.name for host in self.spec.control_planes if host.name in reached)

    async def all(self, gates: Sequence[Gate]) -> None:
        """Wait for every gate; raises the error of the first that cannot hold.

        For units first: one that was told to restart answers as before until it is stopped.
        """
        running = [gate for gate in gates if isinstance(gate, UnitsActive)]
        await self._at_once(running)
        await self._at_once([gate for gate in gates if gate not in running])

    async def _at_once(self, gates: Sequence[Gate]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for gate in gates:
                    group.create_task(self._one(gate))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _one(self, gate: Gate) -> None:
        name = gate_text(gate)
        began = time.monotonic()
        self.world.tell(events.GateWaiting(name, "", 0.0))
        seconds = gate.deadline.total_seconds()
        try:
            await self._hold(gate, seconds)
        except GateTimeoutError as error:
            raise GateTimeoutError(
                f"gate not passed after {time.monotonic() - began:.0f} s of {seconds:g} s: {name}",
                where=error.where,
                why=error.why,
                next_move="backstay status; then run again: backstay apply",
            ) from error
        self.world.tell(events.GateDone(name, time.monotonic() - began))

    async def _hold(self, gate: Gate, seconds: float) -> None:
        match gate:
            case UnitsActive(host, units):
                await self._on_machine(host, _units_script(units), seconds)
            case EtcdHealthy(host):
                await self._on_machine(host, _etcd_script(), seconds)
            case ApiReady(host):
                address = str(self.spec.host(host).internal)
                await self._readyz(host, address, APISERVER_PORT, seconds)
            case BalancerServes(host):
                address = str(self.spec.host(host).internal)
                await self._readyz(host, address, self.spec.endpoint.port, seconds)
            case EndpointServes(host):
                endpoint = self.spec.endpoint
                await self._readyz(host, endpoint.host, endpoint.port, seconds)
            case LeasesHeld(names):
                leases = tuple(f"lease/{name}" for name in names)
                await self._kubectl("create", seconds, "-n", "kube-system", *leases)
                held = "jsonpath={.spec.holderIdentity}"
                await self._kubectl(held, seconds, "-n", "kube-system", *leases)
            case NodesRegistered(names):
                await self._kubectl("create", seconds, *(f"node/{n}" for n in names))
            case NodesReady(names):
                nodes = tuple(f"node/{name}" for name in names)
                await self._kubectl("create", seconds, *nodes)
                await self._kubectl("condition=Ready", seconds, *nodes)
            case DeploymentAvailable(namespace, name):
                words = ("-n", namespace, f"deployment/{name}")
                await self._kubectl("", seconds, *words)
            case _:
                assert_never(gate)

    async def _on_machine(self, host: str, question: str, seconds: float) -> None:
        """Ask on the machine itself, so that waiting costs one round trip."""
        script = (
            f"end=$(( $(date +%s) + {int(seconds)} ))\n"
            f"while :; do answer=$({question} 2>&1) && exit 0\n"
            '[ "$(date +%s)" -lt "$end" ] || { printf "%s" "$answer" >&2; exit 1; }\n'
            f"sleep {POLL_SECONDS}; done\n"
        )
        done = await self.world.machine(host).run(script, deadline=seconds + 15)
        if done.status != 0:
            raise GateTimeoutError("", where=host, why=done.stderr.strip()[-400:])

    async def _kubectl(self, condition: str, seconds: float, *rest: str) -> None:
        """Let kubectl wait on a control plane, again as long as no apiserver can be asked."""
        end = time.monotonic() + seconds
        while True:
            left = max(1.0, end - time.monotonic())
            words = (*_wait(condition, left), *rest)
            try:
                await kube.through_any(self.world, self.planes, *words, deadline=left + 15)
            except StepFailedError as error:
                passing = any(word in error.why for word in PASSING)
                if not passing or time.monotonic() > end:
                    raise GateTimeoutError("", where=error.where, why=error.why) from error
            else:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _readyz(self, host: str, address: str, port: int, seconds: float) -> None:
        context = ssl.create_default_context(cadata=self.authority)
        end = time.monotonic() + seconds
        async with self.world.machine(host).reach(address, port) as local:
            while (answer := await _ask(local, context)) != "ok":
                if time.monotonic() > end:
                    raise GateTimeoutError("", where=f"{host} asking {address}:{port}", why=answer)
                await asyncio.sleep(POLL_SECONDS)


async def _ask(port: int, context: ssl.SSLContext) -> str:
    """Ask /readyz once over a new connection; the answer is `ok` or why not."""
    try:
        async with httpx2.AsyncClient(
            verify=context, timeout=READYZ_SECONDS, trust_env=False
        ) as client:
            response = await client.get(
                f"https://127.0.0.1:{port}/readyz",
                extensions={"sni_hostname": APISERVER_NAME},
                headers={"host": APISERVER_NAME},
            )
    except (httpx2.HTTPError, ssl.SSLError, OSError) as error:
        return reason(error, seconds=READYZ_SECONDS)
    return response.text if response.status_code != httpx2.codes.OK else "ok"


def _wait(condition: str, seconds: float) -> tuple[str, ...]:
    """Return the words that wait for a condition, or for the rollout of a deployment."""
    timeout = f"--timeout={seconds:.3f}s"
    if not condition:
        return ("rollout", "status", timeout)
    return ("wait", f"--for={condition}", timeout)


def _units_script(units: tuple[str, ...]) -> str:
    """Return the question whether all are active.

    is-active alone is content with one of them, and with a unit that is still reloading.
    """
    return (
        f"for unit in {shlex.join(units)}; do state=$(systemctl is-active $unit); "
        '[ "$state" = active ] || { echo "$unit is $state"; exit 1; }; done'
    )


def _etcd_script() -> str:
    words = (
        "/usr/local/bin/etcdctl",
        "--endpoints=https://127.0.0.1:2379",
        "--cacert=/etc/kubernetes/pki/etcd/ca.crt",
        f"--cert={ETCD_STEM}.crt",
        f"--key={ETCD_STEM}.key",
        "--command-timeout=2s",
        "get",
        "backstay-health",
    )
    return shlex.join(words)
