"""The main promise, on real machines: made by one command, kept by the second, healed by plan.

One lab serves all of this file's tests, in the order in which they stand here.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from backstay import lab as machines
from backstay.lab import read
from backstay.operations.session import state_folder
from backstay.spec.parse import parse
from fakes.pod_image import REFERENCE, archive
from fakes.real_lab import RealLab, changed_things, eventually, run

pytestmark = pytest.mark.lab

NAME = "t-cluster"
MACHINES = ("cp-1", "cp-2", "cp-3", "w-1")
PLANES = MACHINES[:3]
TCP_REPAIR = 19
# What may never change when nothing is to be done: runs of units, certificates, times of files.
FINGERPRINT = """
for unit in /etc/systemd/system/*.service; do
    printf '%s ' "$(basename "$unit")"
    systemctl show --value -p InvocationID "$(basename "$unit")"
done
find /etc/kubernetes /etc/etcd /etc/haproxy /etc/keepalived /etc/cni /etc/containerd \
    /etc/systemd/system /etc/backstay -type f -printf '%p %T@ %C@ %i\\n' 2>/dev/null | sort
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    run("lab", "down", "--name", NAME)
    run("lab", "up", "--control-plane", "3", "--workers", "1", "--name", NAME)
    yield RealLab(NAME, tmp_path_factory.mktemp(NAME))
    run("lab", "down", "--name", NAME)


def fingerprints(lab: RealLab) -> dict[str, str]:
    return {machine: lab.sh(machine, FINGERPRINT) for machine in MACHINES}


def test_every_node_is_ready(lab: RealLab) -> None:
    """Through the virtual address kubectl sees four nodes, all Ready."""
    nodes = json.loads(lab.kubectl("get", "nodes", "-o", "json").stdout)["items"]
    ready = {
        node["metadata"]["name"]: condition["status"]
        for node in nodes
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
    }
    assert ready == dict.fromkeys(MACHINES, "True")


def test_control_planes_are_labelled_and_tainted(lab: RealLab) -> None:
    """Pods of users land on the worker, and the roles are there to be seen."""
    nodes = json.loads(lab.kubectl("get", "nodes", "-o", "json").stdout)["items"]
    tainted = {n["metadata"]["name"] for n in nodes if n["spec"].get("taints")}
    role = "node-role.kubernetes.io/control-plane"
    labelled = {n["metadata"]["name"] for n in nodes if role in n["metadata"]["labels"]}
    assert tainted == labelled == set(PLANES)


def test_each_lease_has_one_holder(lab: RealLab) -> None:
    """Exactly one controller-manager and one scheduler lead, and the others run and wait."""
    for name in ("kube-controller-manager", "kube-scheduler"):
        lease = json.loads(
            lab.kubectl("-n", "kube-system", "get", "lease", name, "-o", "json").stdout
        )
        holder = lease["spec"]["holderIdentity"].partition("_")[0]
        assert holder in PLANES
        active = [lab.sh(plane, f"systemctl is-active {name}").strip() for plane in PLANES]
        assert active == ["active"] * 3


def test_a_pod_on_each_machine_reaches_services_and_names(lab: RealLab) -> None:
    """A Service by its name, answered from every machine, asked from every machine."""
    _import_image(lab)
    lab.kubectl("apply", "-f", "-", stdin=_probes())
    lab.kubectl("rollout", "status", "daemonset/probe", "--timeout=120s")
    pods = lab.kubectl("get", "pods", "-l", "app=probe", "-o", "name").stdout.split()
    assert len(pods) == len(MACHINES)
    for pod in pods:
        eventually(
            lambda pod=pod: _ask_often(lab, pod) == set(MACHINES),
            seconds=20,
            what=f"{pod} reaching the pods of all machines",
        )


def test_a_silent_exec_and_a_silent_watch_are_not_cut(lab: RealLab) -> None:
    """N8: longer than the 35 s after which the balancer of kubeadm's document cuts them.

    BACKSTAY_IDLE_SECONDS=600 makes it the ten minutes of the README.
    """
    seconds = float(os.environ.get("BACKSTAY_IDLE_SECONDS", "40"))
    pod = lab.kubectl("get", "pods", "-l", "app=probe", "-o", "name").stdout.split()[0]
    only = ("--watch-only", "--field-selector=metadata.name=silent", "-o", "name")
    with (
        lab.talking("exec", pod, "--", "sh", "-c", f"sleep {seconds}; echo alive") as talk,
        lab.talking("get", "configmaps", *only) as watch,
    ):
        assert talk.communicate(timeout=seconds + 30) == ("alive\n", "")
        assert watch.poll() is None
        lab.kubectl("create", "configmap", "silent")
        assert watch.stdout is not None
        assert watch.stdout.readline() == "configmap/silent\n"


def test_a_pod_on_a_worker_meets_no_apiserver_that_froze(lab: RealLab) -> None:
    """The Service leads to the balancers, which know: kube-proxy would draw it every third time."""
    pods = ("get", "pods", "-l", "app=probe", "--field-selector=spec.nodeName=w-1", "-o", "name")
    pod = lab.kubectl(*pods).stdout.strip()
    signal = "systemctl kill --kill-who=main --signal={} kube-apiserver.service"
    lab.sh("cp-2", signal.format("STOP"))
    try:
        eventually(
            lambda: _are_down(lab, "cp-2") == len(PLANES),
            seconds=20,
            what="cp-2 out of all balancers",
        )
        assert _ask_the_api(lab, pod, times=30) == ["200"] * 30
    finally:
        lab.sh("cp-2", signal.format("CONT"))
    eventually(lambda: _are_down(lab, "cp-2") == 0, seconds=60, what="cp-2 in all balancers")


def _are_down(lab: RealLab, plane: str) -> int:
    """Return how many balancers send nobody to that apiserver."""
    stat = "echo show stat | socat - UNIX-CONNECT:/run/haproxy/admin.sock"
    lines = [line for each in PLANES for line in lab.sh(each, stat).splitlines()]
    return sum(f",{plane}," in line and ",DOWN" in line for line in lines)


def _ask_the_api(lab: RealLab, pod: str, *, times: int) -> list[str]:
    """Ask the Service of the API over new connections; return the statuses, 000 for no answer."""
    url = "https://kubernetes.default.svc.cluster.local/readyz"
    ask = f"curl -k -s -m 2 -o /dev/null -w '%{{http_code}} ' {url}"
    script = f"n=0; while [ $n -lt {times} ]; do {ask}; n=$((n + 1)); done"
    return lab.kubectl("exec", pod, "--", "sh", "-c", script).stdout.split()


def _ask_often(lab: RealLab, pod: str) -> set[str]:
    """Ask the Service 40 times, each over a new connection; return who answered."""
    url = "http://probe.default.svc.cluster.local/"
    script = f"n=0; while [ $n -lt 40 ]; do curl -s -m 5 {url}; n=$((n + 1)); done"
    return set(lab.kubectl("exec", pod, "--", "sh", "-c", script).stdout.split())


def _import_image(lab: RealLab) -> None:
    path = archive(lab.folder)
    for machine in MACHINES:
        with path.open("rb") as source:
            argv = machines.ssh_argv(
                lab.name, machine, ("/usr/local/bin/ctr", "-n", "k8s.io", "images", "import", "-")
            )
            subprocess.run(argv, stdin=source, check=True, capture_output=True)


def _probes() -> str:
    container = {
        "name": "probe",
        "image": REFERENCE,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", 'echo "$NODE" >/tmp/index.html; exec httpd -f -p 8080 -h /tmp'],
        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
    }
    template = {
        "metadata": {"labels": {"app": "probe"}},
        "spec": {
            "containers": [container],
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 0,
        },
    }
    daemons = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "probe", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "probe"}}, "template": template},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "probe", "namespace": "default"},
        "spec": {"selector": {"app": "probe"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [daemons, service]})


def test_a_second_apply_changes_nothing(lab: RealLab) -> None:
    """Invocation ids, certificates and file times are what they were; the plan is empty."""
    before = fingerprints(lab)
    assert lab.plan()["stages"] == []
    lab.backstay("plan", "--detailed-exitcode", code=0)
    lab.backstay("apply", "--yes")
    assert fingerprints(lab) == before


@pytest.mark.parametrize(
    ("machine", "harm", "kind", "name"),
    [
        ("cp-2", "echo '# by hand' >>/etc/haproxy/haproxy.cfg", "file", "/etc/haproxy/haproxy.cfg"),
        ("w-1", "chmod 644 /etc/kubernetes/kubelet.conf", "file", "/etc/kubernetes/kubelet.conf"),
        ("cp-3", "systemctl stop kube-scheduler", "service", "kube-scheduler.service"),
        (
            "cp-1",
            "rm /etc/kubernetes/pki/scheduler.key",
            "certificate",
            "/etc/kubernetes/pki/scheduler",
        ),
    ],
)
def test_harm_is_shown_healed_and_nothing_else_is_touched(
    lab: RealLab, machine: str, harm: str, kind: str, name: str
) -> None:
    """An edited file, a wrong mode, a stopped unit, a lost key: seen, mended, and that is all."""
    others = {one: print_ for one, print_ in fingerprints(lab).items() if one != machine}
    lab.sh(machine, harm)
    plan = lab.plan()
    assert (machine, kind, name) in changed_things(plan)
    assert {host for host, _, _ in changed_things(plan)} == {machine}
    lab.backstay("plan", "--detailed-exitcode", code=2)
    lab.backstay("apply", "--yes")
    assert lab.plan()["stages"] == []
    after = fingerprints(lab)
    assert {one: after[one] for one in others} == others


def test_a_unit_that_runs_an_old_digest_is_restarted(lab: RealLab) -> None:
    """Written and not restarted, as after a kill in between, is drift; only that unit restarts."""
    unit = "/etc/systemd/system/kube-scheduler.service"
    lab.sh(
        "cp-2",
        f"sed -i.was 's/BACKSTAY_DIGEST=/BACKSTAY_DIGEST=old/' {unit} && systemctl daemon-reload"
        f" && systemctl restart kube-scheduler && mv {unit}.was {unit} && systemctl daemon-reload",
    )
    before = lab.sh("cp-2", FINGERPRINT)
    plan = lab.plan()
    assert changed_things(plan) == [("cp-2", "service", "kube-scheduler.service")]
    lab.backstay("apply", "--yes")
    changed = set(before.splitlines()) ^ set(lab.sh("cp-2", FINGERPRINT).splitlines())
    assert {line.split()[0] for line in changed} == {"kube-scheduler.service"}
    assert lab.plan()["stages"] == []


def test_no_secret_is_shown_anywhere(lab: RealLab) -> None:
    """P9: no private key of any machine is in a plan, a journal, argv or an environment."""
    keys = lab.sh("cp-1", "cat /etc/kubernetes/pki/*.key /etc/kubernetes/encryption.yaml")
    secrets = [line for line in keys.splitlines() if len(line) == 64 and "-" not in line]
    assert secrets
    texts = [path.read_text() for path in state_folder(lab.name).glob("**/*.jsonl")]
    texts.append(json.dumps(lab.plan()))
    texts.append(lab.backstay("plan", "--show-files", "--debug").stdout)
    running = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    texts.append(lab.sh("cp-1", f"{running}; journalctl --no-pager", check=False))
    assert not [secret for secret in secrets for text in texts if secret in text]


