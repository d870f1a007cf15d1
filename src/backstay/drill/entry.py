"""Ways into a cluster for the clients of a drill: addresses, tunnels, and certificates for hours.

Where a machine's ports can be reached from here, clients connect directly, as users do; elsewhere,
and to the Service's address always, they go through the machines' own SSH.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta

from backstay.components.addresses import Port
from backstay.drill.load.access import Access, Address, Credentials
from backstay.fleet.authorities import fetch_authority, signed
from backstay.fleet.world import World
from backstay.pki.request import AuthorityName, CertificateRequest, Profile, admin_request
from backstay.spec.model import ClusterSpec, Host
from backstay.spec.ranges import SERVICE_PORT, kubernetes_service

USER = "backstay-drill"
LIFETIME = timedelta(hours=4)
"""Longer than any drill; there is no way to revoke a certificate of Kubernetes."""

REACH_SECONDS = 1.0
APISERVER_NAME = "kubernetes.default.svc"
MEMBER_PORT = 2379


@asynccontextmanager
async def entry(
    spec: ClusterSpec, world: World, *, avoided: Collection[str] = ()
) -> AsyncIterator[Access]:
    """Give all ways into the cluster while the connections to its machines last.

    None leads through machines that are avoided, if there are others: a forwarded port does not
    outlive the machine that it leads through.

    Raises UnreachableError or StepFailedError when no control plane can sign for us.
    """
    kubernetes, etcd = await asyncio.gather(_kubernetes(spec, world), _etcd(spec, world))
    through = onlooker(spec, avoided)
    async with AsyncExitStack() as tunnels:
        endpoint, service, planes, members = await asyncio.gather(
            _endpoint(spec, world, tunnels, through),
            _service(spec, world, tunnels, through),
            _each(spec.control_planes, world, tunnels, Port.APISERVER),
            _each(spec.etcd_members, world, tunnels, MEMBER_PORT),
        )
        yield Access(endpoint, planes, members, kubernetes, etcd, service)


async def _kubernetes(spec: ClusterSpec, world: World) -> Credentials:
    return await _credentials(spec, world, admin_request(spec, USER, LIFETIME))


async def _etcd(spec: ClusterSpec, world: World) -> Credentials:
    request = CertificateRequest(
        name=f"user/{USER}",
        stem="",
        authority=AuthorityName.ETCD,
        profile=Profile.CLIENT,
        common_name=USER,
        lifetime=LIFETIME,
        renew_before=timedelta(0),
    )
    return await _credentials(spec, world, request)


async def _credentials(spec: ClusterSpec, world: World, request: CertificateRequest) -> Credentials:
    planes = (host.name for host in spec.control_planes)
    authority = await fetch_authority(world, planes, request.authority)
    pair = signed(world, request, authority)
    return Credentials(authority.certificate, pair.certificate, pair.key)


async def _each(
    hosts: tuple[Host, ...], world: World, tunnels: AsyncExitStack, port: int
) -> Mapping[str, Address]:
    found = await asyncio.gather(
        *(
            _address(world, tunnels, host.name, str(host.internal), port, _name(host, port))
            for host in hosts
        )
    )
    return {host.name: address for host, address in zip(hosts, found, strict=True)}


def _name(host: Host, port: int) -> str:
    return APISERVER_NAME if port == Port.APISERVER else host.name


async def _endpoint(
    spec: ClusterSpec, world: World, tunnels: AsyncExitStack, through: str
) -> Address:
    host, port = str(spec.endpoint.host), spec.endpoint.port
    return await _address(world, tunnels, through, host, port, APISERVER_NAME)


async def _service(
    spec: ClusterSpec, world: World, tunnels: AsyncExitStack, through: str
) -> Address | None:
    """Return the Service's address as a node's own programs see it, through its rules."""
    if not spec.nodes:
        return None
    first = str(kubernetes_service(spec))
    local = await tunnels.enter_async_context(world.machine(through).reach(first, SERVICE_PORT))
    return Address("127.0.0.1", local, APISERVER_NAME)


def onlooker(spec: ClusterSpec, avoided: Collection[str]) -> str:
    """Return the machine to look from: a worker if there is one, since drills break the others."""
    names = [host.name for host in (*spec.workers, *spec.control_planes)]
    return next((name for name in names if name not in avoided), names[0])


async def _address(
    world: World, tunnels: AsyncExitStack, through: str, host: str, port: int, name: str
) -> Address:
    if await _is_reachable(host, port):
        return Address(host, port, name)
    local = await tunnels.enter_async_context(world.machine(through).reach(host, port))
    return Address("127.0.0.1", local, name)


async def _is_reachable(host: str, port: int) -> bool:
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(REACH_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
        return True
    return False
