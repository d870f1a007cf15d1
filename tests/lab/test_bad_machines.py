"""Machines that are not as they should be: told by host and reason, and nothing is changed.

One lab serves all tests, in the order in which they stand here: first bare machines, each harmed
and mended again; then a cluster is made on them in spite of noise and silence; then that is harmed.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from ipaddress import ip_address

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from backstay import lab as machines
from backstay.fleet.keyring import generate_key
from backstay.fleet.world import utc_now
from backstay.pki.authority import Authority, create
from backstay.pki.issue import issue
from backstay.pki.keys import serialize_key
from backstay.pki.request import AuthorityName
from backstay.pki.requests import requests
from backstay.secret import Secret
from backstay.spec.model import KeyKind
from backstay.spec.parse import parse
from fakes.harm import everywhere, harmed, muted, paused, write
from fakes.real_lab import RealLab, changed_things, run

pytestmark = pytest.mark.lab

NAME = "t-bad"
PLANES = ("cp-1", "cp-2", "cp-3")
MACHINES = (*PLANES, "w-1")
YEAR = timedelta(days=365)
# All that an apply could change: files with their times, units, and the lock.
FINGERPRINT = """
find /etc /usr/local /opt/cni /var/lib/backstay /var/lib/etcd /var/lib/kubelet /run/backstay* \
    -xdev -not -path '/var/lib/etcd/data/*' -not -path '/var/lib/kubelet/*' \
    -printf '%p %m %T@ %C@ %i %l\\n' 2>/dev/null | sort
systemctl show --property=Id,InvocationID,ActiveState etcd kube-apiserver kube-scheduler \
    kube-controller-manager haproxy keepalived containerd kubelet kube-proxy
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLab]:
    size = ("--control-plane", "3", "--workers", "1", "--machines-only")
    run("lab", "down", "--name", NAME)
    try:
        run("lab", "up", *size, "--name", NAME)
        yield RealLab(NAME, tmp_path_factory.mktemp(NAME))
    finally:
        run("lab", "down", "--name", NAME)


def fingerprints(lab: RealLab, *, without: str = "") -> dict[str, str]:
    return everywhere(lab, FINGERPRINT, without=without)


def refused(lab: RealLab, code: int, *words: str, without: str = "") -> str:
    """Apply in vain; return standard error, with nothing changed on any machine that answers."""
    before = fingerprints(lab, without=without)
    done = lab.backstay("apply", "--yes", code=code) if not words else run(*words, code=code)
    assert fingerprints(lab, without=without) == before
    assert done.stdout == ""
    assert re.search(r"^  next   \S", done.stderr, re.MULTILINE), done.stderr
    return done.stderr


def variant(lab: RealLab, name: str, old: str, new: str) -> str:
    """Write the lab's cluster.yaml with something in it changed; return its path."""
    text = lab.config.read_text()
    assert old in text
    path = lab.folder / f"{name}.yaml"
    path.write_text(text.replace(old, new))
    return str(path)


# Bare machines


HARMS = {
    "etc-read-only": (
        "cp-1",
        "mount --bind /etc /etc && mount -o remount,bind,ro /etc",
        "umount /etc",
    ),
    "port-in-use": (
        "cp-2",
        """for port in 6443 2379; do
        systemd-run --quiet --unit squat-$port socat TCP-LISTEN:$port,fork,reuseaddr -; done
        until ss -ltn | grep -q :6443 && ss -ltn | grep -q :2379; do sleep 0.1; done""",
        "systemctl stop squat-6443 squat-2379",
    ),
    "swap-on": (
        "cp-2",
        """printf 'Filename Type Size Used\\n/dev/sda2 partition 1 0\\n' >/run/swaps
        mount --bind /run/swaps /proc/swaps""",
        "umount /proc/swaps",
    ),
    "clock-skew": (
        "cp-3",
        """printf '#!/bin/sh\\nexec /bin/date -d "+30 seconds" "$@"\\n' >/usr/local/bin/date
        chmod 755 /usr/local/bin/date""",
        "rm /usr/local/bin/date",
    ),
    "program-missing": (
        "w-1",
        "mv /usr/sbin/nft /usr/sbin/nft.was",
        "mv /usr/sbin/nft.was /usr/sbin/nft",
    ),
    "leftovers": (
        "w-1",
        "mkdir -p /etc/kubernetes/manifests && echo x >/etc/kubernetes/manifests/kube-proxy.yaml",
        "rm -r /etc/kubernetes",
    ),
}