def curl(lab: RealLab, url: str, *options: str) -> str:
    """Ask from cp-1 with curl; return the HTTP status, or 000 when the handshake failed."""
    words = " ".join(options)
    command = f"curl -sk -m 5 -o /dev/null -w '%{{http_code}}' {words} {url}"
    return lab.sh("cp-1", command, check=False)


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("6443/readyz", "200"),
        ("6443/version", "401"),
        ("6443/api/v1/secrets", "401"),
        ("10250/pods", "401"),
        ("2379/health", "000"),
        ("10257/healthz", "000"),
    ],
)
def test_who_says_nothing_of_himself_learns_only_health(
    lab: RealLab, place: str, status: str
) -> None:
    """1.2.1, 4.2.1, 2.2, 1.3.7: without a certificate there is /readyz, and nothing else."""
    assert curl(lab, f"https://{lab.machine_address('cp-2')}:{place}") == status


def test_a_client_of_etcd_is_no_peer(lab: RealLab) -> None:
    """2.4-2.5: the apiserver's certificate opens the client port and not the peer port."""
    stem = "/etc/kubernetes/pki/apiserver-etcd-client"
    pair = ("--cert", f"{stem}.crt", "--key", f"{stem}.key")
    address = lab.machine_address("cp-2")
    assert curl(lab, f"https://{address}:2379/health", *pair) == "200"
    assert curl(lab, f"https://{address}:2380/members", *pair) == "000"


