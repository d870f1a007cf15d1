"""Ask a cluster how it is: one script per machine, /readyz of each apiserver, one kubectl."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shlex
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from backstay.errors import BackstayError, PreflightError, StepFailedError, UnreachableError
from backstay.fleet import kube
from backstay.fleet.observe import read_answers, script_text
from backstay.fleet.reasons import reason
from backstay.fleet.world import World
from backstay.pki.reading import read_certificate
from backstay.pki.request import RenewedBy
from backstay.pki.requests import requests
from backstay.planning.health import Lease, Member, Node, Readiness, Voter
from backstay.planning.observation import HostSeen
from backstay.resources.resource import Facts, Unknown
from backstay.spec.model import ClusterSpec, Host

ASK_SECONDS = 20.0
READY_SECONDS = 3.0
APISERVER_PORT = 6443
# Every apiserver's certificate carries this name, whatever address it is reached at.
APISERVER_NAME = "kubernetes.default.svc"
NOBODY = "no control plane answers"
LEASES = ("kube-controller-manager", "kube-scheduler")


def units_of(spec: ClusterSpec, host: Host) -> tuple[str, ...]:
    """Return the units that must be active on a host."""
    parts: tuple[tuple[bool, tuple[str, ...]], ...] = (
        (host in spec.etcd_members, ("etcd",)),
        (
            host in spec.control_planes,
            ("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        ),
        (host in spec.load_balancers, ("haproxy",)),
        (host in spec.load_balancers and spec.endpoint.vip is not None, ("keepalived",)),
        (host in spec.nodes, ("containerd", "kubelet", "kube-proxy")),
    )
    return tuple(f"{unit}.service" for applies, units in parts if applies for unit in units)


def _script(spec: ClusterSpec, host: Host, *, mark: str) -> str:
    stems = [one.stem for one in requests(spec)[host.name] if one.renewed_by is RenewedBy.BACKSTAY]
    units = units_of(spec, host)
    lines = [f"mark={mark}", script_text("observe.sh"), script_text("health.sh")]
    lines += ["probe_survey", "probe_host"]
    lines += ["probe_member"] if host in spec.etcd_members else []
    lines += [shlex.join(("probe_service", *units))] if units else []
    lines += [shlex.join(("probe_certificate", *stems))] if stems else []
    return "\n".join((*lines, ""))


async def survey(
    spec: ClusterSpec, world: World, *, mark: str
) -> Mapping[str, HostSeen | UnreachableError]:
    """Ask every machine about itself at once; `mark` is a random word of this run."""

    async def one(host: Host) -> HostSeen | UnreachableError:
        machine = world.machines[host.name]
        if isinstance(machine, UnreachableError):
            return machine
        try:
            done = await machine.run(_script(spec, host, mark=mark), deadline=ASK_SECONDS)
        except UnreachableError as error:
            return error
        except BackstayError as error:
            advice = error.next_move if isinstance(error, PreflightError) else ""
            return UnreachableError(error.what, where=host.name, why=error.why, next_move=advice)
        return read_answers(done.stdout, mark=mark)

    hosts = spec.hosts
    found = await asyncio.gather(*(one(host) for host in hosts))
    return {host.name: seen for host, seen in zip(hosts, found, strict=True)}


def member(facts: Facts) -> Member | Unknown | None:
    """Return what the host's member said of itself; None for a host that was not asked."""
    if "etcd_status" not in facts:
        return None
    lines = [line for line in facts["etcd_status"].split("\t") if line.strip()]
    status = next(filter(None, map(_status, lines)), {})
    try:
        header = status["header"]
        return Member(
            answers=facts.get("etcd_read") == "yes",
            leader=status["leader"] == header["member_id"],
            version=str(status["version"]),
            database_bytes=int(status["dbSize"]),
            learner=bool(status.get("isLearner")),
            revision=int(header.get("revision", 0)),
            knows=_voters(facts.get("etcd_members", "")),
        )
    except (ValueError, KeyError, TypeError):
        return Unknown(_why_no_member(lines, status))