@pytest.fixture(scope="module")
def report(lab: RealLab) -> str:
    """Harm all machines at once, each in its own way, and return the one report about them."""
    done: list[str] = []
    try:
        for name, (machine, harm, _) in HARMS.items():
            lab.sh(machine, harm)
            done.append(name)
        return refused(lab, 3)
    finally:
        for name in reversed(done):
            machine, _, mend = HARMS[name]
            lab.sh(machine, mend)


@pytest.mark.parametrize(
    ("check", "host", "what", "advice"),
    [
        ("etc-read-only", "cp-1", "/etc cannot be written", "mount -o remount,rw /"),
        ("port-in-use", "cp-2", "port 6443, which kube-apiserver needs", "ss -ltnp sport = :6443"),
        ("port-in-use", "cp-2", "port 2379, which etcd needs", "ss -ltnp sport = :2379"),
        ("swap-on", "cp-2", "swap is in use", "swapoff -a"),
        ("clock-skew", "cp-3", r"its clock is \+(?:29|30)\.. s away", "systemd-timesyncd"),
        ("program-missing", "w-1", "the program nft is missing", "apt-get install nftables"),
        ("leftovers", "w-1", "it has files of another cluster in /etc/kubernetes", "rm -rf"),
    ],
)
def test_what_is_wrong_is_told(report: str, check: str, host: str, what: str, advice: str) -> None:
    """I5, I6, P2: every problem of every machine in one report (exit 3), each with its way out."""
    found = re.search(rf"{host}: {what}.*\[{check}\]\n +next: (.*)", report)
    assert found, report
    assert advice in found[1]


def test_the_report_has_nothing_else(report: str) -> None:
    """No false alarm about machines that are well."""
    assert "error: 7 problems to solve first; nothing changed" in report
    assert report.count("next: ") == 7


STRANGER = """
cat >/run/stranger.conf <<END
vrrp_instance stranger {{
    state MASTER
    interface eth0
    virtual_router_id {router}
    priority 255
    advert_int 1
    virtual_ipaddress {{
        {address}/32 dev eth0
    }}
}}
END
systemd-run --quiet --collect --unit=stranger keepalived --dont-fork --vrrp \\
    --use-file=/run/stranger.conf --pid=/run/stranger.pid --vrrp_pid=/run/stranger-vrrp.pid
until ip -o address show dev eth0 | grep -q '{address}/'; do sleep 0.1; done
"""


def test_somebody_who_speaks_for_our_address_is_told_before_we_do(lab: RealLab) -> None:
    """N12: another keepalived with our router id, then one with our address: nothing is begun."""
    endpoint, source = parse(lab.config.read_text()).endpoint, lab.machine_address("w-1")
    router, vip = endpoint.virtual_router_id, endpoint.vip
    assert vip is not None
    mend = "systemctl stop stranger; rm -f /run/stranger.conf"
    with harmed(lab, "w-1", STRANGER.format(router=router, address=vip + 50), mend):
        said = refused(lab, 3)
        assert f"{source} speaks VRRP with the router id {router}, which is to be ours" in said
        assert said.count("[router-id-in-use]") == said.count("next: ") == 1
    with harmed(lab, "w-1", STRANGER.format(router=router % 255 + 1, address=vip), mend):
        said = refused(lab, 3)
        assert f"{source} announces the virtual address {vip}, which is to be ours" in said
        assert said.count("[address-in-use]") == said.count("next: ") == 1