def test_old_protocols_are_refused(lab: RealLab) -> None:
    """1.2.29: TLS 1.1 opens no port of the control plane."""
    address = lab.machine_address("cp-2")
    assert curl(lab, f"https://{address}:6443/readyz", "--tls-max", "1.2") == "200"
    old = ("--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")
    assert {curl(lab, f"https://{address}:{port}/", *old) for port in (6443, 10250, 2379)} == {
        "000"
    }


def test_secrets_are_encrypted_in_etcd(lab: RealLab) -> None:
    """1.2.27-28: the raw value of a Secret in etcd is not its value."""
    lab.kubectl("create", "secret", "generic", "canary", "--from-literal=word=chirrup-chirrup")
    stem = "/etc/kubernetes/pki/etcd/healthcheck-client"
    raw = lab.sh(
        "cp-1",
        "etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt "
        f"--cert={stem}.crt --key={stem}.key get /registry/secrets/default/canary"
        " | tr -cd '[:print:]'",
    )
    assert "/registry/secrets/default/canary" in raw
    assert "k8s:enc:secretbox:" in raw
    assert "chirrup" not in raw


def holder(lab: RealLab) -> str:
    """Return the machine that the virtual address is on; the empty text if there is none."""
    held = (m for m in PLANES if f" {lab.endpoint}/" in lab.sh(m, "ip -o address show dev eth0"))
    return next(held, "")


