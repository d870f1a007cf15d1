"""What is decided without any machine: all certificates of a cluster, and plans of many hosts."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from backstay.cli.main import prepare_interpreter
from backstay.components.assemble import build
from backstay.components.network import subnets
from backstay.fleet.artefacts.table import catalogue
from backstay.fleet.keyring import Keyring, make_missing
from backstay.fleet.world import World
from backstay.operations import look
from backstay.pki.decide import Cluster, decide
from backstay.pki.kept import KeptName
from backstay.pki.request import AuthorityName
from backstay.pki.requests import requests
from backstay.pki.trust import complete
from backstay.planning import render
from backstay.planning.observation import HostSeen, Observation
from backstay.planning.propose import propose
from backstay.resources.content import Issued
from backstay.spec.parse import parse
from bench.measure import processor_seconds_of, seconds_of, side_by_side
from bench.table import Row

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MANY, FEW = 1000, 100
SERVICE_ACCOUNT = {KeptName.SERVICE_ACCOUNT_KEY, KeptName.SERVICE_ACCOUNT_PUBLIC}


def cluster_yaml(workers: int) -> bytes:
    """Return a cluster of three control planes and so many workers."""
    planes = [f"- {{name: cp-{n}, address: 10.0.0.{n}, roles: [control-plane]}}" for n in (1, 2, 3)]
    nodes = [
        f"- {{name: w-{n}, address: 10.0.{1 + n // 250}.{1 + n % 250}, roles: [worker]}}"
        for n in range(workers)
    ]
    head = "name: bench\nendpoint: {vip: 10.0.0.100}\nnetwork: {pods: 10.128.0.0/9}\nhosts:"
    return "\n".join((head, *planes, *nodes, "")).encode()


def plan_offline(text: bytes) -> str:
    """Return the plan for machines that have nothing: the whole way but the machines."""
    spec = parse(text, name="cluster.yaml")
    assumed = look._assumed(spec, catalogue(spec.kubernetes), NOW)  # noqa: SLF001  # the same way
    survey = {"control_groups": "v2", "etcd_data": "no"}
    fresh = {
        host: HostSeen(survey, dict.fromkeys(wished))
        for host, wished in build(assumed).hosts.items()
    }
    trust, _ = look._trusted(spec, Observation(fresh), NOW)  # noqa: SLF001  # as above
    wish = build(replace(assumed, trust=trust, subnets=subnets(spec, {})))
    return render.text(propose(spec, wish, Observation(fresh)), spec=spec)


def plans_row() -> Row:
    """Plan 1,000 hosts beside 100."""
    prepare_interpreter()
    many, few = cluster_yaml(MANY - 3), cluster_yaml(FEW - 3)
    plan_offline(few)
    # A neighbour at work makes the long one longer, and may miss the short one: processor time.
    pair = side_by_side(
        lambda: processor_seconds_of(lambda: plan_offline(many)),
        lambda: processor_seconds_of(lambda: plan_offline(few)),
        rounds=3,
    )
    return Row(
        "plan of 1,000 hosts / of 100, offline",
        f"{statistics.median(pair.ours):.1f} s",
        f"{statistics.median(pair.beside):.2f} s",
        pair.ratio,
        bound=12,
        aim=10.5,
        note="processor time from the bytes of cluster.yaml to the text of the plan: parse, "
        "authorities, wish, drift, order, render; machines that have nothing",
    )


def certificates_row() -> Row:
    """Issue all certificates of three control planes and a worker beside a loop of openssl."""
    text = cluster_yaml(1)
    count = sum(len(wanted) for wanted in requests(parse(text, name="cluster.yaml")).values())
    pair = side_by_side(
        lambda: seconds_of(lambda: asyncio.run(issue_all(text))),
        lambda: seconds_of(lambda: _openssl_all(text)),
        rounds=4,
    )
    return Row(
        f"{count} certificates and 4 authorities / the same by an openssl loop",
        f"{statistics.median(pair.ours) * 1000:.0f} ms",
        f"{statistics.median(pair.beside):.2f} s",
        pair.ratio,
        bound=1 / 30,
        note="all with keys of the curve P-256, two processes of openssl for each certificate",
    )


async def issue_all(text: bytes) -> int:
    """Make authorities and certificates, and return how many certificates.

    Not the key of service accounts, which is neither.
    """
    spec = parse(text, name="cluster.yaml")
    nothing = {host.name: dict.fromkeys(name.value for name in KeptName) for host in spec.hosts}
    trust = decide(spec, nothing, cluster=Cluster.EMPTY)
    trust = replace(trust, missing=trust.missing - SERVICE_ACCOUNT)
    created = make_missing(spec, trust, now=NOW)
    wanted = {(host, one.stem): one for host, all_ in requests(spec).items() for one in all_}
    keyring = Keyring(World({}), complete(trust, created), created, wanted)
    for host, stem in wanted:
        await keyring.bytes_of(Issued(stem, "certificate"), host=host)
    return len(wanted)


def _openssl_all(text: bytes) -> None:
    """Make the same authorities and pairs with the same kind of keys, two processes each."""
    spec = parse(text, name="cluster.yaml")
    with tempfile.TemporaryDirectory() as folder:
        for authority in AuthorityName:
            _openssl(folder, _authority(authority))
        for host, all_ in requests(spec).items():
            for number, one in enumerate(all_):
                for argv in _pair(f"{host}-{number}", one.authority, one.common_name):
                    _openssl(folder, argv)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _authority(name: str) -> Sequence[str]:
    files = ("-keyout", f"{name}.key", "-out", f"{name}.crt")
    return ("req", "-x509", *_NEW_KEY, "-subj", f"/CN={name}", "-days", "3650", *files)


def _pair(name: str, authority: str, common_name: str) -> Iterator[Sequence[str]]:
    files = ("-keyout", f"{name}.key", "-out", f"{name}.csr")
    yield ("req", "-new", *_NEW_KEY, "-subj", f"/CN={common_name}", *files)
    signer = ("-CA", f"{authority}.crt", "-CAkey", f"{authority}.key", "-CAcreateserial")
    yield ("x509", "-req", "-in", f"{name}.csr", *signer, "-days", "365", "-out", f"{name}.crt")


def _openssl(folder: str, argv: Sequence[str]) -> None:
    subprocess.run(("openssl", *argv), cwd=Path(folder), check=True, capture_output=True)
