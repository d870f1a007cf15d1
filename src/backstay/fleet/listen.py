"""Listen, before any balancer of ours speaks, for strangers who speak for its address."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from dataclasses import replace

from backstay.components.addresses import V6
from backstay.components.endpoint_ring import VRRP
from backstay.errors import GateTimeoutError, UnreachableError
from backstay.fleet.observe import read_answers, script_text
from backstay.fleet.transport import Machine
from backstay.fleet.world import World
from backstay.planning.observation import HostSeen, Observation
from backstay.planning.preflight import interfaces, is_unspoken_for
from backstay.resources.resource import Facts
from backstay.spec.model import ClusterSpec, Host, IPAddress

HEARING_SECONDS = 2.5
"""Two adverts of VRRP's own second, and half of one more."""
LISTEN_SECONDS = 30.0
ALL_ROUTERS = {4: "01:00:5e:00:00:12", V6: "33:33:00:00:00:12"}
"""Hardware addresses of the groups that VRRP speaks to (RFC 9568, 1.2; RFC 1112, RFC 2464)."""


async def listened(
    spec: ClusterSpec, world: World, observation: Observation, *, mark: str
) -> Observation:
    """Return the observation with whom the balancers heard; only where none of ours can speak.

    One round trip more for each of them, and the seconds that it takes to hear two adverts.
    """
    vip = spec.endpoint.vip
    if vip is None or not is_unspoken_for(spec, observation):
        return observation
    rules = rules_for(vip, spec.endpoint.virtual_router_id)

    async def hear(host: Host) -> tuple[str, HostSeen]:
        seen = observation.reached[host.name]
        interface = spec.endpoint.interface or interface_of(host, seen)
        script = listening_script(
            interface, ALL_ROUTERS[vip.version], rules, mark=mark, seconds=HEARING_SECONDS
        )
        heard = await _heard(world.reached[host.name], script, mark)
        return host.name, replace(seen, survey={**seen.survey, **heard})

    heard = dict(await asyncio.gather(*(hear(host) for host in spec.load_balancers)))
    return replace(observation, hosts={**observation.hosts, **heard})


async def _heard(machine: Machine, script: str, mark: str) -> Facts:
    try:
        done = await machine.run(script, deadline=LISTEN_SECONDS)
    except (GateTimeoutError, UnreachableError):
        # Whoever stops answering now is told of by whatever comes next.
        return {}
    return read_answers(done.stdout, mark=mark).survey


def interface_of(host: Host, seen: HostSeen) -> str:
    """Return the interface with the host's address among peers."""
    return interfaces(seen.survey).get(str(host.internal), "eth0")


def listening_script(interface: str, group: str, rules: str, *, mark: str, seconds: float) -> str:
    """Return what a machine runs to hear who speaks to a group of routers."""
    call = shlex.join(("listen_for_routers", interface, group, f"{seconds:g}", rules))
    return "\n".join((f"mark={mark}", script_text("observe.sh"), script_text("listen.sh"), call))


def rules_for(vip: IPAddress, router: int) -> str:
    """Return rules that take down who sends an advert of the router, or of the address.

    The router's number is the second byte of an advert, its first address stands behind eight.
    """
    family, bits = ("ip6", 128) if vip.version == V6 else ("ip", 32)
    known: Mapping[str, str] = {
        "router": f"@th,8,8 {router}",
        "address": f"@th,64,{bits} 0x{int(vip):0{bits // 4}x}",
    }
    sets = "".join(
        f"    set {name} {{ type ipv{vip.version}_addr; size 64; flags dynamic; }}\n"
        for name in known
    )
    lines = "".join(
        f"        meta l4proto {VRRP} {words} add @{name} {{ {family} saddr }}\n"
        for name, words in known.items()
    )
    return (
        "table inet backstay_listen\ndelete table inet backstay_listen\n"
        f"table inet backstay_listen {{\n{sets}    chain heard {{\n"
        "        type filter hook prerouting priority -400; policy accept;\n"
        f"{lines}    }}\n}}"
    )