def ask(connection: HTTPSConnection) -> int:
    """Ask over a connection that exists; OSError if it does not any more."""
    connection.request("GET", "/readyz")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def strangers() -> ssl.SSLContext:
    """Return what asks nobody who he is."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


BYSTANDER = """
rm -f /run/told /run/stands
group=$(systemctl show --value --property=ControlGroup keepalived)
for root in /sys/fs/cgroup/systemd /sys/fs/cgroup; do
    tasks=$root$group/cgroup.procs
    [ -e "$tasks" ] && break
done
setsid sh -c 'trap "touch /run/told; exit" TERM; touch /run/stands; while sleep 0.1; do :; done' \
    >/dev/null 2>&1 </dev/null &
echo $! >"$tasks"
until [ -e /run/stands ]; do sleep 0.1; done
grep -qx $! "$tasks"
"""
"""A process among keepalived's that writes down whether it is asked to end."""


def test_a_connection_outlives_every_holder_of_the_address(lab: RealLab) -> None:
    """Handed over from machine to machine, and back, the address takes no connection with it.

    It begins at the last in order, which is never the next again: from then on the address goes to
    and fro between the other two, and what was begun at the last is two machines away.
    """
    for plane in PLANES[:-1]:
        lab.sh(plane, "systemctl stop keepalived")
    eventually(lambda: holder(lab) == PLANES[-1], seconds=10, what="the last one as the holder")
    for plane in PLANES[:-1]:
        lab.sh(plane, "systemctl start keepalived")
    kept: list[HTTPSConnection] = []
    for _ in range(5):
        kept.append(HTTPSConnection(lab.endpoint, 8443, timeout=5, context=strangers()))
        kept[-1].auto_open = 0
        kept[-1].connect()
        assert [ask(one) for one in kept] == [200] * len(kept)
        old = holder(lab)
        lab.sh(old, "systemctl restart keepalived")
        eventually(lambda old=old: holder(lab) not in {"", old}, seconds=10, what="a new holder")
        assert [ask(one) for one in kept] == [200] * len(kept)


