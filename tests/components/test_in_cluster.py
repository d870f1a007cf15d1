"""The rules that lead the Service of pods to the virtual address, and where there are none."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from component_sites import CASES, DEDICATED, STACKED, host, site_of, spec_of, text_of, unit_of

from backstay.components.assemble import build
from backstay.components.in_cluster import RULES

nft = shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin:/bin")


def rules_of(case: str | Mapping[str, object]) -> dict[str, str]:
    """The rules of each node of a case."""
    spec = spec_of(case)
    wish = build(site_of(spec))
    return {node.name: text_of(wish.hosts[node.name], RULES) for node in spec.nodes}


def leading(case: str | Mapping[str, object]) -> set[str]:
    """The nodes that lead the Service anywhere."""
    return {name for name, text in rules_of(case).items() if "dnat" in text}


@pytest.mark.skipif(nft is None or os.geteuid() != 0, reason="needs nft and root")
@pytest.mark.parametrize("case", CASES)
def test_the_kernel_accepts_them(case: str, tmp_path: Path) -> None:
    """Also those that are empty."""
    for name, text in rules_of(case).items():
        file = tmp_path / name
        file.write_text(text)
        done = subprocess.run(
            [nft or "nft", "-c", "-f", str(file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_who_may_become_the_holder_leads_nowhere() -> None:
    """Its own connections would be cut by a hand-over."""
    assert leading("stacked") == {"w-1"}
    assert leading("ipv6") == {"w-1"}
    assert leading("dedicated") == {"cp-1", "cp-2", "cp-3", "cp-4", "cp-5", "w-1", "w-2"}
    both = host("b-1", "10.0.0.50", "worker", "load-balancer")
    assert "b-1" not in leading({**STACKED, "hosts": [*STACKED["hosts"], both]})


def test_without_an_address_of_ours_kube_proxy_chooses() -> None:
    """A name is the owner's to lead somewhere, and rules know addresses only."""
    assert leading("single") == set()
    assert leading({**DEDICATED, "endpoint": {"name": "api.example.org"}}) == set()


def test_the_owner_can_leave_it_to_kube_proxy() -> None:
    """What an earlier wish left is taken away: the table is made, to be deleted."""
    left = rules_of({**STACKED, "proxy": {"kubernetesService": "apiservers"}})
    assert set(left.values()) == {"table ip backstay_service\ndelete table ip backstay_service\n"}


def test_they_come_before_kube_proxy_s_own() -> None:
    """Its rules choose at -100 and 100, and whoever comes first has chosen."""
    text = rules_of("stacked")["w-1"]
    assert "hook prerouting priority -105" in text
    assert "hook output priority -105" in text
    assert "hook postrouting priority 95" in text
    assert text.count("ip daddr 10.96.0.1 tcp dport 443 dnat to 10.0.0.100:8443") == 2


def test_answers_come_back_whoever_asked() -> None:
    """What is led has the node's address: balancers that are no nodes know no way to pods."""
    (line,) = (line for line in rules_of("dedicated")["w-1"].splitlines() if "masquerade" in line)
    assert "saddr" not in line
    assert "ct original ip daddr 10.96.0.1 ct original proto-dst 443" in line


@pytest.mark.parametrize("endpoint", [{"vip": "10.0.0.99"}, {"vip": "10.0.0.100", "port": 9443}])
def test_another_address_brings_kube_proxy_to_load_them_again(endpoint: dict[str, object]) -> None:
    """The file is among what its unit's digest covers."""
    units = [
        unit_of(build(site_of(spec_of(case))).hosts["w-1"], "kube-proxy")
        for case in (STACKED, {**STACKED, "endpoint": endpoint})
    ]
    digests = [next(line for line in unit.splitlines() if "DIGEST" in line) for unit in units]
    assert digests[0] != digests[1]
    assert f"ExecStartPre=-+/usr/sbin/nft -f {RULES}" in units[0].splitlines()
