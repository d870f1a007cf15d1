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
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from backstay.cli.session import read_spec
from backstay.cli.settings import Settings
from backstay.operations.binaries import binaries
from backstay.operations.plan import make_plan
from backstay.operations.session import session
from backstay.planning.plan import ApplyObjects, Plan
from backstay.resources.kernel import Sysctl
from backstay.resources.resource import Resource
from bench.lab import PLANES, BenchLab, lab
from bench.measure import seconds_of, side_by_side
from bench.table import Row

MACHINES = ("--control-plane", "3", "--workers", "0", "--machines-only")
KUBECTL = "/usr/local/bin/kubectl --kubeconfig=/etc/kubernetes/super-admin.conf"
LEASES = "lease/kube-controller-manager lease/kube-scheduler"
AWAIT = f"""set -e
{KUBECTL} -n kube-system wait --for=create --timeout=60s {LEASES}
{KUBECTL} wait --for=create --timeout=60s {" ".join(f"node/{name}" for name in PLANES)}
{KUBECTL} wait --for=condition=Ready --timeout=60s {" ".join(f"node/{name}" for name in PLANES)}
{KUBECTL} -n kube-system rollout status --timeout=60s deployment/coredns
"""


@dataclass(frozen=True)
class Recorded:
    """What an apply did: for each machine an archive and what unpacks it, and the objects.

    It holds for machines of the same addresses.
    """

    addresses: Mapping[str, str]
    archives: Mapping[str, bytes]
    scripts: Mapping[str, str]
    objects: Sequence[str]


def create_row() -> Row:
    """`backstay apply` beside the floor."""
    recorded: list[Recorded] = []
    pair = side_by_side(lambda: _by_apply(recorded), lambda: _by_hand(recorded[0]))
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


def _by_apply(recorded: list[Recorded]) -> float:
    """Return the seconds of apply; the first time, what it did is recorded."""
    with lab("bench", *MACHINES) as made:
        plan = None if recorded else asyncio.run(_plan(made))
        seconds = made.backstay("apply", "--yes").wall_seconds
        if plan is not None:
            recorded.append(_record(made, plan))
        return seconds


async def _plan(made: BenchLab) -> Plan:
    settings = Settings(config=str(made.config))
    spec = read_spec(settings)
    catalogue, _ = await binaries(spec, config=made.config, tell=lambda _: None)
    async with session(spec) as world:
        return (await make_plan(spec, world=world, catalogue=catalogue)).plan


def _record(made: BenchLab, plan: Plan) -> Recorded:
    resources = {name: [c.resource for host, c in plan.changes if host == name] for name in PLANES}
    packing = {
        name: f"tar -C / --no-recursion -cf - {paths_of(resources[name])}" for name in PLANES
    }
    steps = (step for stage in plan.stages for step in stage.steps)
    return Recorded(
        made.addresses,
        made.everywhere(packing),
        {name: unpacking(resources[name]) for name in PLANES},
        [_list(step.objects) for step in steps if isinstance(step, ApplyObjects)],
    )


def paths_of(resources: Sequence[Resource]) -> str:
    """Return what was written; a directory only as such, since others write into it as well."""
    endings = {"directory": ("",), "file": ("",), "binary": ("",), "certificate": (".crt", ".key")}
    keys = [resource.key for resource in resources]
    paths = (f"{key.name}{end}" for key in keys for end in endings.get(key.kind, ()))
    return " ".join(path.removeprefix("/") for path in paths)


def unpacking(resources: Sequence[Resource]) -> str:
    """Return the script that makes a machine of the archive on its standard input."""
    names: dict[str, list[str]] = defaultdict(list)
    for resource in resources:
        names[resource.key.kind].append(resource.key.name)
    values = [f'"{one.name}={one.value}"' for one in resources if isinstance(one, Sysctl)]
    return "\n".join(
        (
            "set -e",
            *(
                f"useradd --system --user-group --no-create-home {name}"
                for name in names["account"]
            ),
            "tar -C / -xpf -",
            *(f"modprobe {name}" for name in names["module"]),
            f"sysctl -qw {' '.join(values)}" if values else "",
            "systemctl daemon-reload",
            f"systemctl start --no-block {' '.join(names['service'])}",
        )
    )


def _list(objects: Sequence[Mapping[str, object]]) -> str:
    items = [dict(one) for one in objects]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _by_hand(recorded: Recorded) -> float:
    with lab("bench", *MACHINES) as made:
        if made.addresses != recorded.addresses:
            message = f"machines were {recorded.addresses}, and are {made.addresses}"
            raise RuntimeError(message)
        return seconds_of(lambda: _start(made, recorded))


def _start(made: BenchLab, recorded: Recorded) -> None:
    with ThreadPoolExecutor(len(PLANES)) as pool:
        started = pool.map(
            lambda name: made.sh(name, recorded.scripts[name], stdin=recorded.archives[name]),
            PLANES,
        )
        list(started)
        list(pool.map(_ready, recorded.addresses.values()))
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