def test_a_check_that_runs_is_not_ended_before_keepalived(lab: RealLab) -> None:
    """Ended by a signal, it was failed, and what had just been kept was called lost and cut."""
    old = holder(lab)
    lab.sh(old, BYSTANDER)
    lab.sh(old, "systemctl restart keepalived")
    assert lab.sh(old, "test -e /run/told && echo told; pgrep -f /run/tol[d] || :") == ""


COUNT = """
nft -f - <<END
table ip count_strangers {{
    chain first {{
        type filter hook prerouting priority -400; policy accept;
        ip saddr {source} meta l4proto 112 counter
    }}
}}
END
"""
STRANGER = """
cat >/run/stranger.conf <<END
global_defs {{
    vrrp_version 3
}}
vrrp_instance stranger {{
    state MASTER
    interface eth0
    virtual_router_id {router}
    priority 255
    advert_int 0.2
    virtual_ipaddress {{
        {address}/32 dev eth0
    }}
}}
END
systemd-run --quiet --collect --unit=stranger keepalived --dont-fork --vrrp \\
    --use-file=/run/stranger.conf --pid=/run/stranger.pid --vrrp_pid=/run/stranger-vrrp.pid
"""


def test_somebody_else_with_our_router_id_moves_nothing(lab: RealLab) -> None:
    """N12: another keepalived of the segment, of the highest priority, is not heard by ours."""
    held, address = holder(lab), str(read(lab.name).vip + 50)
    router = parse(lab.config.read_bytes(), name="").endpoint.virtual_router_id
    turns = "journalctl -u keepalived -o cat | grep -c 'Entering'"
    before = [lab.sh(plane, turns) for plane in PLANES]
    lab.sh(held, COUNT.format(source=lab.machine_address("w-1")))
    lab.sh("w-1", STRANGER.format(router=router, address=address))
    try:
        eventually(lambda: heard(lab, held) >= 20, seconds=30, what="the stranger's adverts")
        assert address in lab.sh("w-1", "ip -o address show dev eth0")
        assert holder(lab) == held
        assert [lab.sh(plane, turns) for plane in PLANES] == before
    finally:
        lab.sh("w-1", "systemctl stop stranger; rm -f /run/stranger.conf")
        lab.sh(held, "nft delete table ip count_strangers")
    assert holder(lab) == held


def heard(lab: RealLab, machine: str) -> int:
    """Return how many adverts of the stranger a machine has got, whatever becomes of them."""
    said = lab.sh(machine, "nft list table ip count_strangers")
    return int(said.partition("packets ")[2].split()[0])


def test_clients_find_the_one_holder_that_is_left_of_two(lab: RealLab) -> None:
    """Who yields without being heard leaves the network with its own hardware address."""

    def holders() -> int:
        held = [lab.sh(one, "ip -o address show dev eth0") for one in PLANES]
        return sum(f" {lab.endpoint}/" in addresses for addresses in held)

    for _ in range(3):
        held = holder(lab)
        run("lab", "cut", held, next(one for one in PLANES if one != held), "--name", lab.name)
        eventually(lambda: holders() == 2, seconds=10, what="two holders")
        run("lab", "heal", "--name", lab.name)
        eventually(lambda: holders() == 1, seconds=10, what="one holder")
        eventually(lambda: begun(lab), seconds=3, what="a connection to the one that is left")


