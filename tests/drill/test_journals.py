"""Lines as real journals had them, and what is understood of them."""

from __future__ import annotations

import re

import pytest

from backstay.drill.history import Kind, LogLine, Mark
from backstay.drill.journals import WORTH_HEARING, Ear

EAR = Ear("cp-1", 1_795_440_689_000_000_000, {"90b5ae7149231a37": "cp-2"})


def line(text: str) -> str:
    return f"1795440689.422696 cp-1 {text}"


def etcd(message: str) -> str:
    return line(f'etcd[396]: {{"level":"info","logger":"raft","msg":"raft.node: {message}"}}')


HEARD = {
    etcd("ca5a elected leader 90b5ae7149231a37 at term 2"): (Kind.LEADER, "cp-1", "cp-2", "2"),
    etcd("ca5a changed leader from dcc4 to 90b5ae7149231a37 at term 5"): (
        *(Kind.LEADER, "cp-1", "cp-2", "5"),
    ),
    etcd("ca5a lost leader 90b5ae7149231a37 at term 3"): (Kind.LEADER, "cp-1", "", ""),
    line("Keepalived_vrrp[465]: (kubernetes) Entering MASTER STATE"): (
        *(Kind.VIP, "cp-1", "holds", ""),
    ),
    line("Keepalived_vrrp[465]: (kubernetes) Entering FAULT STATE"): (
        *(Kind.VIP, "cp-1", "fault", ""),
    ),
    line(
        'haproxy[430]: Server apiservers/cp-3 is DOWN, reason: Layer4 connection problem, info: "'
        'Connection refused", check duration: 0ms. 2 active and 0 backup servers left.'
    ): (
        *(Kind.READY, "cp-1", "down"),
        'cp-3: Layer4 connection problem, info: "Connection refused", check duration: 0ms',
    ),
    line(
        "kube-controller-manager[502]: I1123 13:31:40.015693     502 leaderelection.go:272] "
        '"Successfully acquired lease" lock="kube-system/kube-controller-manager"'
    ): (Kind.LEASE, "kube-controller-manager", "cp-1", "acquired"),
    line("systemd[1]: Started kube-apiserver.service - Kubernetes API server."): (
        *(Kind.UNIT, "cp-1", "active", "kube-apiserver"),
    ),
    line("systemd[1]: Stopping haproxy.service - Balancer in front of the API servers..."): (
        *(Kind.UNIT, "cp-1", "stopping", "haproxy"),
    ),
    line("systemd[1]: etcd.service: Main process exited, code=killed, status=9/KILL"): (
        *(Kind.UNIT, "cp-1", "exited"),
        "etcd: Main process exited, code=killed, status=9/KILL",
    ),
}


@pytest.mark.parametrize("text", HEARD)
def test_an_event_is_understood(text: str) -> None:
    """What systemd and the programs say of themselves becomes a mark at its own moment."""
    assert EAR.hear(text) == Mark(422_696_000, *HEARD[text])


@pytest.mark.parametrize("text", HEARD)
def test_what_is_understood_is_sent(text: str) -> None:
    """The machine's own filter lets through every line that means something."""
    assert re.search("|".join(WORTH_HEARING), text)


@pytest.mark.parametrize(
    "text",
    [
        "panic: runtime error: index out of range [5] with length 3",
        "fatal error: concurrent map writes",
        '{"level":"fatal","msg":"failed to commit"}',
        'E0806 10:00:00.000000  12 runtime.go:142] "Observed a panic" panic="nil map"',
        "I0806 10:00:00.000000  12 wrap.go:1] http2: panic serving 10.0.0.1: runtime error",
        "F0806 10:00:00.000000  12 server.go:1] cannot go on",
        "etcd.service: A process of this unit has been killed by the OOM killer.",
    ],
)
def test_a_panic_is_evidence(text: str) -> None:
    """A program that ends in panic is a finding whatever else went well."""
    assert EAR.hear(line(f"etcd[396]: {text}")) == LogLine("cp-1", "etcd", text, 422_696_000)
    assert re.search("|".join(WORTH_HEARING), line(f"etcd[396]: {text}"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-- Boot 7 --",
        line("etcd[396]: apply took too long"),
        line("systemd[1]: Started ssh.service - OpenBSD Secure Shell server."),
        line('kube-apiserver[12]: F0806 hooks.go:1] PostStartHook "rbac" failed: timed out'),
        line('haproxy[430]: [WARNING]  (430) : Server apiservers/cp-1 is DOWN, reason: "x".'),
        "1795440600.000000 cp-1 systemd[1]: Started etcd.service - etcd.",
    ],
)
def test_the_rest_is_passed_over(text: str) -> None:
    """Nothing is made of what is older than the drill, said twice, or about somebody else."""
    assert EAR.hear(text) is None