def test_a_machine_of_another_cluster_is_left_alone(lab: RealLab) -> None:
    """I5: data of another etcd, and keys of other authorities: refused, and not adopted."""
    keys = "/etc/kubernetes/pki"
    harm = (
        f"mkdir -p {keys}/etcd /var/lib/etcd/data/member; echo x >/var/lib/etcd/data/member/x; for"
        " name in ca etcd/ca; do openssl req -x509 -nodes -subj /CN=foreign -newkey ec "
        f"-pkeyopt ec_paramgen_curve:prime256v1 -keyout {keys}/$name.key -out {keys}/$name.crt "
        "2>/dev/null; done"
    )
    mend = "rm -rf /etc/kubernetes /etc/backstay /var/lib/etcd/data"
    with harmed(lab, "cp-3", harm, mend):
        said = refused(lab, 3)
        assert "cp-3: it has files of another cluster in /etc/kubernetes /var/lib/etcd" in said
        lab.sh("cp-3", "mkdir -p /etc/backstay; echo prod 0123abcd >/etc/backstay/cluster")
        said = refused(lab, 3)
        assert "cp-3: it belongs to the cluster 'prod 0123abcd'" in said


def test_a_user_without_sudo_is_told_what_to_allow(lab: RealLab) -> None:
    """I6: all such machines in one error (exit 3), with the line for sudoers; no hang."""
    everywhere(
        lab,
        "useradd -m admin && install -d -o admin -m 700 /home/admin/.ssh && "
        "install -o admin -m 600 ~/.ssh/authorized_keys /home/admin/.ssh/",
    )
    path = variant(lab, "admin", "user: root", "user: admin")
    said = refused(lab, 3, "apply", "--yes", "-c", path)
    assert "where  cp-1, cp-2, cp-3, w-1" in said
    assert "admin ALL=(root) NOPASSWD: /bin/sh" in said


def test_a_new_cluster_waits_for_all_its_members(lab: RealLab) -> None:
    """T10: a control plane that does not answer stops everything (exit 5)."""
    with muted(lab, "cp-3"):
        said = refused(lab, 5, without="cp-3")
    assert "a new cluster needs all its control planes, and cp-3 does not answer" in said
    assert "where  cp-3" in said
    assert "no answer on SSH" in said


def test_a_full_disk_stops_before_anything_starts(lab: RealLab) -> None:
    """T5: told by host and reason (exit 1, for others have their files); nothing is half."""
    harm = "mkdir -p /etc/kubernetes && mount -t tmpfs -o size=32k tmpfs /etc/kubernetes"
    with harmed(lab, "cp-2", harm, "umount /etc/kubernetes"):
        done = lab.backstay("apply", "--yes", code=1)
        left = lab.sh("cp-2", "find / -xdev -name '*.backstay-new'; ls -A /etc/kubernetes")
    assert "where  cp-2" in done.stderr
    assert "No space left on device" in done.stderr
    assert "next   mend the cause, then run again: backstay apply" in done.stderr
    assert ".backstay-new" not in left
    active = [lab.sh(one, "systemctl is-active etcd kubelet || true").split() for one in MACHINES]
    assert active == [["inactive", "inactive"]] * 4


# A cluster, in spite of all

NOISE = {
    "cp-1": "printf 'echo Welcome\\necho complaint >&2\\nprintf unfinished\\nsleep 0.2\\n' "
    "| cat - ~/.bashrc >/srv/x && mv /srv/x ~/.bashrc",
    "cp-2": "usermod -s /bin/dash root; echo 'LC_ALL=de_DE.ISO-8859-1' >>/etc/environment",
    "cp-3": "echo 'Authorized use only' >/etc/motd; "
    "echo 'Banner /etc/motd' >/etc/ssh/sshd_config.d/banner.conf; systemctl restart ssh",
}


def test_a_silent_worker_is_left_out_and_reported(lab: RealLab) -> None:
    """T10, I7: the others become a cluster, through noisy shells; exit 1 says who is not in."""
    for machine, noise in NOISE.items():
        lab.sh(machine, noise)
    assert (
        "Welcome"
        in subprocess.run(
            machines.ssh_argv(NAME, "cp-1", ("true",)), capture_output=True, text=True, check=True
        ).stdout
    )
    with paused(lab, "w-1"):
        done = lab.backstay("apply", "--yes", code=1)
        assert "the machines that answered are done; others could not be reached" in done.stderr
        assert "where  w-1" in done.stderr
        assert "no answer on SSH" in done.stderr
        assert "next   when they are back: backstay apply" in done.stderr
        nodes = lab.kubectl("get", "nodes", "-o", "name").stdout.split()
        assert nodes == [f"node/{one}" for one in PLANES]
    lab.backstay("apply", "--yes")
    assert "node/w-1" in lab.kubectl("get", "nodes", "-o", "name").stdout


