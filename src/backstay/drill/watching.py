"""Everything that is watched while clients work: the machines' journals, and the nodes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

import grpc

from backstay.components.addresses import Port
from backstay.drill.again import Again
from backstay.drill.faults.targets import Roles, Site
from backstay.drill.history import HELD, HOLDS, Kind, Note
from backstay.drill.journals import Ear, follower
from backstay.drill.load import etcd
from backstay.drill.load.access import Access
from backstay.drill.load.etcd_pb2 import StatusResponse
from backstay.drill.nodes import NodeWatch
from backstay.drill.quiet import QuietWatch, marked
from backstay.drill.recorder import Recorder
from backstay.drill.renewals import RenewalWatch
from backstay.drill.run import Watcher
from backstay.errors import BackstayError, StepFailedError
from backstay.fleet.transport import Machine
from backstay.fleet.world import World

ASK_SECONDS = 10.0


def note_roles(roles: Roles, recorder: Recorder) -> None:
    """Record who is what at the beginning: what changes later is told by the machines.

    Who leads etcd its members tell, with their term (`ears`).
    """
    if roles.vip_holder:
        recorder.mark(Kind.VIP, roles.vip_holder, HOLDS)
    for lease, holder in sorted(roles.leases.items()):
        recorder.mark(Kind.LEASE, lease, holder, HELD)


async def ears(world: World, recorder: Recorder, access: Access) -> Mapping[str, Ear]:
    """Return how each machine's journal is understood: its clock, and the members' names.

    Whom the members follow now, and in which term, is recorded: a later election has a later one.
    """
    said, zeros = await asyncio.gather(
        _said(access),
        asyncio.gather(*(_zero(machine, recorder) for machine in world.reached.values())),
    )
    members = {f"{one.header.member_id:x}": host for host, one in said.items()}
    for host, one in said.items():
        leader = members.get(f"{one.leader:x}", "")
        recorder.mark(Kind.LEADER, host, leader, str(one.header.raft_term))
    return {host: Ear(host, zero, members) for host, zero in zip(world.reached, zeros, strict=True)}


async def _said(access: Access) -> Mapping[str, StatusResponse]:
    """Return what each of etcd's members says of itself; its log has ids in hexadecimal."""
    return {
        host: await _status(host, etcd.Etcd(address, access.etcd))
        for host, address in access.members.items()
    }


async def _status(host: str, member: etcd.Etcd) -> StatusResponse:
    try:
        return await etcd.status(member, seconds=ASK_SECONDS)
    except grpc.RpcError as error:
        what = "etcd does not say whom it follows"
        raise StepFailedError(what, where=host, why=etcd.said(error)) from error
    finally:
        await member.close()


async def _zero(machine: Machine, recorder: Recorder) -> int:
    """Return when the drill began by the machine's clock, right to half a round trip."""
    before = time.monotonic_ns()
    done = await machine.run("date +%s%N\n", deadline=ASK_SECONDS)
    middle = (before + time.monotonic_ns()) // 2
    text = done.stdout.strip()
    if not text.isdigit():
        raise StepFailedError("the machine's clock cannot be read", where=machine.name, why=text)
    return int(text) - (middle - recorder.zero)


def follow_all(
    world: World, heard: Mapping[str, Ear], access: Access, *, reach: Again
) -> tuple[Watcher, ...]:
    """Return the watchers of a drill; `reach` finds machines again whose connection was lost."""
    journals = tuple(_journal(world.machine(host), ear, reach) for host, ear in heard.items())
    zeros = {host: ear.zero for host, ear in heard.items()}
    quiet = marked(QuietWatch.on(access))
    return (*journals, NodeWatch.on(access).run, quiet, RenewalWatch.on(access, zeros).run)


def counting_sessions(world: World, site: Site) -> Watcher:
    """Return who counts each balancer's connections to each apiserver."""
    names = {site.addresses[plane]: plane for plane in site.planes}

    async def count(host: str, recorder: Recorder) -> None:
        with suppress(BackstayError):
            done = await world.machine(host).run(SESSIONS, deadline=ASK_SECONDS)
            for line in done.stdout.splitlines():
                address, _, number = line.rpartition(" ")
                if (plane := names.get(address)) is not None:
                    recorder.mark(Kind.SESSIONS, host, number, plane)

    async def look(recorder: Recorder) -> None:
        here = [host for host in site.balancers if host in world.reached]
        await asyncio.gather(*(count(host, recorder) for host in here))

    return look


SESSIONS = f"""\
ss --no-header --numeric --tcp --processes state established '( dport = :{Port.APISERVER} )' |
    awk '/"haproxy"/ {{ sub(/:[0-9]*$/, "", $4); gsub(/^\\[(::ffff:)?|\\]$/, "", $4); found[$4]++ }}
        END {{ for (one in found) print one, found[one] }}'
"""
"""Asks the kernel rather than haproxy, whose socket nothing on a machine can speak to."""


def _journal(machine: Machine, ear: Ear, reach: Again) -> Watcher:
    async def watch(recorder: Recorder) -> None:
        await follower(ear, recorder.record, reach).follow(
            machine, deaf=lambda: recorder.mark(Kind.NOTE, Note.DEAF, machine.name)
        )

    return watch
