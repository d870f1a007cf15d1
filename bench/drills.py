"""`python -m bench.drills [DRILL…] [--only ours|theirs] [-o FOLDER]`: the same drills on both.

One cluster is made by `backstay lab up`, the other by kubeadm with the balancers of its HA
document, one after the other on the same machines of the lab. The table is the README's, of all
reports in FOLDER/ours and FOLDER/theirs, also of earlier runs and of `backstay drill suite
--output-dir FOLDER/ours`: medians of times, and of what is counted the most. `--only none` only
prints it. A drill that is named several times is drilled as often.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from backstay.cli.drilling import keep, results_in
from backstay.drill.faults.catalogue import SCENARIOS
from backstay.drill.faults.kinds import Unit
from backstay.drill.faults.scripts import WORDS
from backstay.drill.faults.steps import ETCDCTL
from backstay.drill.faults.targets import Roles, site_of
from backstay.drill.report.document import Drilled
from backstay.drill.report.wording import count, seconds
from backstay.drill.run import Trouble, until_well
from backstay.drill.stage import Before
from backstay.drill.wish import Wish
from backstay.errors import BackstayError
from backstay.fleet.health import LEASES, ApiAnswers, ask_api
from backstay.fleet.world import World, utc_now
from backstay.lab import PowerSwitch, give_disk
from backstay.operations.drill import drill, look
from backstay.operations.drill_alone import alone
from backstay.operations.drill_gather import gathered
from backstay.operations.drill_health import trouble
from backstay.operations.drill_priority import favoured
from backstay.operations.drill_undo import undo
from backstay.operations.session import session
from backstay.resources.resource import Unknown
from backstay.spec.model import ClusterSpec
from bench import kubeadm
from bench.lab import PLANES, BenchLab, lab

NAME = "drills"
MACHINES = ("--control-plane", "3", "--workers", "1")
DRILLS = (
    *("machine-freeze-vip-holder", "machine-freeze-etcd-leader", "machine-kill-vip-holder"),
    *("machine-power-off-etcd-leader", "keepalived-kill"),
    *("apiserver-kill", "apiserver-freeze", "apiserver-restart", "apiserver-rolling-restart"),
    *("balancer-reload", "balancer-kill-vip-holder", "vip-hand-over"),
    *("etcd-leader-kill", "etcd-leader-freeze", "leader-hand-over", "etcd-kill-all"),
    *("controller-manager-kill", "controller-manager-restart", "partition-leader-peers"),
    *("machine-freeze-all-in-one", "etcd-power-cut-all", "machine-power-cut-etcd-leader"),
)
WELL_SECONDS = 330.0
"""Longer than the 300 s at most after which a kubelet starts again what crashed too often."""
HEAD = "| drill | backstay: gap | failed | retried | and | kubeadm: gap | failed | retried | and |"
RULE = "| --- " * 9 + "|"


def main(argv: Sequence[str]) -> int:
    """Drill both clusters and print the table."""
    asked = _arguments(argv)
    for side, made in SIDES.items():
        if asked.only in {None, side}:
            with made() as where:
                for name in asked.drills or DRILLS:
                    _try(where, name, asked.output / side)
    sys.stdout.write("\n".join(table(asked.output)) + "\n")
    return 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.drills", description=__doc__)
    parser.add_argument("drills", nargs="*", metavar="DRILL")
    parser.add_argument("--only", choices=("ours", "theirs", "none"))
    parser.add_argument("-o", "--output", type=Path, default=Path.cwd() / "drills")
    return parser.parse_args(argv)


@dataclass(frozen=True)
class Side:
    """A cluster, how to look at it before a drill, and how to ask what is wrong with it."""

    lab: BenchLab
    look: Callable[[ClusterSpec, World], Awaitable[Before]]
    trouble: Callable[[ClusterSpec], Trouble]


def _try(where: Side, name: str, folder: Path) -> None:
    """Drill once; what could not be drilled is said, and leaves its place in the table empty."""
    try:
        with favoured():
            done = asyncio.run(_drill(where, name, folder))
        sys.stderr.write(f"{name}: {done.verdict}: {done.sentence}\n")
    except (BackstayError, ExceptionGroup) as error:
        sys.stderr.write(f"{name}: {error!r}\n")


async def _drill(where: Side, name: str, folder: Path) -> Drilled:
    spec = where.lab.spec
    results = results_in(folder, name, utc_now())
    wish = Wish(SCENARIOS[name], f"python -m bench.drills {name}")
    power = PowerSwitch(where.lab.name)
    if said := await until_well(where.trouble(spec), seconds=WELL_SECONDS):
        sys.stderr.write(f"{name}: the cluster is not well: {said}\n")
    try:
        if wish.scenario.needs_disk:
            await _give_disks(where)
        async with session(spec) as world, alone(world, power):
            seen = await where.look(spec, world)
            found = await drill(
                spec,
                wish,
                await gathered(spec, wish.whom, seen, world, lambda what: _tell(name, what)),
                world=world,
                machines=power,
                path=results.history,
                tell=lambda _: None,
            )
    except (BackstayError, ExceptionGroup):
        await undo(spec, power, tell=lambda host, what: _tell(host, f"undone: {what}"))
        raise
    keep(found, results)
    return found


async def _give_disks(where: Side) -> None:
    """Give every member a disk of its own, as a power cut needs it; once is enough."""
    for name in PLANES:
        await give_disk(where.lab.name, name)
        await until_well(where.trouble(where.lab.spec), seconds=WELL_SECONDS)


def _tell(where: str, what: str) -> None:
    sys.stderr.write(f"{where}: {what}\n")


@contextmanager
def ours() -> Iterator[Side]:
    """Give a cluster that backstay made."""
    with lab(NAME, *MACHINES) as made:
        yield Side(made, look, trouble)


@contextmanager
def theirs() -> Iterator[Side]:
    """Give a cluster that kubeadm made, with rights for our clients."""
    with tempfile.TemporaryDirectory() as folder, lab(NAME, *MACHINES, "--machines-only") as made:
        kubeadm.prepare(made, Path(folder))
        kubeadm.create(made)
        made.sh("cp-1", f"{KUBECTL} create clusterrolebinding backstay {RIGHTS}")
        yield Side(made, _look_at_kubeadms, _trouble)


SIDES = {"ours": ours, "theirs": theirs}
KUBECTL = "/usr/local/bin/kubectl --kubeconfig=/etc/kubernetes/admin.conf"
RIGHTS = "--clusterrole=cluster-admin --group=backstay:cluster-admins"


async def _look_at_kubeadms(spec: ClusterSpec, world: World) -> Before:
    async def ask() -> Roles:
        return await _roles_at_kubeadms(spec, world)

    versions = {"kubernetes": spec.kubernetes, "made by": "kubeadm"}
    done = await world.machine(PLANES[0]).run(FILES, deadline=20)
    return Before(await ask(), versions, settings_in(done.stdout), _trouble(spec), ask)


FILES = "cat /etc/kubernetes/manifests/etcd.yaml /etc/haproxy/haproxy.cfg /etc/keepalived/*.conf\n"
SETTINGS = {
    "etcd heartbeat": (r"--heartbeat-interval=(\d+)", "{} ms", "100 ms"),
    "etcd election": (r"--election-timeout=(\d+)", "{} ms", "1000 ms"),
    "balancer check interval": (r"\binter (\S+)", "{}", "2s"),
    "balancer check interval after a failure": (r"\bdowninter (\S+)", "{}", "the same"),
    "balancer connect time-out": (r"timeout connect (\S+)", "{}", "none"),
    "VRRP advert interval": (r"\badvert_int (\S+)", "{} s", "1 s"),
}
"""How each is written in the files of a cluster by kubeadm, and what it is where it is not."""


def settings_in(text: str) -> dict[str, str]:
    """Return the timers that the files of a cluster by kubeadm set, or leave as they come."""
    found = {}
    for name, (pattern, form, usual) in SETTINGS.items():
        said = re.search(pattern, text)
        found[name] = usual if said is None else form.format(said[1])
    return found


async def _roles_at_kubeadms(spec: ClusterSpec, world: World) -> Roles:
    leaders, holders = await asyncio.gather(
        _where(world, PLANES, _IS_LEADER),
        _where(world, PLANES, f"ip -o address show | grep -qF ' {spec.endpoint.vip}/'"),
    )
    leases = held(await ask_api(world, PLANES), utc_now())
    return Roles(site_of(spec), next(iter(leaders), None), next(iter(holders), None), leases)


def held(seen: ApiAnswers, now: datetime) -> dict[str, str]:
    """Return who has each lease; who let it run out, as whoever crashed does, has it no more."""
    leases = seen.leases if isinstance(seen.leases, Mapping) else {}
    return {name: one.holder for name, one in leases.items() if one.held(now)}


_IS_LEADER = (
    f"{ETCDCTL} endpoint status -w fields | awk -F' : ' "
    '\'/"MemberID"/ { me = $2 } /"Leader"/ { leader = $2 } END { exit me != leader }\''
)


async def _where(world: World, hosts: Sequence[str], script: str) -> list[str]:
    done = await asyncio.gather(
        *(world.machine(host).run(f"{script}\n", deadline=20) for host in hosts)
    )
    return [host for host, one in zip(hosts, done, strict=True) if one.status == 0]


def _trouble(spec: ClusterSpec) -> Trouble:
    """Return who asks for all that must be so before a drill, and is again after it."""

    async def ask() -> str:
        try:
            async with session(spec) as world:
                seen, serving, running = await asyncio.gather(
                    ask_api(world, PLANES),
                    _where(world, PLANES, f"{ETCDCTL} get x >/dev/null"),
                    asyncio.gather(*(world.machine(one).run(IDLE, deadline=20) for one in PLANES)),
                )
        except BackstayError as error:
            return error.what
        idle = {host: done.stdout.split() for host, done in zip(PLANES, running, strict=True)}
        return "; ".join(findings(seen, serving, idle, utc_now()))

    return ask


IDLE = f"{WORDS}for unit in {' '.join(Unit)}; do is_running $unit || echo $unit; done\n"
"""Says which units do not run. A kubelet lets a pod that crashed wait before it starts it again,
and the node is Ready meanwhile: a drill would find nothing there to kill."""


def findings(
    seen: ApiAnswers, serving: Sequence[str], idle: Mapping[str, Sequence[str]], now: datetime
) -> Iterator[str]:
    """Yield what is wrong: nodes, leases, members that serve nobody, and units that do not run."""
    if isinstance(seen.nodes, Unknown):
        yield seen.nodes.why
        return
    yield from (f"node {name} is not Ready" for name, one in seen.nodes.items() if not one.ready)
    found = held(seen, now)
    yield from (f"nobody has the lease of {name}" for name in LEASES if name not in found)
    yield from (f"etcd is silent on {host}" for host in PLANES if host not in serving)
    yield from (f"{unit} does not run on {host}" for host, units in idle.items() for unit in units)


def table(folder: Path) -> Iterator[str]:
    """Yield the lines of the table of all drills whose reports are in the folder of either side."""
    found = {side: _reports(folder / side) for side in SIDES}
    yield HEAD
    yield RULE
    for name in SCENARIOS:
        if any(name in reports for reports in found.values()):
            cells = [cell for reports in found.values() for cell in _cells(reports.get(name, []))]
            yield f"| `{name}` | {' | '.join(cells)} |"
    for side, reports in found.items():
        yield f"\n{side}: {_sum(reports)}"


Numbers = Mapping[str, Any]


def _reports(folder: Path) -> Mapping[str, list[Numbers]]:
    """Return the numbers of each drill by its scenario, in the order of their time."""
    found: dict[str, list[Numbers]] = {}
    for path in sorted(folder.glob("*/report.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(report["scenario"], []).append(report["numbers"])
    return found


def _sum(reports: Mapping[str, list[Numbers]]) -> str:
    everything = [one for drills in reports.values() for one in drills]
    operations = count(sum(one["operations"] for one in everything))
    lost = count(sum(one["lost_writes"] or 0 for one in everything))
    return f"{len(everything)} drills, {operations} operations, {lost} acknowledged writes lost"


def _cells(drills: Sequence[Numbers]) -> tuple[str, ...]:
    """Return how often it was drilled, medians of times, and of what is counted the most."""
    if not drills:
        return ("–",) * 4
    times = "" if len(drills) == 1 else f" ×{len(drills)}"
    return (
        f"{seconds(_middle(drills, lambda one: one['write_gap_seconds']))}{times}",
        *(count(max(one[key] for one in drills)) for key in ("failed", "told_to_retry")),
        ", ".join(_took(drills)) or "–",
    )


TOOK: Mapping[str, Callable[[Numbers], float | None]] = {
    "leader": lambda one: one["reelected_seconds"],
    "address": lambda one: one["vip_moved_seconds"],
    "left out": lambda one: one["out_seconds"],
    "lease": lambda one: max(one["lease_gap_seconds"].values(), default=None),
}
"""What else there is to say of who was hit: after how long what was so."""


def _took(drills: Sequence[Numbers]) -> Iterator[str]:
    for word, value in TOOK.items():
        if (found := _middle(drills, value)) is not None:
            yield f"{word} {seconds(found)}"


def _middle(drills: Sequence[Numbers], value: Callable[[Numbers], float | None]) -> float | None:
    found = [seen for one in drills if (seen := value(one)) is not None]
    return median(found) if found else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
