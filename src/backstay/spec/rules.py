"""What the parts of a specification must be to each other; every rule is one function.

A rule yields a violation with the path it concerns, so that the reader is led to the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from ipaddress import ip_address
from types import MappingProxyType

from backstay.spec.hostkeys import flaw
from backstay.spec.model import (
    ArtefactSource,
    ClusterSpec,
    Component,
)
from backstay.spec.problems import Path, nearest
from backstay.spec.ranges import pods, ranges, services
from backstay.spec.reach import apart, balanced, families, ports, vip_is_free, vip_is_near
from backstay.spec.versions import KUBERNETES
from backstay.spec.violation import Rule, Violation

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
DOMAIN = re.compile(rf"{LABEL.pattern}(\.{LABEL.pattern})*")
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
QUANTITY = re.compile(r"[0-9]{1,15}(\.[0-9]{1,3})?(m|k|Ki|M|Mi|G|Gi)?")
# A node's certificate is for `system:node:NAME`, and a common name has 64 characters (RFC 5280).
LONGEST_HOST_NAME = 64 - len("system:node:")
LONGEST_DOMAIN = 253
FLAG = re.compile(r"[a-z][a-z0-9-]*")
MOST_MEMBERS = 7
CENTISECOND = 10
RUN_MILLISECONDS = 1000
"""keepalived runs a check so often at most (2.2.7: "interval must be between 1 and 4294")."""
# Flags that would undo what keeps the data safe (M12), or that only backstay can set rightly.
OWNED_FLAGS = frozenset(
    {
        *("force-new-cluster", "data-dir", "initial-cluster-state"),
        *("client-ca-file", "etcd-servers", "secure-port"),
    }
)


def violations(spec: ClusterSpec, *, lost: frozenset[Path] = frozenset()) -> Iterator[Violation]:
    """Yield everything that is wrong between the parts of the specification.

    `lost` are paths that could not be read: rules that need them have nothing to say.
    """
    for rule in RULES:
        if not any(_touches(path, need) for need in NEEDS.get(rule, ()) for path in lost):
            yield from rule(spec)


def _touches(one: Path, other: Path) -> bool:
    """Whether one path lies within the other, or the other within it."""
    return all(left == right for left, right in zip(one, other, strict=False))


def _names(spec: ClusterSpec) -> Iterator[Violation]:
    if not LABEL.fullmatch(spec.name):
        yield Violation(
            f"the name {spec.name!r} must be lower-case letters, digits and -", ("name",)
        )
    seen: dict[str, int] = {}
    for index, host in enumerate(spec.hosts):
        path = ("hosts", index, "name")
        if not LABEL.fullmatch(host.name):
            yield Violation(
                f"{host.name!r} is no host name: lower-case letters, digits and -", path
            )
        elif len(host.name) > LONGEST_HOST_NAME:
            message = f"a host name has {LONGEST_HOST_NAME} characters at most: it stands in a"
            yield Violation(f"{message} certificate as system:node:NAME", path)
        if host.name in seen:
            yield Violation(f"the name {host.name} is also host {seen[host.name] + 1}'s", path)
        seen.setdefault(host.name, index)


def _roles(spec: ClusterSpec) -> Iterator[Violation]:
    if not spec.hosts:
        yield Violation("at least one host is needed", ("hosts",))
        return
    for index, host in enumerate(spec.hosts):
        if not host.roles:
            yield Violation(f"{host.name} has no role", ("hosts", index, "roles"))
    if not spec.control_planes:
        yield Violation("no host has the role control-plane", ("hosts",))


def _members(spec: ClusterSpec) -> Iterator[Violation]:
    count = len(spec.etcd_members)
    if count > MOST_MEMBERS:
        message = f"{count} etcd members: beyond {MOST_MEMBERS} writes only get slower"
        yield Violation(message, ("hosts",))
    elif count and count % 2 == 0:
        message = (
            f"{count} etcd members tolerate {count - count // 2 - 1} failures, as {count - 1} do, "
            f"and are more likely to have one: use {count - 1} or {count + 1}"
        )
        yield Violation(message, ("hosts",))


def _endpoint(spec: ClusterSpec) -> Iterator[Violation]:
    endpoint = spec.endpoint
    if endpoint.vip is None and endpoint.name is None:
        yield Violation("endpoint needs a vip or a name", ("endpoint",))


def _endpoint_name(spec: ClusterSpec) -> Iterator[Violation]:
    endpoint = spec.endpoint
    if endpoint.name is not None and not _is_name(endpoint.name):
        message = f"{endpoint.name!r} is no name and no address"
        yield Violation(message, ("endpoint", "name"))


def _is_name(text: str) -> bool:
    """Whether it is an address, or a name; what ends in digits is none (RFC 1123)."""
    if text.rpartition(".")[2].isdigit() or ":" in text:
        return _is_address(text)
    return len(text) <= LONGEST_DOMAIN and bool(DOMAIN.fullmatch(text))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _version(spec: ClusterSpec) -> Iterator[Violation]:
    if spec.kubernetes not in KUBERNETES:
        known = ", ".join(sorted(KUBERNETES))
        message = f"Kubernetes {spec.kubernetes} is not known; known are {known}"
        yield Violation(message, ("kubernetes",), nearest(spec.kubernetes, KUBERNETES))


def _dns(spec: ClusterSpec) -> Iterator[Violation]:
    dns = spec.dns
    if not DOMAIN.fullmatch(dns.domain) or len(dns.domain) > LONGEST_DOMAIN:
        yield Violation(f"{dns.domain!r} is no domain", ("dns", "domain"))
    for name in ("cpu_request", "cpu_limit", "memory_request", "memory_limit"):
        value = getattr(dns, name)
        if value is not None and not QUANTITY.fullmatch(value):
            alias = type(dns).model_fields[name].alias or name
            yield Violation(f"{value!r} is no quantity, such as 100m or 170Mi", ("dns", alias))


def _timers(spec: ClusterSpec) -> Iterator[Violation]:
    etcd = spec.etcd
    # etcd refuses to start otherwise (embed/config.go: election at least 5 heartbeats).
    if etcd.election_milliseconds < 5 * etcd.heartbeat_milliseconds:
        message = (
            f"electionMilliseconds is {etcd.election_milliseconds}, and must be at least"
            f" 5 × heartbeatMilliseconds, which is {etcd.heartbeat_milliseconds}"
        )
        yield Violation(message, ("etcd", "electionMilliseconds"))


def _checks(spec: ClusterSpec) -> Iterator[Violation]:
    balancer = spec.load_balancer
    if balancer.check_fast_interval_milliseconds > balancer.check_interval_milliseconds:
        message = (
            f"checkFastIntervalMilliseconds is {balancer.check_fast_interval_milliseconds}, and"
            f" must not be above checkIntervalMilliseconds,"
            f" which is {balancer.check_interval_milliseconds}"
        )
        yield Violation(message, ("loadBalancer", "checkFastIntervalMilliseconds"))
    if balancer.advert_interval_milliseconds % CENTISECOND:
        message = "VRRP counts in hundredths of a second: write a multiple of 10"
        yield Violation(message, ("loadBalancer", "advertIntervalMilliseconds"))
    if RUN_MILLISECONDS % balancer.address_check_interval_milliseconds:
        # The pause that is left at the end of each run would be longer than what is promised.
        message = "it must divide a second evenly: write 100, 125, 200, 250, 500 or 1000"
        yield Violation(message, ("loadBalancer", "addressCheckIntervalMilliseconds"))


def _lifetimes(spec: ClusterSpec) -> Iterator[Violation]:
    pki = spec.pki
    for name in ("authority_lifetime", "certificate_lifetime", "admin_lifetime"):
        if getattr(pki, name) < timedelta(minutes=10):
            alias = type(pki).model_fields[name].alias or name
            yield Violation("a certificate must live for 10m at least", ("pki", alias))
    if pki.certificate_lifetime > pki.authority_lifetime:
        message = "a certificate cannot outlive the authority that signs it"
        yield Violation(message, ("pki", "certificateLifetime"))
    if pki.renew_before >= pki.certificate_lifetime:
        message = "renewBefore must be shorter than certificateLifetime, or each run renews all"
        yield Violation(message, ("pki", "renewBefore"))


def _ssh(spec: ClusterSpec) -> Iterator[Violation]:
    users: list[tuple[Path, str | None]] = [(("ssh", "user"), spec.ssh.user)]
    keys: list[tuple[Path, str | None]] = []
    for index, host in enumerate(spec.hosts):
        users.append((("hosts", index, "user"), host.user))
        keys.append((("hosts", index, "hostKey"), host.host_key))
    if spec.ssh.bastion is not None:
        users.append((("ssh", "bastion", "user"), spec.ssh.bastion.user))
        keys.append((("ssh", "bastion", "hostKey"), spec.ssh.bastion.host_key))
    for path, user in users:
        if user is not None and not USER.fullmatch(user):
            yield Violation(f"{user!r} is no user name", path)
    for path, key in keys:
        if key is not None and (why := flaw(key)):
            yield Violation(why, path)


def _artefacts(spec: ClusterSpec) -> Iterator[Violation]:
    needs = {ArtefactSource.BUNDLE: "bundle", ArtefactSource.MIRROR: "mirror"}
    for source, key in needs.items():
        if source in spec.artefacts.sources and getattr(spec.artefacts, key) is None:
            message = f"the source {source} needs artefacts.{key}"
            yield Violation(message, ("artefacts", "sources"))


def _extra_flags(spec: ClusterSpec) -> Iterator[Violation]:
    for component, flags in spec.extra_flags.items():
        for flag, value in flags.items():
            path = ("extraFlags", component.value, flag)
            if not FLAG.fullmatch(flag):
                yield Violation(f"{flag!r} is no flag: write it without dashes", path)
            elif flag in OWNED_FLAGS or _is_unsafe(component, flag):
                yield Violation(f"the flag {flag} can cost data or is backstay's to set", path)
            if not value.isprintable():
                yield Violation("a flag's value is one line of what can be seen", path)


def _is_unsafe(component: Component, flag: str) -> bool:
    return component is Component.ETCD and flag.startswith("unsafe-")


def _paths(spec: ClusterSpec) -> Iterator[Violation]:
    for path, value in (
        (("ssh", "key"), spec.ssh.key),
        (("ssh", "knownHosts"), spec.ssh.known_hosts),
        (("artefacts", "bundle"), spec.artefacts.bundle),
        (("artefacts", "mirror"), spec.artefacts.mirror),
    ):
        if value is not None and not value.isprintable():
            yield Violation("a path is one line of what can be seen", path)
    bastion = spec.ssh.bastion
    if bastion is not None and not _is_name(bastion.address):
        message = f"{bastion.address!r} is no name and no address"
        yield Violation(message, ("ssh", "bastion", "address"))
    interface = spec.endpoint.interface
    if interface is not None and not re.fullmatch(r"[A-Za-z0-9_.-]{1,15}", interface):
        yield Violation(f"{interface!r} is no network interface", ("endpoint", "interface"))


RULES: tuple[Rule, ...] = (
    _names,
    apart,
    _roles,
    _members,
    _endpoint,
    _endpoint_name,
    families,
    ports,
    balanced,
    vip_is_free,
    vip_is_near,
    ranges,
    services,
    pods,
    _version,
    _dns,
    _timers,
    _checks,
    _lifetimes,
    _ssh,
    _paths,
    _artefacts,
    _extra_flags,
)
_HOSTS: Path = ("hosts",)
_ENDPOINT: Path = ("endpoint",)
_RANGES: tuple[Path, ...] = (("network", "pods"), ("network", "services"))
NEEDS: Mapping[Rule, tuple[Path, ...]] = MappingProxyType(
    {
        families: (_HOSTS, *_RANGES),
        _roles: (_HOSTS,),
        _members: (_HOSTS,),
        _endpoint: (_HOSTS, _ENDPOINT),
        _endpoint_name: (_ENDPOINT,),
        ports: (_HOSTS, _ENDPOINT, ("ssh", "port")),
        balanced: (_HOSTS, _ENDPOINT),
        vip_is_free: (("endpoint", "vip"), *_RANGES),
        vip_is_near: (_HOSTS, _ENDPOINT),
        ranges: _RANGES,
        services: (("network", "services"),),
        pods: (("network",), ("kubelet", "maxPods")),
        _timers: (("etcd",), ("profile",)),
        _checks: (("loadBalancer",), ("profile",)),
        _lifetimes: (("pki",),),
        _artefacts: (("artefacts",),),
    }
)
"""What a rule must know: a default or a hole in its place would make it say what is not so.

Rules about single hosts need none of the others, and what stands by itself needs nothing.
"""
