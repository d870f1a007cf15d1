"""Pods' ranges: kept where they are, lowest free for new nodes; and the script of their routes."""

from __future__ import annotations

import json
import subprocess
from ipaddress import ip_network
from pathlib import Path

import pytest
from component_sites import STACKED, host, site_of, spec_of, text_of
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.components.assemble import build
from backstay.components.network import SCRIPT, subnets
from backstay.errors import RejectedError
from backstay.spec.model import ClusterSpec


def spec_with(names: list[str], **network: object) -> ClusterSpec:
    """A cluster with these workers beside the usual control planes."""
    workers = [host(name, f"10.0.1.{index + 1}", "worker") for index, name in enumerate(names)]
    planes = [each for each in STACKED["hosts"] if each["roles"] == ("control-plane",)]
    return spec_of({**STACKED, "hosts": [*planes, *workers], "network": network})


def told(found: object) -> dict[str, str]:
    """Ranges as text."""
    return {name: str(subnet) for name, subnet in dict(found).items()}  # type: ignore[call-overload]


def test_new_nodes_get_the_lowest_free_ranges_by_name() -> None:
    """The first cluster is numbered through."""
    assert told(subnets(spec_with(["w-2", "w-1"]), {})) == {
        "cp-1": "10.244.0.0/24",
        "cp-2": "10.244.1.0/24",
        "cp-3": "10.244.2.0/24",
        "w-1": "10.244.3.0/24",
        "w-2": "10.244.4.0/24",
    }


def test_what_a_node_has_it_keeps() -> None:
    """A node that was there before is not renumbered by one whose name sorts earlier."""
    have = {
        "cp-1": ip_network("10.244.0.0/24"),
        "cp-2": ip_network("10.244.7.0/24"),
        "cp-3": ip_network("10.244.1.0/24"),
    }
    found = told(subnets(spec_with(["a-1", "w-1"]), have))
    assert found["cp-2"] == "10.244.7.0/24"
    assert (found["a-1"], found["w-1"]) == ("10.244.2.0/24", "10.244.3.0/24")


@given(
    names=st.lists(
        st.from_regex(r"w-[a-z0-9]{1,6}", fullmatch=True), unique=True, min_size=1, max_size=8
    ),
    first=st.integers(0, 8),
)
@settings(max_examples=30, deadline=None)
def test_growing_moves_nobody(names: list[str], first: int) -> None:
    """Ranges given once are the same after any nodes came, and no two nodes share one."""
    before = subnets(spec_with(names[:first]), {})
    after = subnets(spec_with(names), before)
    assert {name: after[name] for name in before} == before
    assert len(set(after.values())) == len(after)


@pytest.mark.parametrize(
    ("have", "why"),
    [
        ({"cp-1": "10.9.0.0/24"}, "not a /24 of 10.244.0.0/16"),
        ({"cp-1": "10.244.0.0/25"}, "not a /24 of 10.244.0.0/16"),
        ({"cp-1": "fd00::/64"}, "not a /24 of 10.244.0.0/16"),
        ({"cp-1": "10.244.5.0/24", "cp-2": "10.244.5.0/24"}, "belongs to cp-1 too"),
    ],
)
def test_a_range_that_cannot_stay_is_refused(have: dict[str, str], why: str) -> None:
    """Before anything is changed, naming the node and the file."""
    observed = {name: ip_network(text) for name, text in have.items()}
    with pytest.raises(RejectedError) as caught:
        subnets(spec_with([]), observed)
    assert why in caught.value.why
    assert caught.value.where.endswith("/etc/cni/net.d/10-backstay.conflist")


def test_too_many_nodes_are_refused() -> None:
    """The names of those for whom nothing is left are in the message."""
    spec = spec_with(["w-1", "w-2"], pods="10.244.0.0/22")
    with pytest.raises(RejectedError) as caught:
        subnets(spec, {})
    assert caught.value.why == "nothing is left for w-2"


def test_the_range_can_be_read_back_from_the_machine() -> None:
    """The survey finds it in the bridge's file by one expression (fleet/scripts/observe.sh)."""
    resources = build(site_of(spec_of("stacked"))).hosts["w-1"]
    text = text_of(resources, "/etc/cni/net.d/10-backstay.conflist")
    words = ("sed", "-n", r's/.*"subnet": *"\([^"]*\)".*/\1/p')
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=True)
    assert done.stdout == "10.244.3.0/24\n"
    bridge, portmap = json.loads(text)["plugins"]
    assert (bridge["type"], portmap["type"]) == ("bridge", "portmap")


FAKE_IP = """\
#!/bin/sh
case "$*" in
"-batch -") cat >>"$LOG" ;;
"-4 route show proto 66")
    printf '10.244.1.0/24 via 10.0.0.12 dev x\\n10.244.9.0/24 via 10.0.0.9 dev x\\n' ;;
"-6 route show proto 66") ;;
"-o monitor link address")
    printf '2: ens3@if4: <UP> mtu 1500\\n3: veth1@ens3: <UP>\\n2: ens3    inet 10.0.0.1/24\\n'
    printf '9: ens31: <UP> mtu 1500\\n' ;;
*) echo "$*" >>"$LOG" ;;
esac
"""


def run_script(folder: Path, *words: str) -> list[str]:
    """Run the script with an `ip` that writes down what it is told."""
    resources = build(site_of(spec_of("stacked"))).hosts["cp-1"]
    routes = folder / "routes"
    routes.write_text(text_of(resources, "/etc/backstay/routes"))
    script = folder / "script"
    script.write_text(text_of(resources, SCRIPT).replace("/etc/backstay/routes", str(routes)))
    for name, text in (("ip", FAKE_IP), ("nft", '#!/bin/sh\necho "nft $*" >>"$LOG"\n')):
        program = folder / name
        program.write_text(text)
        program.chmod(0o755)
    log = folder / "log"
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "LOG": str(log)}
    subprocess.run(["sh", str(script), *words], env=environment, check=True)
    return log.read_text().splitlines()


ROUTES = [
    "route replace 10.244.1.0/24 via 10.0.0.12 proto 66",
    "route replace 10.244.2.0/24 via 10.0.0.13 proto 66",
    "route replace 10.244.3.0/24 via 10.0.0.101 proto 66",
    "-4 route del 10.244.9.0/24 proto 66",
]


def test_routes_lead_to_all_others_and_stale_ones_go(tmp_path: Path) -> None:
    """A node has none to itself, and what is no longer in the file is taken away."""
    told = run_script(tmp_path, "once", "10.244.0.0/24")
    assert told == ["nft -f /etc/backstay/pods.nft", *ROUTES]


def test_routes_come_back_with_the_link(tmp_path: Path) -> None:
    """They are made again for what happens to the interface, and for nothing else."""
    assert run_script(tmp_path, "watch", "10.244.0.0/24", "ens3") == ROUTES * 2