def test_sudo_does_what_root_does(lab: RealLab) -> None:
    """I6: the same plan, and the same healing, as a user who may run sh as root."""
    everywhere(lab, "echo 'admin ALL=(root) NOPASSWD: /bin/sh' >/etc/sudoers.d/admin")
    lab.sh("cp-2", "echo '# by hand' >>/etc/haproxy/haproxy.cfg; systemctl stop kube-scheduler")
    path = variant(lab, "admin", "user: root", "user: admin")
    theirs = json.loads(run("plan", "-o", "json", "-c", path).stdout)
    assert theirs["stages"] == lab.plan()["stages"] != []
    run("apply", "--yes", "-c", path)
    assert lab.plan()["stages"] == []


LOGINS = "journalctl -u ssh --no-pager | grep -c 'Accepted publickey'"
SESSIONS = "journalctl -u ssh --no-pager | grep -c 'Starting session: command'"


def test_nothing_to_do_is_one_connection_and_three_round_trips(lab: RealLab) -> None:
    """Counted by the machines' own sshd: logins, and sessions that began."""
    conf = "/etc/ssh/sshd_config.d/verbose.conf"
    everywhere(lab, f"echo 'LogLevel VERBOSE' >{conf}; systemctl restart ssh")
    count = f"echo; echo counted $({LOGINS}) $({SESSIONS})"
    before = everywhere(lab, count)
    lab.backstay("apply", "--yes")
    after = everywhere(lab, count)
    everywhere(lab, f"rm {conf}; systemctl restart ssh")
    for machine in MACHINES:
        old, new = (text[machine].split()[-2:] for text in (before, after))
        # Asking for the number is a login and a session too.
        logins, sessions = (int(b) - int(a) - 1 for a, b in zip(old, new, strict=True))
        assert logins == 1
        assert 1 <= sessions <= 3


# A cluster that is harmed


def test_a_changed_host_key_stops_everything(lab: RealLab) -> None:
    """P8: even a worker's; exit 4, which machine, and how to check (nothing is accepted)."""
    key = "/etc/ssh/ssh_host_ed25519_key"
    lab.sh("cp-1", "echo '# by hand' >>/etc/haproxy/haproxy.cfg")
    lab.sh(
        "w-1",
        f"cp -a {key} /srv/key && rm {key} && ssh-keygen -q -t ed25519 -N '' -f {key} && "
        "systemctl restart ssh",
    )
    try:
        before = fingerprints(lab, without="w-1")
        done = lab.backstay("apply", "--yes", code=4)
        assert fingerprints(lab, without="w-1") == before
    finally:
        argv = machines.ssh_argv(NAME, "w-1", (f"cp -a /srv/key {key}; systemctl restart ssh",))
        trusting = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
        subprocess.run((argv[0], *trusting, *argv[1:]), check=True, capture_output=True)
        lab.sh("cp-1", "sed -i '$d' /etc/haproxy/haproxy.cfg")
    assert "error: the host key is not the pinned one" in done.stderr
    assert "where  w-1 (root@" in done.stderr
    assert "ssh-keygen -lf" in done.stderr


def test_a_silent_control_plane_stops_what_would_disturb(lab: RealLab) -> None:
    """T10: with one of three away no unit of the others is restarted; told, and exit 1."""
    path = variant(
        lab, "flags", "endpoint:\n", "extraFlags:\n  kube-apiserver: {v: '3'}\nendpoint:\n"
    )
    units = "systemctl show -p InvocationID etcd kube-apiserver kube-controller-manager haproxy"
    others = ("cp-1", "cp-2")
    before = [lab.sh(one, units) for one in others]
    with muted(lab, "cp-3"):
        done = run("apply", "--yes", "-c", path, code=4)
    assert [lab.sh(one, units) for one in others] == before
    assert "no running unit of the control plane is restarted while cp-3 is silent" in done.stderr
    assert "others could not be reached" in done.stderr
    assert "where  cp-3" in done.stderr


