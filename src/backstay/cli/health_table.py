"""The health of a cluster as people and as programs read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from backstay.cli.tables import advice, table
from backstay.planning.document import API_VERSION
from backstay.planning.health import (
    ClusterHealth,
    HostHealth,
    Member,
    Node,
    Readiness,
    Verdict,
)
from backstay.planning.look import Detail, Look, Marks, Tone, shortened
from backstay.resources.resource import Unknown

HEAD = ("NAME", "ROLE", "READY", "ETCD", "APISERVER", "LEADS", "CERTS", "LOAD", "NOTE")
CERTIFICATE_HEAD = ("HOST", "CERTIFICATE", "EXPIRES", "RESIDUAL")
MEGABYTE = 1024 * 1024
NOTE_WIDTH = 50
_TONES = {Verdict.HEALTHY: Tone.GOOD, Verdict.DEGRADED: Tone.WARNING, Verdict.DOWN: Tone.BAD}
_ORDER = ("control-plane", "etcd", "worker", "load-balancer")
_LEADS = {"kube-scheduler": "scheduler", "kube-controller-manager": "controllers"}


def text(health: ClusterHealth, look: Look) -> str:
    """Return the head line, one row per host, and what is not as it should be."""
    rows = [_row(health, host, look.marks) for host in health.hosts]
    parts = [_head(health, look), table(HEAD, rows, look=look)]
    if look.detail is Detail.FULL:
        parts.append(table(CERTIFICATE_HEAD, list(_certificates(health)), look=look))
    if findings := health.findings:
        parts.append("\n".join(look.paint(Tone.WARNING, f"! {one}") for one in findings))
    parts.append(advice((host.next_move for host in health.hosts), look))
    return "\n\n".join(filter(None, parts))


def _head(health: ClusterHealth, look: Look) -> str:
    holders = ", ".join(health.vip_holders)
    held = f" (on {holders})" if holders else ""
    verdict = look.paint(_TONES[health.verdict], health.verdict.value.upper())
    etcd = f"   etcd {health.etcd_version}" if health.etcd_version else ""
    name = look.paint(Tone.STRONG, health.name)
    return (
        f"{name}   Kubernetes v{health.kubernetes}{etcd}   "
        f"endpoint {health.endpoint}{held}   {verdict}{_tolerance(health)}"
    )


def _tolerance(health: ClusterHealth) -> str:
    """Return how many more members may fail, where there is still something that could."""
    if health.verdict is Verdict.DOWN:
        return ""
    failures = "failure" if health.tolerates == 1 else "failures"
    return f", tolerates {max(health.tolerates, 0)} {failures}"


def _row(health: ClusterHealth, host: HostHealth, marks: Marks) -> tuple[str, ...]:
    return (
        host.name,
        _roles(host),
        _ready(health, host, marks),
        _etcd(host, marks),
        _apiserver(host, marks),
        ", ".join(_leads(health, host)) or marks.dash,
        _residual(health, host, marks),
        marks.dash if host.load is None else f"{host.load:.1f}",
        shortened(_note(health, host), NOTE_WIDTH, marks),
    )


def _roles(host: HostHealth) -> str:
    """Return the roles; that a control plane also balances needs no saying."""
    plane = "control-plane" in host.roles
    shown = [one for one in _ORDER if one in host.roles and not (plane and one == _ORDER[-1])]
    return ",".join(shown)


def _ready(health: ClusterHealth, host: HostHealth, marks: Marks) -> str:
    if host.name not in health.is_node:
        return marks.dash
    if not isinstance(health.nodes, Mapping):
        return "?"
    node = health.nodes.get(host.name)
    return marks.tick if node is not None and node.ready else marks.cross


def _etcd(host: HostHealth, marks: Marks) -> str:
    if "etcd" not in host.roles:
        return marks.dash
    if not isinstance(host.member, Member):
        return "?" if host.silent else "no answer"
    state = "leader" if host.member.leader else "learner" if host.member.learner else "ok"
    said = state if host.member.answers else "no read"
    return f"{said} {host.member.database_bytes / MEGABYTE:.0f} MB"


def _apiserver(host: HostHealth, marks: Marks) -> str:
    if "control-plane" not in host.roles:
        return marks.dash
    if host.apiserver is None:
        return "?"
    return f"ok {host.apiserver.milliseconds:.0f} ms" if host.apiserver.ready else "not ready"


def _leads(health: ClusterHealth, host: HostHealth) -> Iterator[str]:
    if host.holds_vip:
        yield "vip"
    if isinstance(health.leases, Mapping):
        for name, lease in health.leases.items():
            if lease.holder == host.name and lease.held(health.now):
                yield _LEADS.get(name, name)


def _residual(health: ClusterHealth, host: HostHealth, marks: Marks) -> str:
    found = host.next_end
    return marks.dash if found is None else f"{(found[1] - health.now).days} d"


def _note(health: ClusterHealth, host: HostHealth) -> str:
    if host.silent:
        return " ".join(host.silent.split())
    inactive = [
        unit.removesuffix(".service") for unit, state in host.units.items() if state != "active"
    ]
    if inactive:
        return f"not active: {', '.join(inactive)}"
    node = health.nodes.get(host.name) if isinstance(health.nodes, Mapping) else None
    wanted = f"v{health.kubernetes}"
    return f"kubelet {node.kubelet}" if node is not None and node.kubelet != wanted else ""


def _certificates(health: ClusterHealth) -> Iterator[tuple[str, ...]]:
    for host in health.hosts:
        for path, end in sorted(host.certificates.items(), key=lambda pair: pair[1]):
            days = f"{(end - health.now).days} d"
            yield (host.name, path, f"{end:%b %d, %Y %H:%M} UTC", days)


def document(health: ClusterHealth) -> dict[str, object]:
    """Return the health as plain values for programs (docs/status-json.md)."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Status",
        "name": health.name,
        "verdict": health.verdict.value,
        "tolerates_failures": health.tolerates,
        "findings": list(health.findings),
        "kubernetes": health.kubernetes,
        "etcd": health.etcd_version,
        "endpoint": {
            "address": health.endpoint,
            "vip_holders": list(health.vip_holders),
            **_readiness(health.serving),
        },
        "hosts": [_host(health, host) for host in health.hosts],
        "leases": _leases(health),
    }


