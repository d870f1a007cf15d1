"""keepalived with the rendered configuration, its firewall, and its check against a balancer."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from component_sites import CASES, STACKED, site_of, spec_of, text_of, unit_of
from hypothesis import given
from hypothesis import strategies as st

from backstay.components import hand_over
from backstay.components.assemble import build
from backstay.components.loadbalancer import MONITOR
from backstay.components.virtual_address import (
    APART,
    CHECK,
    CONFIG,
    HIGHEST_PRIORITY,
    NEXT_PRIORITY,
    RULES,
    priorities,
)
from backstay.resources.files import File
from backstay.resources.resource import Key, Resource

SBIN = "/usr/sbin:/usr/bin:/sbin:/bin"
keepalived = shutil.which("keepalived", path=SBIN)
nft = shutil.which("nft", path=SBIN)
with_address = pytest.mark.parametrize("case", [c for c in CASES if spec_of(c).endpoint.vip])


def balancer(case: str | Mapping[str, object]) -> Mapping[Key, Resource]:
    """The wish of a case's first balancer."""
    spec = spec_of(case)
    return build(site_of(spec)).hosts[spec.load_balancers[0].name]


def an_interface() -> str:
    """Some interface of this computer on which VRRP could be spoken."""
    multicast, loopback = 0x1000, 0x8
    for _, name in socket.if_nameindex():
        flags = int(Path(f"/sys/class/net/{name}/flags").read_text(), 16)
        if flags & multicast and not flags & loopback:
            return name
    pytest.skip("no interface here speaks multicast")


@pytest.mark.skipif(keepalived is None, reason="keepalived is not installed")
@with_address
def test_keepalived_accepts_it(case: str, tmp_path: Path) -> None:
    """Every rendered configuration passes its own check, and one with a mistake does not."""
    resources = balancer(case)
    spec = spec_of(case)
    text = text_of(resources, CONFIG).replace(spec.endpoint.interface or "ens3", an_interface())
    file = resources[Key("file", CONFIG)]
    assert isinstance(file, File)
    candidate = tmp_path / "keepalived.conf"
    for content, accepted in ((text, True), (text.replace("state", "stat"), False)):
        candidate.write_text(content)
        words = [str(candidate) if word == "{}" else word for word in file.check]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) is accepted, done.stderr


