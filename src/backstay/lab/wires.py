"""The wires of a lab: a switch of its own, one link into this computer, and cuts.

The bridge stands in a network namespace, so that neither this computer's firewall nor its bridge
settings touch what machines say to each other, and so that nothing of a lab's is in its way.
Ports of the bridge are named after the machines; `host` is the port of this computer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from backstay.errors import PreflightError
from backstay.lab.commands import run
from backstay.lab.model import Lab
from backstay.lab.mounts import mount_points
from backstay.lab.names import is_of_lab, machine_handle, switch_handle, uplink

RANGES = IPv4Network("10.213.0.0/16")
"""Seldom used elsewhere, and apart from the default ranges of pods and Services."""

RANGE_PREFIX = 24
RANGE_COUNT = 255
"""The virtual router id of a lab is its number plus one, and at most 255."""
BRIDGE = "bridge"
HOST_PORT = "host"
NAMESPACES = Path("/run/netns")
MACHINE_LINK = "eth0"

BRIDGE_SETTINGS = (
    "bridge-nf-call-iptables",
    "bridge-nf-call-ip6tables",
    "bridge-nf-call-arptables",
)


def range_of(index: int) -> IPv4Network:
    """Return the range of addresses with that number."""
    return list(RANGES.subnets(new_prefix=RANGE_PREFIX))[index]


async def free_index(taken: Iterable[int]) -> int:
    """Return the lowest number of a range that no lab has and no route of this computer is in.

    A wider route, as of a private network's 10.0.0.0/8, is no hindrance. PreflightError if no
    range is left.
    """
    used = {*taken, *await _linked_indexes(), *await _routed_indexes()}
    for index in range(RANGE_COUNT):
        if index not in used:
            return index
    raise PreflightError(
        f"no range of addresses in {RANGES} is free",
        where="this computer",
        next_move="remove a lab: backstay lab list, backstay lab down",
    )


async def _linked_indexes() -> set[int]:
    names = {link["ifname"] for link in await _links()}
    return {index for index in range(RANGE_COUNT) if uplink(index) in names}


async def _routed_indexes() -> set[int]:
    routes = (IPv4Network(route) for route in await _routes())
    inside = [route for route in routes if route.subnet_of(RANGES)]
    return {i for i in range(RANGE_COUNT) if any(range_of(i).overlaps(route) for route in inside)}


async def _routes() -> list[str]:
    routes: list[dict[str, str]] = json.loads(
        await run("ip", "-4", "-json", "route", "show") or "[]"
    )
    return [route["dst"] for route in routes if route["dst"] != "default"]


async def _links(*where: str) -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = json.loads(
        await run("ip", *where, "-json", "link", "show") or "[]"
    )
    return links


async def make_switch(lab: Lab) -> None:
    """Make the switch of a lab and plug this computer in; a finished switch is left alone."""
    if not await _is_plugged_in(lab):
        await remove_switch(lab.name)
        await _make_switch(lab, switch_handle(lab.name), uplink(lab.index))


async def _is_plugged_in(lab: Lab) -> bool:
    """Tell whether the link has its address, which is the last thing that it gets."""
    show = await run("ip", "-json", "address", "show")
    return any(
        link["ifname"] == uplink(lab.index)
        and str(lab.gateway) in {address["local"] for address in link["addr_info"]}
        for link in json.loads(show or "[]")
    )


async def _make_switch(lab: Lab, switch: str, link: str) -> None:
    await run("ip", "netns", "add", switch)
    await _quiet_bridge(switch)
    pair = f"link add {link} type veth peer name {HOST_PORT} netns {switch}"
    await _batch((), pair, f"link set {link} up")
    await _batch(
        ("-netns", switch),
        f"link add {BRIDGE} type bridge",
        f"link set {BRIDGE} up",
        f"link set {HOST_PORT} master {BRIDGE} up",
    )
    await run("ip", "address", "add", f"{lab.gateway}/{lab.network.prefixlen}", "dev", link)


async def _batch(where: tuple[str, ...], *commands: str) -> None:
    await run("ip", *where, "-batch", "-", stdin="\n".join(commands) + "\n")


async def _quiet_bridge(switch: str) -> None:
    """Keep the packet filter of layer 3 out of the bridge, where br_netfilter is loaded."""
    for setting in _bridge_settings():
        await run("ip", "netns", "exec", switch, "tee", setting, stdin="0")


def _bridge_settings() -> tuple[str, ...]:
    paths = (Path("/proc/sys/net/bridge") / name for name in BRIDGE_SETTINGS)
    return tuple(str(path) for path in paths if path.exists())


def namespaces_of(lab: str) -> tuple[str, ...]:
    """Find the network namespaces of a lab by their names."""
    return tuple(name for name in _namespaces() if is_of_lab(name, lab))


def _namespaces() -> tuple[str, ...]:
    names = NAMESPACES.iterdir() if NAMESPACES.is_dir() else ()
    return tuple(sorted(path.name for path in names))


async def unplug(lab: str, machine: str) -> None:
    """Take a machine off the switch, and forget its interfaces, addresses and rules."""
    await _remove_port(lab, machine)
    await _remove_namespace(machine_handle(lab, machine))


async def remove_switch(lab: str) -> None:
    """Remove the switch of a lab with all its links; nothing happens if there is none."""
    switch = switch_handle(lab)
    if is_whole(switch):
        for link in await _links("-netns", switch):
            await _remove_port(lab, link["ifname"])
    await _remove_namespace(switch)


async def remove_namespaces(lab: str) -> None:
    """Remove every network namespace of a lab, the machines' before the switch."""
    await remove_switch(lab)
    for name in namespaces_of(lab):
        await _remove_namespace(name)


async def release_namespaces() -> None:
    """Give back the mount that `ip netns` makes for the first namespace, after the last."""
    if str(NAMESPACES) in mount_points() and not _namespaces():
        await run("umount", str(NAMESPACES))


async def _remove_port(lab: str, port: str) -> None:
    """Delete one link by name: a namespace may linger after its end, and keep its links."""
    where = ("-netns", switch_handle(lab))
    if not is_whole(switch_handle(lab)):
        return
    if any(
        link["ifname"] == port and link["link_type"] == "ether" for link in await _links(*where)
    ):
        await run("ip", *where, "link", "delete", "dev", port)


async def _remove_namespace(name: str) -> None:
    if (NAMESPACES / name).exists():
        await run("ip", "netns", "delete", name)


def is_whole(namespace: str) -> bool:
    """Tell whether the name stands for a namespace, and not for the start of making one."""
    path = NAMESPACES / namespace
    return path.exists() and path.stat().st_dev != NAMESPACES.stat().st_dev
