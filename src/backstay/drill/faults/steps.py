"""What planned faults are: steps on one machine after the other, each until it serves again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from backstay.components.addresses import Port
from backstay.drill.faults.kinds import (
    MoveLeader,
    MoveVip,
    Planned,
    ReloadBalancer,
    Restart,
    Unit,
    said,
)
from backstay.drill.faults.scripts import WORDS
from backstay.drill.faults.targets import Site

SERVING_SECONDS = 120
"""How long an apiserver or a member may take until it serves, on a computer that is overloaded."""

ETCDCTL = (
    "/usr/local/bin/etcdctl --endpoints=https://127.0.0.1:2379 --command-timeout=2s"
    " --cacert=/etc/kubernetes/pki/etcd/ca.crt"
    " --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt"
    " --key=/etc/kubernetes/pki/etcd/healthcheck-client.key"
)
# Whether it answers is asked, not who it is.
ASK = "curl --silent --fail --insecure --noproxy '*' --max-time 1 --output /dev/null"


@dataclass(frozen=True, slots=True)
class Step:
    """A script on one machine, which says when it begins and ends when the machine serves."""

    host: str
    what: str
    script: str


def steps(fault: Planned, hosts: Sequence[str], site: Site) -> tuple[Step, ...]:
    """Return the steps in their order: no two machines are touched at the same time."""
    return tuple(Step(host, said(fault), _script(*_lines(fault, host, site))) for host in hosts)


def _script(does: str, test: str) -> str:
    return (
        f"{WORDS}serving() {{\n{test}\n}}\nsay injected\n"
        f"{does} || fail 'it could not be done'\n"
        f"within {SERVING_SECONDS * 5} serving || fail 'it does not serve again'\nsay undone\n"
    )


def _lines(fault: Planned, host: str, site: Site) -> tuple[str, str]:
    """Return what is done, and the test whether it is done and well."""
    match fault:
        case Restart(unit):
            return f"restart {unit}", f"is_running {unit} && {_serves(unit, host, site)}"
        case MoveLeader(heir):
            return _move_leader(
                heir or _next(host, site.members)
            ), f"{ETCDCTL} get backstay-health >/dev/null"
        case MoveVip():
            gone = f"! ip -o address show | grep -qF ' {site.vip}/'"
            return f"restart {Unit.VRRP}", f"is_running {Unit.VRRP} && {gone}"
        case ReloadBalancer():
            reload = f"systemctl reload {Unit.BALANCER}.service"
            return reload, _serves(Unit.BALANCER, host, site)
        case _:
            assert_never(fault)


def _next(host: str, members: Sequence[str]) -> str:
    """Return the next member by name, the first after the last."""
    return members[(members.index(host) + 1) % len(members)]


def _move_leader(heir: str) -> str:
    find = f"{ETCDCTL} member list | sed -n 's/^\\([0-9a-f]*\\), started, {heir},.*/\\1/p'"
    return f'{ETCDCTL} move-leader "$({find})" >/dev/null'


def _serves(unit: Unit, host: str, site: Site) -> str:
    """Return the test whether a unit does its work, as far as its machine can tell."""
    address = site.addresses[host]
    shown = f"[{address}]" if ":" in address else address
    ready = f"{ASK} https://{shown}:{Port.APISERVER}/readyz"
    # An apiserver asks its own machine's member alone, and may go and come with it.
    with_member = f" && {ready}" if host in site.planes else ""
    tests = {
        Unit.ETCD: f"{ETCDCTL} get backstay-health >/dev/null{with_member}",
        Unit.APISERVER: ready,
        Unit.CONTROLLER_MANAGER: f"{ASK} https://127.0.0.1:10257/healthz",
        Unit.SCHEDULER: f"{ASK} https://127.0.0.1:10259/healthz",
        Unit.BALANCER: f"{ASK} https://127.0.0.1:{site.endpoint_port}/readyz",
        Unit.KUBELET: f"{ASK} http://127.0.0.1:10248/healthz",
    }
    return tests.get(unit, ":")
