"""Three control planes from nothing: by apply, and by hand with everything ready-made.

The floor is what the machines themselves need: the very files that an apply wrote, brought in one
archive per machine, all units started at once, and the same end awaited.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from backstay.cli.session import read_spec
from backstay.cli.settings import Settings
from backstay.operations.binaries import binaries
from backstay.operations.plan import make_plan
from backstay.operations.session import session
from backstay.planning.plan import ApplyObjects
from bench.lab import PLANES, BenchLab, lab
from bench.measure import seconds_of, side_by_side
from bench.table import Row

MACHINES = ("--control-plane", "3", "--workers", "0", "--machines-only")
FILES = "etc/backstay etc/kubernetes etc/etcd etc/haproxy etc/keepalived etc/containerd etc/cni \
etc/modules-load.d/backstay.conf etc/sysctl.d/90-backstay.conf etc/systemd/system usr/local \
opt/cni var/lib/backstay/images"
UNITS = "etcd kube-apiserver kube-controller-manager kube-scheduler haproxy keepalived containerd \
backstay-images backstay-network kubelet kube-proxy"
UNPACK = f"""useradd --system --user-group --no-create-home etcd
tar -C / -xpf - && install -d -o etcd -g etcd -m 700 /var/lib/etcd
install -d -m 700 /var/lib/kubelet /var/lib/kubelet/pki
sysctl -q --system >/dev/null; systemctl daemon-reload; systemctl start --no-block {UNITS}"""
KUBECTL = "/usr/local/bin/kubectl --kubeconfig=/etc/kubernetes/super-admin.conf"
LEASES = "lease/kube-controller-manager lease/kube-scheduler"
AWAIT = f"""set -e
{KUBECTL} -n kube-system wait --for=create --timeout=60s {LEASES}
{KUBECTL} wait --for=create --timeout=60s {" ".join(f"node/{name}" for name in PLANES)}
{KUBECTL} wait --for=condition=Ready --timeout=60s {" ".join(f"node/{name}" for name in PLANES)}
{KUBECTL} -n kube-system rollout status --timeout=60s deployment/coredns
"""


@dataclass
class Recorded:
    """What an apply wrote: an archive for each machine, and the cluster's objects."""

    archives: dict[str, bytes] = field(default_factory=dict)
    objects: list[str] = field(default_factory=list)


def create_row() -> Row:
    """`backstay apply` beside the floor."""
    recorded = Recorded()
    pair = side_by_side(lambda: _by_apply(recorded), lambda: _by_hand(recorded))
    return Row(
        "apply of 3 control planes from nothing / the same files started by hand",
        f"{statistics.median(pair.ours):.1f} s",
        f"{statistics.median(pair.beside):.1f} s",
        pair.ratio,
        bound=1.8,
        aim=1.2,
        note="by hand: files of an earlier apply in one archive per machine, all units started at "
        "once; both end when nodes are Ready, leases are held and CoreDNS is available",
    )


def _by_apply(recorded: Recorded) -> float:
    with lab("bench", *MACHINES) as made:
        objects = asyncio.run(_objects(made))
        seconds = made.backstay("apply", "--yes").wall_seconds
        if not recorded.archives:
            pack = f"tar -C / -cf - {FILES}"
            recorded.archives |= made.everywhere(dict.fromkeys(made.machines, pack))
            recorded.objects += objects
        return seconds


async def _objects(made: BenchLab) -> list[str]:
    """Return what the plan would apply, one list for each stage."""
    settings = Settings(config=str(made.config))
    spec = read_spec(settings)
    catalogue, _ = await binaries(spec, config=made.config, tell=lambda _: None)
    async with session(spec) as world:
        planned = await make_plan(spec, world=world, catalogue=catalogue)
    steps = [step for stage in planned.plan.stages for step in stage.steps]
    return [
        json.dumps(
            {"apiVersion": "v1", "kind": "List", "items": [dict(one) for one in step.objects]}
        )
        for step in steps
        if isinstance(step, ApplyObjects)
    ]


def _by_hand(recorded: Recorded) -> float:
    with lab("bench", *MACHINES) as made:
        addresses = {name: str(one.address) for name, one in made.machines.items()}
        return seconds_of(lambda: _start(made, recorded, addresses))


def _start(made: BenchLab, recorded: Recorded, addresses: Mapping[str, str]) -> None:
    with ThreadPoolExecutor(len(addresses)) as pool:
        started = pool.map(
            lambda name: made.sh(name, UNPACK, stdin=recorded.archives[name]), addresses
        )
        list(started)
        list(pool.map(_ready, addresses.values()))
    early, late = recorded.objects
    apply = f"{KUBECTL} apply --server-side --force-conflicts --field-manager=backstay -f -"
    made.sh("cp-1", apply, stdin=early.encode())
    made.sh("cp-1", AWAIT)
    made.sh("cp-1", apply, stdin=late.encode())


def _ready(address: str, *, deadline: float = 120.0) -> None:
    """Wait until the apiserver at an address says so."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    url = f"https://{address}:6443/readyz"
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=2, context=context):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    message = f"{url} was not ready within {deadline} s"
    raise TimeoutError(message)