ENCRYPTED = (Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))


def test_authorities_that_differ_on_one_machine_are_refused(lab: RealLab) -> None:
    """P3, P4: another's certificate, an encrypted key: which file, on which machine (exit 5).

    Neither is overwritten, and neither is spread: who knows which one is the cluster's.
    """
    ours, key = "/etc/kubernetes/pki/etcd/ca.crt", "/etc/kubernetes/pki/ca.key"
    signer = generate_key(KeyKind.ECDSA_P256)
    foreign = create(AuthorityName.ETCD, key=signer, serial=1, now=utc_now(), lifetime=YEAR)
    keep, back = (f"cp -a {a} {b}" for a, b in ((ours, "/srv/crt"), ("/srv/crt", ours)))
    keep_key, back_key = (f"cp -a {a} {b}" for a, b in ((key, "/srv/key"), ("/srv/key", key)))
    with harmed(lab, "cp-2", keep, back), harmed(lab, "cp-3", keep_key, back_key):
        write(lab, "cp-2", ours, foreign.certificate)
        write(lab, "cp-3", key, signer.private_bytes(*ENCRYPTED))
        said = refused(lab, 5)
    assert f"{ours} differs" in said
    assert f"{sha256(foreign.certificate).hexdigest()[:12]}… on cp-2" in said
    assert re.search(f"{key} differs: .*on cp-3", said)
    assert "put back the files" in said


def _without_the_virtual_address(lab: RealLab) -> tuple[str, bytes, bytes]:
    """Return a certificate of cp-2's apiserver, by the cluster's own authority, and its key."""
    spec = parse(lab.config.read_bytes(), name="cluster.yaml")
    found = next(one for one in requests(spec)["cp-2"] if one.stem.endswith("/apiserver"))
    vip = ip_address(str(spec.endpoint.vip))
    request = replace(found, addresses=tuple(one for one in found.addresses if one != vip))
    assert request != found
    pem, key = (
        lab.sh("cp-1", f"cat /etc/kubernetes/pki/ca.{half}").encode() for half in ("crt", "key")
    )
    authority = Authority(AuthorityName.KUBERNETES, pem, Secret(key))
    pair = issue(request, authority, key=generate_key(KeyKind.ECDSA_P256), serial=99, now=utc_now())
    return found.stem, pair.certificate, pair.key.reveal()


def test_bad_certificates_are_told_with_the_reason_and_mended(lab: RealLab) -> None:
    """P3, P4: a name that lacks, another's key, an encrypted key, a readable key; plan says why."""
    stem, certificate, key = _without_the_virtual_address(lab)
    write(lab, "cp-2", f"{stem}.crt", certificate)
    write(lab, "cp-2", f"{stem}.key", key)
    pki = "/etc/kubernetes/pki"
    write(
        lab,
        "cp-1",
        f"{pki}/scheduler.key",
        serialize_key(generate_key(KeyKind.ECDSA_P256)).reveal(),
    )
    encrypted = generate_key(KeyKind.ECDSA_P256).private_bytes(*ENCRYPTED)
    write(lab, "cp-3", f"{pki}/controller-manager.key", encrypted)
    lab.sh("cp-3", f"chmod 644 {pki}/apiserver.key")
    before = fingerprints(lab)
    plan = lab.plan()
    assert fingerprints(lab) == before
    bad = {thing for thing in changed_things(plan) if thing[1] == "certificate"}
    assert bad == {
        ("cp-2", "certificate", stem),
        ("cp-1", "certificate", f"{pki}/scheduler"),
        ("cp-3", "certificate", f"{pki}/controller-manager"),
        ("cp-3", "certificate", f"{pki}/apiserver"),
    }
    vip = str(machines.read(NAME).vip)
    text = lab.backstay("plan", "-v").stdout
    assert f"lacks IP:{vip}" in text
    assert text.count("sha256 ") >= 2
    assert "644 root:root" in text
    assert "PRIVATE" not in text
    # It looks again by itself, and would say what still differs.
    lab.backstay("apply", "--yes")
    served = lab.sh(
        "cp-2",
        "openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null |"
        " openssl x509 -noout -text",
    )
    assert vip in served