def _readiness(found: Readiness | Unknown | None) -> dict[str, object]:
    match found:
        case Readiness(ready, milliseconds, said):
            return {"ready": ready, "milliseconds": round(milliseconds, 1), "why": said or None}
        case Unknown(why):
            return {"ready": None, "milliseconds": None, "why": why}
        case None:
            return {"ready": None, "milliseconds": None, "why": None}


def _host(health: ClusterHealth, host: HostHealth) -> dict[str, object]:
    node = health.nodes.get(host.name) if isinstance(health.nodes, Mapping) else None
    return {
        "name": host.name,
        "roles": list(host.roles),
        "reached": not host.silent,
        "why": host.silent or None,
        "node": _node(node),
        "etcd": _member(host.member),
        "apiserver": None if host.apiserver is None else _readiness(host.apiserver),
        "units": dict(host.units),
        "certificates": [
            {"path": path, "expires": end.isoformat(), "residual_days": (end - health.now).days}
            for path, end in sorted(host.certificates.items())
        ],
        "load": host.load,
        "holds_vip": host.holds_vip,
    }


def _node(node: Node | None) -> dict[str, object] | None:
    if node is None:
        return None
    return {"ready": node.ready, "kubelet": node.kubelet, "why": None if node.ready else node.why}


def _member(member: Member | Unknown | None) -> dict[str, object] | None:
    match member:
        case Member():
            return {
                "answers": member.answers,
                "leader": member.leader,
                "learner": member.learner,
                "version": member.version,
                "database_bytes": member.database_bytes,
                "revision": member.revision,
            }
        case Unknown(why):
            return {"answers": False, "why": why}
        case None:
            return None


def _leases(health: ClusterHealth) -> list[dict[str, object]] | None:
    if not isinstance(health.leases, Mapping):
        return None
    return [
        {
            "name": name,
            "holder": lease.holder,
            "held": lease.held(health.now),
            "renewed": lease.renewed.isoformat(),
        }
        for name, lease in sorted(health.leases.items())
    ]