@pytest.mark.skipif(nft is None or os.geteuid() != 0, reason="needs nft and root")
@pytest.mark.parametrize(
    ("case", "path"),
    [(case, path) for case in CASES for path in (RULES, hand_over.RULES, "/etc/backstay/pods.nft")],
)
def test_the_kernel_accepts_the_rules(case: str, path: str, tmp_path: Path) -> None:
    """Every rendered rule set passes its own check, on a kernel that has none of it yet."""
    resources = balancer(case)
    if Key("file", path) not in resources:
        return
    file = resources[Key("file", path)]
    assert isinstance(file, File)
    candidate = tmp_path / "rules"
    candidate.write_text(text_of(resources, path))
    done = subprocess.run(
        [nft or "nft", "-c", "-f", str(candidate)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_there_is_no_keepalived_without_an_address() -> None:
    """An endpoint that is a name is the owner's to lead somewhere."""
    assert Key("service", "keepalived.service") not in balancer("single")


def test_no_balancer_is_born_master_and_no_two_are_alike() -> None:
    """All wait as BACKUP, unicast to all others, each with a priority of its own."""
    spec = spec_of("stacked")
    wish = build(site_of(spec))
    texts = {host.name: text_of(wish.hosts[host.name], CONFIG) for host in spec.load_balancers}
    priorities = set()
    for host in spec.load_balancers:
        lines = [line.strip() for line in texts[host.name].splitlines()]
        assert "state BACKUP" in lines
        assert "nopreempt" in lines
        assert "advert_int 0.2" in lines
        assert f"unicast_src_ip {host.internal}" in lines
        peers = lines[lines.index("unicast_peer {") + 1 :]
        others = [str(o.internal) for o in spec.load_balancers if o.name != host.name]
        assert peers[: len(others)] == others
        priorities |= {line for line in lines if line.startswith("priority")}
    assert priorities == {"priority 250", "priority 150", "priority 50"}


@given(st.integers(1, HIGHEST_PRIORITY))
def test_priorities_are_as_far_apart_as_there_is_room(balancers: int) -> None:
    """Two that are 1 apart both claim; the second's skew is what bounds are reckoned with."""
    found = priorities(balancers)
    assert len(found) == balancers
    assert all(1 <= priority <= HIGHEST_PRIORITY for priority in found)
    steps = {before - after for before, after in pairwise(found)}
    assert steps <= {min(APART, (HIGHEST_PRIORITY - 1) // max(balancers - 1, 1))}
    assert all(priority >= NEXT_PRIORITY for priority in found[:2])


def test_a_lone_balancer_has_the_address_too() -> None:
    """Without peers there is no unicast, which would put it into the fault state."""
    text = text_of(balancer("ipv6"), CONFIG)
    assert "unicast" not in text
    assert "2001:db8::100/128 dev ens3" in text


def test_vrrp_comes_from_the_other_balancers_only() -> None:
    """Whoever else speaks protocol 112 is not heard."""
    lines = [line.strip() for line in text_of(balancer("stacked"), RULES).splitlines()]
    accepted = lines.index("ip saddr { 10.0.0.12, 10.0.0.13 } meta l4proto 112 accept")
    assert lines[accepted + 1] == "meta l4proto 112 drop"


def test_it_is_stopped_before_the_balancer() -> None:
    """So that the address moves while connections are still served."""
    assert "haproxy.service" in next(
        line
        for line in unit_of(balancer("stacked"), "keepalived").splitlines()
        if line.startswith("After=")
    )


def test_a_reload_brings_in_rules_before_peers() -> None:
    """A peer that is not yet let in would be taken for dead."""
    lines = unit_of(balancer("stacked"), "keepalived").splitlines()
    reloads = [line for line in lines if line.startswith("ExecReload=")]
    assert [("nft" in line, "HUP" in line) for line in reloads[:3]] == [
        *[(True, False)] * 2,
        (False, True),
    ]


FAKE_CURL = """\
#!/bin/sh
echo "$@" >>"$LOG"
set -- $ANSWERS
shift $(($(grep -c . "$LOG") - 1))
exit "${1:-0}"
"""


@pytest.mark.parametrize(
    ("answers", "passes", "asked"),
    [
        ((0, 0), True, 2),
        ((7, 0, 0), True, 3),
        ((7, 7), False, 2),
        ((28,), False, 1),
        ((0, 22), False, 2),
    ],
)
def test_the_check_asks_several_times_in_its_second(
    answers: tuple[int, ...],
    passes: bool,  # noqa: FBT001
    asked: int,
    tmp_path: Path,
) -> None:
    """Silence (28) and no apiserver (22) fail it at once; refused (7), it asks once more."""
    script = tmp_path / "check"
    script.write_text(text_of(balancer(STACKED), CHECK))
    curl, log = tmp_path / "curl", tmp_path / "log"
    curl.write_text(FAKE_CURL)
    curl.chmod(0o755)
    log.touch()
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "LOG": str(log),
        "ANSWERS": " ".join(map(str, answers)),
    }
    done = subprocess.run(["sh", str(script)], env=environment, check=False)
    assert (done.returncode == 0) is passes
    calls = log.read_text().splitlines()
    assert len(calls) == asked
    assert all(call.endswith(f"--unix-socket {MONITOR} http://balancer/serving") for call in calls)


@pytest.mark.parametrize(("profile", "asks"), [("default", 2), ("fast", 4)])
def test_the_profile_says_how_often_the_check_asks(profile: str, asks: int) -> None:
    """Keepalived itself counts in whole seconds; the script has to end within its own."""
    spec = {**STACKED, "profile": profile}
    text = text_of(balancer(spec), CHECK)
    pauses = next(line for line in text.splitlines() if line.startswith("for pause in "))
    words = [float(word) for word in pauses.removesuffix("; do").split()[3:]]
    assert len(words) == asks
    assert sum(words) <= 0.8
