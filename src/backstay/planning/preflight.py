"""Whether the machines are fit: every problem of every machine in one report, before any change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from backstay.errors import PreflightError
from backstay.planning.observation import HostSeen, Observation
from backstay.resources.resource import Facts, Key, Seen
from backstay.spec.model import ClusterSpec, Endpoint, Host, Role

# Certificates are backdated five minutes and leases last seconds; the issue allows this much.
SKEW_SECONDS = 2.0
NEEDED_FREE_KILOBYTES = 2 * 1024 * 1024
OLDEST_SYSTEMD = 247
ARCHITECTURE = "x86_64"
"""Of the binaries, which are known by digest (fleet/artefacts)."""

# Which unit of ours may hold which port: a port that another program holds is a problem.
_PORTS: Mapping[str, tuple[tuple[int, str], ...]] = {
    Role.CONTROL_PLANE: (
        (6443, "kube-apiserver.service"),
        (10257, "kube-controller-manager.service"),
        (10259, "kube-scheduler.service"),
    ),
    Role.ETCD: ((2379, "etcd.service"), (2380, "etcd.service")),
    "node": ((10250, "kubelet.service"), (10256, "kube-proxy.service")),
}
_KEEPALIVED = Key("service", "keepalived.service")
_PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "every": ("base64", "sha256sum", "awk"),
    "node": ("mount", "nft", "iptables"),
    Role.LOAD_BALANCER: ("haproxy",),
    "address": ("keepalived", "curl", "nft"),
}
_PACKAGES = {
    "base64": "coreutils",
    "sha256sum": "coreutils",
    "awk": "mawk",
    "nft": "nftables",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing about one machine that must change first; `check` is its stable id."""

    check: str
    host: str
    what: str
    next_move: str

    def __str__(self) -> str:
        return f"{self.host}: {self.what} [{self.check}]\n    next: {self.next_move}"


def problems(
    spec: ClusterSpec, observation: Observation, *, incarnation: str
) -> tuple[Problem, ...]:
    """Return every problem; `incarnation` tells this cluster from others of the same name."""
    cluster = f"{spec.name} {incarnation}"
    reached, groups = observation.reached, _groups(spec)
    found = [
        problem
        for host in sorted(spec.hosts, key=lambda each: each.name)
        if host.name in reached
        for problem in _of_host(spec, host, reached[host.name], cluster, groups[host.name])
    ]
    return (*found, *_clocks(observation), *_strangers(spec, observation))


def require_fit(found: Iterable[Problem], *, skipped: frozenset[str] = frozenset()) -> None:
    """Raise PreflightError with all problems that are not skipped."""
    left = [problem for problem in found if problem.check not in skipped]
    if left:
        raise PreflightError(
            f"{len(left)} problem{'s' if len(left) > 1 else ''} to solve first; nothing changed",
            why="\n" + "\n".join(str(problem) for problem in left),
            next_move="mend them, then run again",
        )


def _groups(spec: ClusterSpec) -> Mapping[str, tuple[str, ...]]:
    """Return the groups of the tables above that each host belongs to."""
    members = {
        "every": spec.hosts,
        "node": spec.nodes,
        Role.CONTROL_PLANE: spec.control_planes,
        Role.ETCD: spec.etcd_members,
        Role.LOAD_BALANCER: spec.load_balancers,
        "address": spec.load_balancers if spec.endpoint.vip is not None else (),
    }
    names = {group: frozenset(host.name for host in hosts) for group, hosts in members.items()}
    return {
        host.name: tuple(group for group, inside in names.items() if host.name in inside)
        for host in spec.hosts
    }


def _of_host(
    spec: ClusterSpec, host: Host, seen: HostSeen, cluster: str, groups: tuple[str, ...]
) -> Iterator[Problem]:
    survey = seen.survey
    yield from _system(host, survey)
    yield from _leftovers(host, seen, cluster)
    yield from _ports(spec, host, seen, groups)
    present = survey.get("programs", "").split()
    needed = dict.fromkeys(program for group in groups for program in _PROGRAMS.get(group, ()))
    for program in needed:
        if program not in present:
            yield Problem(
                "program-missing",
                host.name,
                f"the program {program} is missing",
                f"apt-get install {_PACKAGES.get(program, program)}",
            )


def _system(host: Host, survey: Facts) -> Iterator[Problem]:
    name = host.name
    if survey.get("uid") != "0":
        yield Problem("not-root", name, "the SSH user is not root and sudo gives no root", "sudo")
    if survey.get("architecture", ARCHITECTURE) != ARCHITECTURE:
        what = f"its architecture is {survey['architecture']}; binaries are {ARCHITECTURE}"
        yield Problem("architecture", name, what, "take another machine out of cluster.yaml")
    if survey.get("etc_writable") != "yes":
        yield Problem("etc-read-only", name, "/etc cannot be written", "mount -o remount,rw /")
    if survey.get("hostname") != name:
        yield Problem(
            "hostname-differs",
            name,
            f"the machine calls itself {survey.get('hostname')!r}",
            f"hostnamectl set-hostname {name} (or change the name in cluster.yaml)",
        )
    if str(host.internal) not in interfaces(survey):
        yield Problem(
            "address-missing",
            name,
            f"no interface has the address {host.internal}",
            "set address or privateAddress in cluster.yaml to one of: "
            + ", ".join(sorted(interfaces(survey))),
        )
    if survey.get("swap", "0") != "0":
        yield Problem("swap-on", name, "swap is in use", "swapoff -a, and out of /etc/fstab")
    if int(survey.get("systemd") or 0) < OLDEST_SYSTEMD:
        yield Problem(
            "systemd-old", name, f"systemd {survey.get('systemd')} is too old", "upgrade the system"
        )
    free = int(survey.get("free_kilobytes") or 0)
    if free < NEEDED_FREE_KILOBYTES:
        yield Problem(
            "disk-full",
            name,
            f"/var/lib has {free // 1024} MiB free, 2048 MiB are needed",
            "free some room there",
        )