def _voters(line: str) -> tuple[Voter, ...]:
    """Return the voters that the member knows; none where etcdctl's document is not to be read."""
    try:
        members = json.loads(line)["members"]
        return tuple(
            Voter(str(one.get("name", "")), tuple(map(_address, one["peerURLs"])))
            for one in members
            if not one.get("isLearner")
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()


def _address(url: str) -> str:
    return urlsplit(url).hostname or url


def _status(line: str) -> Mapping[str, Any]:
    """Return the member's status if the line is etcdctl's document with it, else nothing."""
    try:
        status = json.loads(line)[0]["Status"]
    except (ValueError, KeyError, IndexError, TypeError):
        return {}
    return status if isinstance(status, dict) else {}


def _why_no_member(lines: Sequence[str], status: Mapping[str, Any]) -> str:
    """Return the member's own errors, as when it knows no leader, or else etcdctl's last words."""
    if status:
        return "; ".join(map(str, status.get("errors") or ())) or "it knows no leader"
    words = [line for line in lines if line[0] not in "[{" and line != "null"]
    if not words:
        return "etcdctl said nothing"
    # The reason stands in brackets at the end of what it says about the endpoint.
    found = re.fullmatch(r"Failed to get the status of endpoint \S+ \((.+)\)", words[-1])
    return found[1] if found else words[-1]


def certificates(seen: HostSeen) -> Mapping[str, datetime]:
    """Return when each certificate of the host ends, by its path without suffix."""
    return dict(_ends(seen))


def _ends(seen: HostSeen) -> Iterator[tuple[str, datetime]]:
    for key, record in seen.records.items():
        if key.kind == "certificate" and isinstance(record, Mapping):
            try:
                pem = base64.b64decode(record.get("certificate", ""), validate=True)
                yield key.name, read_certificate(pem).not_valid_after_utc
            except ValueError:
                continue


def authority(found: Mapping[str, HostSeen | UnreachableError]) -> str:
    """Return the PEM of the cluster's authority as any machine has it; empty when none has."""
    for seen in found.values():
        if isinstance(seen, HostSeen) and (pem := seen.survey.get("authority")):
            return pem.replace("\\n", "\n")
    return ""


async def readiness(
    world: World, host: str, *, address: str, port: int, authority_pem: str
) -> Readiness:
    """Ask /readyz of an address as the host sees it; verified, twice, the second one is timed."""
    try:
        context = ssl.create_default_context(cadata=authority_pem)
        async with world.machine(host).reach(address, port) as local:
            return await _timed(local, context)
    except (BackstayError, ssl.SSLError, ValueError) as error:
        return Readiness(ready=False, milliseconds=0.0, said=str(error).splitlines()[0])


async def _timed(port: int, context: ssl.SSLContext) -> Readiness:
    url = f"https://127.0.0.1:{port}/readyz"
    headers, names = {"host": APISERVER_NAME}, {"sni_hostname": APISERVER_NAME}
    try:
        async with httpx2.AsyncClient(
            verify=context, timeout=READY_SECONDS, trust_env=False
        ) as client:
            await client.get(url, extensions=names, headers=headers)
            began = time.perf_counter()
            response = await client.get(url, extensions=names, headers=headers)
            elapsed = (time.perf_counter() - began) * 1000
    except (httpx2.HTTPError, ssl.SSLError, OSError) as error:
        return Readiness(ready=False, milliseconds=0.0, said=reason(error, seconds=READY_SECONDS))
    ready = response.status_code == httpx2.codes.OK
    return Readiness(ready, elapsed, "" if ready else failed_checks(response.text))


def failed_checks(text: str) -> str:
    """Return which checks of /readyz failed, one after the other; the text's end if it names none.

    The apiserver answers with a line for each check, `[+]name ok` or `[-]name failed: …`.
    """
    failed = [line.removeprefix("[-]") for line in text.splitlines() if line.startswith("[-]")]
    return "; ".join(failed) or " ".join(text.split())[-200:]


@dataclass(frozen=True, slots=True)
class ApiAnswers:
    """Nodes and leases, or why they are not known."""

    nodes: Mapping[str, Node] | Unknown
    leases: Mapping[str, Lease] | Unknown


async def ask_api(world: World, planes: Sequence[str]) -> ApiAnswers:
    """Ask for nodes and leases with one kubectl on any control plane that answers."""
    words = ("get", "nodes,leases", "--namespace=kube-system", "--output=json")
    if not planes:
        return ApiAnswers(Unknown(NOBODY), Unknown(NOBODY))
    try:
        done = await kube.through_any(world, planes, *words, "--request-timeout=5s")
    except StepFailedError as error:
        return ApiAnswers(Unknown(error.why), Unknown(error.why))
    items = json.loads(done.stdout)["items"]
    leases = {one["metadata"]["name"]: _lease(one) for one in items if one["kind"] == "Lease"}
    return ApiAnswers(
        {one["metadata"]["name"]: _node(one) for one in items if one["kind"] == "Node"},
        {name: lease for name, lease in leases.items() if name in LEASES},
    )


def _node(item: Mapping[str, object]) -> Node:
    status = item["status"]
    if not isinstance(status, Mapping):
        return Node(ready=False, kubelet="", why="it has no status")
    conditions = {one["type"]: one for one in status.get("conditions", ())}
    ready = conditions.get("Ready", {"status": "Unknown", "message": "it never reported"})
    version = status.get("nodeInfo", {}).get("kubeletVersion", "")
    return Node(ready["status"] == "True", version, str(ready.get("message", "")))


def _lease(item: Mapping[str, object]) -> Lease:
    spec = item["spec"]
    if not isinstance(spec, Mapping):
        message = "a lease without a spec"
        raise TypeError(message)
    # The holder is `hostname_uuid`.
    holder = str(spec.get("holderIdentity") or "").partition("_")[0]
    return Lease(holder, datetime.fromisoformat(str(spec["renewTime"])))