def begun(lab: RealLab) -> bool:
    """Tell whether somebody at the virtual address takes a connection."""
    try:
        socket.create_connection((lab.endpoint, 8443), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_connection_that_nobody_knows_is_refused(lab: RealLab) -> None:
    """Sent on to who left before, it is sent no further: its client hears at once."""

    def send() -> None:
        with socket.socket() as unknown:
            unknown.settimeout(5)
            # Established on this side alone: no packet is sent for it (tcp(7), linux/tcp.h).
            unknown.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            unknown.connect((lab.endpoint, 8443))
            unknown.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 0)
            unknown.send(b"?")
            unknown.recv(1)

    def kept(machine: str) -> bool:
        return "metric 1000" in lab.sh(machine, "ip route show table local")

    old = holder(lab)
    lab.sh(old, "systemctl restart keepalived")
    eventually(lambda: holder(lab) not in {"", old}, seconds=10, what="a new holder")
    assert kept(old)
    with pytest.raises(ConnectionResetError):
        send()
    lab.sh(old, "systemctl kill --signal=KILL haproxy")
    eventually(lambda: not kept(old), seconds=10, what="an address that is forgotten")
    with pytest.raises(ConnectionResetError):
        send()


def test_clients_of_a_holder_whose_keepalived_ended_hear_of_it(lab: RealLab) -> None:
    """It says that it left and serves nobody on: whoever asks is refused, and does not wait.

    Its own ends of the connections are gone as well: once it is the holder again, a client that
    comes from the same port would be taken for the one of before.
    """
    old = holder(lab)
    kept = HTTPSConnection(lab.endpoint, 8443, timeout=5, context=strangers())
    kept.auto_open = 0
    kept.connect()
    assert ask(kept) == 200
    lab.sh(old, "kill $(systemctl show --value --property=MainPID keepalived)")
    eventually(lambda: holder(lab) not in {"", old}, seconds=10, what="a new holder")
    with pytest.raises(ConnectionResetError):
        ask(kept)
    of_it = f"ss -Htn state established src {lab.endpoint} sport = :8443"
    eventually(lambda: not lab.sh(old, of_it), seconds=10, what="an end of its connections")


def test_a_holder_has_no_memory_of_connections_that_are_closed(lab: RealLab) -> None:
    """A client that comes from the port of one, and was served elsewhere meanwhile, is served on.

    The kernel remembers them for a minute, and would answer with their numbers for as long again.
    """
    first, port = holder(lab), closed_by_the_server(lab)
    remembered = f"ss -Htn state time-wait src {lab.endpoint} sport = :8443 dport = :{port}"
    assert lab.sh(first, remembered)

    hand_on(lab, first)
    kept = HTTPSConnection(
        lab.endpoint, 8443, timeout=5, context=strangers(), source_address=("", port)
    )
    assert ask(kept) == 200
    others = [one for one in PLANES if one != first]
    try:
        for one in others:
            lab.sh(one, "systemctl stop keepalived")
        eventually(lambda: holder(lab) == first, seconds=10, what="the first holder")
        eventually(lambda: not lab.sh(first, remembered), seconds=5, what="an end of its memory")
        kept.auto_open = 0
        assert ask(kept) == 200
    finally:
        for one in others:
            lab.sh(one, "systemctl start keepalived")


def closed_by_the_server(lab: RealLab) -> int:
    """Return the port of a connection of ours that the other side ended, and has to remember."""
    with strangers().wrap_socket(socket.create_connection((lab.endpoint, 8443), timeout=5)) as tls:
        port = int(tls.getsockname()[1])
        tls.sendall(b"GET /readyz HTTP/1.1\r\nHost: kubernetes\r\nConnection: close\r\n\r\n")
        while tls.recv(4096):
            pass
        with socket.socket(fileno=tls.detach()) as plain:
            plain.settimeout(5)
            assert plain.recv(1) == b""
    return port


