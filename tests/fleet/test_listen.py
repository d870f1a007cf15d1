"""Who speaks for our virtual address before we do: real adverts, a real nft, a real `sh`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from backstay.errors import UnreachableError
from backstay.fleet.listen import ALL_ROUTERS, listened, listening_script, rules_for
from backstay.fleet.observe import read_answers
from backstay.fleet.transport import Completed
from backstay.fleet.world import World
from backstay.planning.observation import HostSeen, Observation
from backstay.resources.resource import Facts, Key, Unknown
from fakes.clusters import Shape, spec_of, survey

TOOLS = all(shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") for name in ("nft", "ip"))
SPEC = spec_of(Shape(1, members=3, balancers=2, workers=1))
VIP, ROUTER = ip_address("10.9.9.100"), 51
UNIT = Key("service", "keepalived.service")

# Two ends of one wire: who listens at the first hears what leaves by the second.
SEGMENT = """\
import socket, struct, subprocess, sys
for words in ("link add wire-a type veth peer name wire-b", "link set wire-a up",
              "link set wire-b up"):
    subprocess.run(["ip", *words.split()], check=True)
router, address, script = int(sys.argv[1]), socket.inet_aton(sys.argv[2]), sys.argv[3]
advert = struct.pack("!BBBBHH4s", 0x31, router, 255, 1, 100, 0, address)
source, group = socket.inet_aton("10.9.9.77"), socket.inet_aton("224.0.0.18")
head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(advert), 0, 0, 255, 112, 0, source, group)
summed = sum(struct.unpack("!10H", head))
summed = (summed & 0xFFFF) + (summed >> 16)
head = head[:10] + struct.pack("!H", ~((summed & 0xFFFF) + (summed >> 16)) & 0xFFFF) + head[12:]
frame = bytes.fromhex("01005e000012" "020000000077" "0800") + head + advert
listening = subprocess.Popen(["sh", "-s"], stdin=subprocess.PIPE)
listening.stdin.write(script.encode())
listening.stdin.close()
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("wire-b", 0))
while listening.poll() is None:
    wire.send(frame)
    try:
        listening.wait(0.05)
    except subprocess.TimeoutExpired:
        pass
left = subprocess.check_output(["nft", "list", "ruleset"], text=True)
members = subprocess.check_output(["ip", "maddress", "show", "dev", "wire-a"], text=True)
assert not left and "01:00:5e:00:00:12" not in members, (left, members)
sys.exit(listening.returncode)
"""


@pytest.mark.skipif(os.geteuid() != 0 or not TOOLS, reason="needs root, nft and ip")
@pytest.mark.parametrize(
    ("router", "address", "heard"),
    [
        (51, "10.9.9.200", {"vrrp_router": "10.9.9.77", "vrrp_address": ""}),
        (52, "10.9.9.100", {"vrrp_router": "", "vrrp_address": "10.9.9.77"}),
        (52, "10.9.9.200", {"vrrp_router": "", "vrrp_address": ""}),
    ],
)
def test_a_machine_hears_who_speaks_for_our_router_or_our_address(
    router: int, address: str, heard: dict[str, str]
) -> None:
    """Nobody else's adverts count, and the machine is as it was when it has listened."""
    rules = rules_for(VIP, ROUTER)
    script = listening_script("wire-a", ALL_ROUTERS[4], rules, mark="m", seconds=0.5)
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", SEGMENT, str(router), address, script],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert read_answers(done.stdout, mark="m").survey == heard


@dataclass
class Listener:
    """A machine that says what it heard, or is gone by then; it counts how often it was asked."""

    name: str
    gone: bool = False
    asked: list[str] = field(default_factory=list)

    async def run(
        self, script: str, *, deadline: float, on_line: Callable[[str], None] | None = None
    ) -> Completed:
        """Say what was heard."""
        del deadline, on_line
        self.asked.append(script)
        if self.gone:
            raise UnreachableError("it is gone", where=self.name)
        return Completed(0, f"m\tsurvey\t.\tvrrp_router\t{self.name}\n", "")


def seen(name: str, unit: Facts | Unknown | None) -> HostSeen:
    """A machine that is fit, with its keepalived in some state."""
    said = dict(survey(name, str(SPEC.host(name).internal)))
    return HostSeen(said, {UNIT: unit} if name.startswith("lb") else {})


async def heard_by(
    unit: Facts | Unknown | None, **machines: Listener
) -> tuple[Observation, dict[str, int]]:
    """Listen with the first balancer's unit as it is; return what is known then, and who asked."""
    hosts = {host.name: seen(host.name, None) for host in SPEC.hosts}
    before = Observation({**hosts, "lb-1": seen("lb-1", unit)})
    all_ = {host.name: Listener(host.name) for host in SPEC.hosts}
    all_ |= {name.replace("_", "-"): machine for name, machine in machines.items()}
    after = await listened(SPEC, World(all_), before, mark="m")
    return after, {name: len(one.asked) for name, one in all_.items() if one.asked}


@pytest.mark.parametrize("unit", [None, {"active": "inactive"}, {"active": "failed"}])
async def test_balancers_listen_before_any_of_them_speaks(unit: Facts | None) -> None:
    """Once each; what they heard stands beside what they said of themselves."""
    after, asked = await heard_by(unit)
    assert asked == {"lb-1": 1, "lb-2": 1}
    assert after.reached["lb-2"].survey["vrrp_router"] == "lb-2"
    assert after.reached["lb-2"].survey["hostname"] == "lb-2"
    assert "vrrp_router" not in after.reached["cp-1"].survey


@pytest.mark.parametrize("unit", [{"active": "active"}, {"active": "activating"}, Unknown("?")])
async def test_nobody_listens_once_one_of_ours_may_speak(unit: Facts | Unknown) -> None:
    """It would be heard; and a run that finds nothing to do stays as quick as it is."""
    after, asked = await heard_by(unit)
    assert asked == {}
    assert "vrrp_router" not in after.reached["lb-2"].survey


async def test_who_is_gone_meanwhile_has_heard_nothing() -> None:
    """The others count all the same."""
    after, _ = await heard_by(None, lb_1=Listener("lb-1", gone=True))
    assert "vrrp_router" not in after.reached["lb-1"].survey
    assert after.reached["lb-2"].survey["vrrp_router"] == "lb-2"