def interfaces(survey: Facts) -> dict[str, str]:
    """Return the machine's addresses, each with the interface that carries it."""
    pairs = (part.partition("=") for part in survey.get("addresses", "").split(",") if part)
    return {address.partition("/")[0]: interface for interface, _, address in pairs}


def _leftovers(host: Host, seen: HostSeen, cluster: str) -> Iterator[Problem]:
    theirs = seen.survey.get("cluster", "").strip()
    left = seen.survey.get("leftovers", "").strip()
    if theirs and theirs != cluster and not _never_began(seen, theirs, cluster):
        yield Problem(
            "other-cluster",
            host.name,
            f"it belongs to the cluster {theirs[:60]!r}, not to {cluster[:60].strip()!r}",
            "use another machine, or wipe this one",
        )
    elif left and not theirs:
        yield Problem(
            "leftovers",
            host.name,
            f"it has files of another cluster in {left}",
            f"look at them; if nothing is needed any more: rm -rf {left}",
        )


def _never_began(seen: HostSeen, theirs: str, cluster: str) -> bool:
    """Tell whether a run of this cluster was cut short here before it started anything.

    Then its authorities may be on no machine, and the next run makes others: the mark is of a
    cluster that never was. Units are enabled before they start, so where none is, none ever ran.
    """
    units = [record for key, record in seen.records.items() if key.kind == "service"]
    same_name = theirs.split()[:1] == cluster.split()[:1]
    unused = bool(units) and all(_is_unused(unit) for unit in units)
    return same_name and unused and seen.survey.get("etcd_data") != "yes"


def _is_unused(unit: Seen) -> bool:
    if unit is None:
        return True
    return (
        isinstance(unit, Mapping)
        and unit.get("enabled") in {"disabled", ""}
        and unit.get("active") == "inactive"
    )


def _ports(
    spec: ClusterSpec, host: Host, seen: HostSeen, groups: tuple[str, ...]
) -> Iterator[Problem]:
    taken = {int(port) for port in seen.survey.get("listening", "").split(",") if port}
    wanted = [pair for group in groups for pair in _PORTS.get(group, ())]
    if Role.LOAD_BALANCER in groups:
        wanted.append((spec.endpoint.port, "haproxy.service"))
    for port, unit in wanted:
        record = seen.records.get(Key("service", unit))
        if port in taken and not (isinstance(record, Mapping) and is_up(record)):
            yield Problem(
                "port-in-use",
                host.name,
                f"port {port}, which {unit.removesuffix('.service')} needs, is in use",
                f"find who has it: ss -ltnp sport = :{port}",
            )


def is_up(unit: Facts | None) -> bool:
    """Return whether a unit runs, comes up or goes down."""
    states = {"active", "activating", "reloading", "deactivating"}
    return unit is not None and unit.get("active") in states


def is_unspoken_for(spec: ClusterSpec, observation: Observation) -> bool:
    """Tell whether no balancer can speak VRRP now: whoever does then is none of ours."""
    units = [observation.seen(host.name, _KEEPALIVED) for host in spec.load_balancers]
    silent = [unit is None or (isinstance(unit, Mapping) and not is_up(unit)) for unit in units]
    return spec.endpoint.vip is not None and all(silent)


def _strangers(spec: ClusterSpec, observation: Observation) -> Iterator[Problem]:
    """Yield who was heard to speak for our address, once each, from whoever heard it first."""
    told = set()
    for host, seen in sorted(observation.reached.items()):
        for field, (check, what, next_move) in _of_strangers(spec.endpoint).items():
            for source in seen.survey.get(field, "").replace(",", " ").split():
                if (check, source) not in told:
                    told.add((check, source))
                    yield Problem(check, host, f"{source} {what}", next_move)


def _of_strangers(endpoint: Endpoint) -> Mapping[str, tuple[str, str, str]]:
    """Return check, words and advice for each way in which a stranger was heard."""
    router = endpoint.virtual_router_id
    return {
        "vrrp_router": (
            "router-id-in-use",
            f"speaks VRRP with the router id {router}, which is to be ours",
            "give one of the two another: endpoint.virtualRouterId in cluster.yaml",
        ),
        "vrrp_address": (
            "address-in-use",
            f"announces the virtual address {endpoint.vip}, which is to be ours",
            "take it from there, or choose another: endpoint.vip in cluster.yaml",
        ),
    }


def _clocks(observation: Observation) -> Iterator[Problem]:
    told = {n: seen.survey.get("clock_skew") for n, seen in observation.reached.items()}
    skews = {name: float(skew) for name, skew in told.items() if skew}
    if not skews:
        return
    middle = sorted(skews.values())[len(skews) // 2]
    for host, skew in sorted(skews.items()):
        if abs(skew - middle) > SKEW_SECONDS:
            yield Problem(
                "clock-skew",
                host,
                f"its clock is {skew - middle:+.1f} s away from the others",
                "make a time service run there: systemctl enable --now systemd-timesyncd",
            )