def hand_on(lab: RealLab, held: str) -> None:
    """Let the holder hand the address on in an orderly way."""
    lab.sh(held, "systemctl restart keepalived")
    eventually(lambda: holder(lab) not in {"", held}, seconds=10, what="a new holder")


TURN = """
began=$(date +%s.%6N)
systemctl restart etcd
systemctl start kube-apiserver
journalctl --sync
journalctl --since="@$began" -o cat _PID=1 -u etcd -u kube-apiserver |
    sed -n 's/^\\(St[a-z]*\\) \\([a-z-]*\\).service .*/\\1 \\2/p'
ls /run/backstay | grep waits || :
"""
"""Restart a member, wait for its apiserver, and tell what began and ended, and what is left."""


def test_an_apiserver_is_drained_before_its_member_restarts(lab: RealLab) -> None:
    """It is stopped first and comes back after it: its clients never wait for a member."""
    assert lab.sh("cp-3", TURN).splitlines() == [
        "Stopping etcd",
        "Stopping kube-apiserver",
        "Stopped kube-apiserver",
        "Stopped etcd",
        "Starting etcd",
        "Started etcd",
        "Starting kube-apiserver",
        "Started kube-apiserver",
    ]


def test_a_killed_apiserver_is_followed_by_one_that_is_watched(lab: RealLab) -> None:
    """Its reaper knows the new process, and no child of the old one is left to hold the pipe."""
    main = "systemctl show --value --property=MainPID kube-apiserver"
    watched = "cat /run/kube-apiserver-reaper/serving"
    old = lab.sh("cp-2", main).strip()
    assert lab.sh("cp-2", watched).strip() == old
    lab.sh("cp-2", "systemctl kill --kill-who=main --signal=KILL kube-apiserver")
    eventually(
        lambda: lab.sh("cp-2", main).strip() == lab.sh("cp-2", watched).strip() not in {old, ""},
        seconds=30,
        what="an apiserver that serves and is watched",
    )
    children = lab.sh("cp-2", "ps -C sleep -o ppid=,args= | grep infinity").split()
    assert children == [lab.sh("cp-2", main).strip(), "sleep", "infinity"]


def test_the_first_listed_machine_dies_and_writes_go_on(lab: RealLab) -> None:
    """No machine is the first: with cp-1 gone the virtual address still takes writes."""
    lab.kubectl("create", "configmap", "before")
    run("lab", "pause", "cp-1", "--name", lab.name)
    try:
        began = time.monotonic()
        eventually(
            lambda: lab.kubectl("create", "configmap", "after", check=False).returncode == 0,
            seconds=30,
            what="a write through the virtual address",
        )
        assert time.monotonic() - began < 30
        status = lab.status()
        assert status
        plan = lab.backstay("plan", "-o", "json", code=None)
        assert "cp-1" in plan.stdout + plan.stderr
    finally:
        run("lab", "unpause", "cp-1", "--name", lab.name)
    eventually(
        lambda: lab.backstay("plan", "--detailed-exitcode", code=None).returncode == 0,
        seconds=60,
        what="an empty plan once cp-1 is back",
    )


def test_a_killed_machine_comes_back_by_itself(lab: RealLab) -> None:
    """After a power cut a machine starts all its units, and nothing is left to apply."""
    run("lab", "reboot", "cp-1", "--name", lab.name)
    eventually(
        lambda: lab.backstay("plan", "--detailed-exitcode", code=None).returncode == 0,
        seconds=90,
        what="an empty plan after a reboot",
    )


def test_down_leaves_nothing(lab: RealLab, tmp_path: Path) -> None:
    """No process, mount, link, namespace, group or file of the lab remains."""
    del tmp_path
    run("lab", "down", "--name", lab.name)
    assert machines.leftovers(lab.name) == ()
