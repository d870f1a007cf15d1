"""The same cluster by kubeadm and its HA document, on machines of the lab.

Binaries and images are there before, as on a machine that was prepared for it; the rest is what a
person would type, one machine after the other, because kubeadm's joins of control planes are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from backstay.fleet.artefacts.modules import Image
from backstay.fleet.artefacts.oci import pack
from backstay.fleet.artefacts.table import catalogue
from backstay.lab import blob_directory, read
from bench.lab import PLANES, BenchLab

VERSION = "1.37.2"
REGISTRY = "registry.k8s.io"
TOKEN = "abcdef.0123456789abcdef"  # noqa: S105  # of a cluster that lives a minute
KEY = "0123456789abcdef" * 4
MIRROR = "/opt/backstay/mirror"
PORT = 8443
# `kubeadm config images list` of this version.
IMAGES = {
    "kube-apiserver": f"{REGISTRY}/kube-apiserver:v{VERSION}",
    "kube-controller-manager": f"{REGISTRY}/kube-controller-manager:v{VERSION}",
    "kube-scheduler": f"{REGISTRY}/kube-scheduler:v{VERSION}",
    "etcd": f"{REGISTRY}/etcd:3.7.0-0",
}
ARCHIVES = {
    "coredns.tar": ("backstay.local/coredns:1.14.7", f"{REGISTRY}/coredns/coredns:v1.14.6"),
    "pause.tar": ("backstay.local/pause:1", f"{REGISTRY}/pause:3.10.2"),
}
PROGRAMS = [
    "kubelet",
    "kubeadm",
    "kubectl",
    "etcdctl",
    "kube-proxy",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "runc",
]
PLUGINS = ("bridge", "host-local", "loopback", "portmap")
QUIET = "--ignore-preflight-errors=all"
NOTE = (
    "kubeadm init, two joins of control planes, one of a worker; haproxy and keepalived as its HA "
    "document has them; binaries, images, containerd and the network of pods were there before, "
    "which took no time here; kube-proxy as a unit; joins one after the other, as side by side "
    "they took longer on 2 processors"
)


def prepare(made: BenchLab, folder: Path) -> None:
    """Bring binaries, images and units: what is not measured."""
    vip = str(read(made.name).vip)
    addresses = made.addresses
    archives = tuple(_packed(folder))
    scripts = {
        name: "\n".join(_preparation(number, name, addresses, vip))
        for number, name in enumerate(addresses)
    }
    made.everywhere(scripts)
    for name in PLANES:
        for archive in archives:
            _import(made, name, archive)
    made.everywhere(dict.fromkeys(addresses, _tags()))


def _packed(folder: Path) -> Iterator[Path]:
    artefacts = catalogue(VERSION)
    for name, reference in IMAGES.items():
        target = folder / f"{name}.tar"
        program = blob_directory() / artefacts[name].digest / name
        pack(
            program,
            image=Image(reference),
            name=f"usr/local/bin/{name}",
            architecture="amd64",
            target=target,
        )
        yield target


def _import(made: BenchLab, machine: str, archive: Path) -> None:
    made.sh(machine, "ctr -n k8s.io images import --local -", stdin=archive.read_bytes())


def _tags() -> str:
    artefacts = catalogue(VERSION)
    lines = ["set -e"]
    for name, (ours, theirs) in ARCHIVES.items():
        path = f"{MIRROR}/{artefacts[name].digest}/{name}"
        lines.append(f"ctr -n k8s.io images import --local {path}")
        lines.append(f"ctr -n k8s.io images tag {ours} {theirs}")
    return "\n".join(lines)


def _preparation(number: int, name: str, addresses: Mapping[str, str], vip: str) -> Iterator[str]:
    artefacts = catalogue(VERSION)
    yield "set -e; mkdir -p /usr/local/bin /opt/cni/bin /etc/cni/net.d /etc/containerd"
    for program in PROGRAMS:
        yield f"ln -sf {MIRROR}/{artefacts[program].digest}/{program} /usr/local/bin/{program}"
    for plugin in PLUGINS:
        yield f"ln -sf {MIRROR}/{artefacts[plugin].digest}/{plugin} /opt/cni/bin/{plugin}"
    yield _file("/etc/bench/network", "\n".join(_routes(name, addresses)))
    yield _file("/etc/systemd/system/bench-network.service", NETWORK_UNIT)
    yield _file("/etc/cni/net.d/10-bridge.conflist", _network(number))
    yield _file("/etc/containerd/config.toml", CONTAINERD)
    yield _file("/etc/systemd/system/containerd.service", CONTAINERD_UNIT)
    yield _file("/etc/systemd/system/kubelet.service", KUBELET_UNIT)
    yield _file("/etc/systemd/system/kube-proxy.service", PROXY_UNIT)
    yield _file("/etc/bench/proxy.yaml", PROXY)
    yield _file("/etc/bench/logs", LOGS)
    yield _file("/etc/bench/kubeadm.yaml", _configuration(addresses[name], vip))
    if name in PLANES:
        yield _file("/etc/haproxy/haproxy.cfg", _haproxy(addresses))
        yield _file("/etc/keepalived/keepalived.conf", _keepalived(number, vip))
    balancers = "haproxy keepalived" if name in PLANES else ""
    yield "systemctl daemon-reload; systemctl start bench-network containerd"
    # What was prepared is there again after a power cut.
    yield f"systemctl enable --quiet bench-network containerd kubelet kube-proxy {balancers}"


def _routes(name: str, addresses: Mapping[str, str]) -> Iterator[str]:
    yield "set -e; sysctl -q net.ipv4.ip_forward=1"
    for other, (machine, address) in enumerate(addresses.items()):
        if machine != name:
            yield f"ip route replace 10.244.{other}.0/24 via {address}"


def _file(path: str, text: str) -> str:
    return f"mkdir -p {path.rpartition('/')[0]}; cat >{path} <<'END_OF_FILE'\n{text}\nEND_OF_FILE"


def create(made: BenchLab) -> None:
    """Type what the document says, and wait until nodes and DNS are ready."""
    vip = str(read(made.name).vip)
    balancers = "systemctl restart haproxy keepalived"
    made.everywhere(dict.fromkeys(PLANES, balancers))
    init = f"kubeadm init --config /etc/bench/kubeadm.yaml --upload-certs {QUIET}"
    made.sh("cp-1", f"{init} --skip-phases=addon/kube-proxy")
    admin = made.sh("cp-1", "cat /etc/kubernetes/admin.conf")
    for name, address in made.addresses.items():
        if name != "cp-1":
            made.sh(name, _join(vip, address, plane=name in PLANES))
        made.sh(
            name, "umask 077; cat >/etc/bench/admin.conf; systemctl start kube-proxy", stdin=admin
        )
    made.sh("cp-1", _await(tuple(made.machines)))


def _join(vip: str, address: str, *, plane: bool) -> str:
    words = f"kubeadm join {vip}:{PORT} --token {TOKEN} {QUIET}"
    unsafe = "--discovery-token-unsafe-skip-ca-verification"
    more = f"--control-plane --certificate-key {KEY} --apiserver-advertise-address {address}"
    return f"{words} {unsafe} {more if plane else ''}"


def _await(names: tuple[str, ...]) -> str:
    nodes = " ".join(f"node/{name}" for name in names)
    kubectl = "kubectl --kubeconfig=/etc/kubernetes/admin.conf"
    return (
        f"set -e; {kubectl} wait --for=condition=Ready --timeout=300s {nodes}\n"
        f"{kubectl} -n kube-system rollout status --timeout=300s deployment/coredns\n"
    )


def _network(number: int) -> str:
    ipam = {"type": "host-local", "ranges": [[{"subnet": f"10.244.{number}.0/24"}]]}
    bridge = {"type": "bridge", "bridge": "cni0", "isDefaultGateway": True, "ipMasq": True}
    return json.dumps({"cniVersion": "1.0.0", "name": "net", "plugins": [{**bridge, "ipam": ipam}]})


def _configuration(address: str, vip: str) -> str:
    return f"""apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {address}, bindPort: 6443}}
certificateKey: "{KEY}"
bootstrapTokens: [{{token: {TOKEN}}}]
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v{VERSION}
controlPlaneEndpoint: "{vip}:{PORT}"
networking: {{podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/16}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
failSwapOn: false"""


def _haproxy(addresses: Mapping[str, str]) -> str:
    servers = "\n".join(f"    server {name} {addresses[name]}:6443 check" for name in PLANES)
    return f"""global
    log stderr format short daemon notice
defaults
    mode tcp
    timeout connect 5s
    timeout client 35s
    timeout server 35s
frontend apiserver
    bind *:{PORT}
    default_backend apiservers
backend apiservers
    option httpchk
    http-check connect ssl
    http-check send meth GET uri /healthz
    http-check expect status 200
    balance roundrobin
    default-server verify none inter 10s downinter 5s rise 2 fall 2 slowstart 60s maxconn 250
{servers}"""


def _keepalived(number: int, vip: str) -> str:
    state, priority = ("MASTER", 101) if number == 0 else ("BACKUP", 100)
    return f"""vrrp_script check_apiserver {{
    script "/usr/bin/curl -sfk --max-time 2 https://localhost:{PORT}/healthz -o /dev/null"
    interval 3
    weight -2
    fall 10
    rise 2
}}
vrrp_instance VI_1 {{
    state {state}
    interface eth0
    virtual_router_id 51
    priority {priority}
    virtual_ipaddress {{
        {vip}
    }}
    track_script {{
        check_apiserver
    }}
}}"""


# Static pods write to files, and a drill reads in the journal who acquired a lease: kubelet's unit
# passes on what comes from its beginning on, of containers to come from theirs.
LOGS = """mkdir -p /var/log/pods
cd /var/log/pods
known= from=0
while :; do
    for one in kube-system_kube-controller-*/*/*.log kube-system_kube-scheduler-*/*/*.log; do
        case " $known " in *" $one "*) continue ;; esac
        [ -e "$one" ] || continue
        known="$known $one"
        tail -n "$from" -F "$one" 2>/dev/null &
    done
    from=+1
    sleep 1
done"""
CONTAINERD = f"""version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{REGISTRY}/pause:3.10.2"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = false"""
NETWORK_UNIT = """[Unit]
After=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /etc/bench/network
[Install]
WantedBy=multi-user.target"""
CONTAINERD_UNIT = """[Service]
Type=notify
ExecStart=/usr/local/bin/containerd
Delegate=yes
KillMode=process
Restart=always
[Install]
WantedBy=multi-user.target"""
KUBELET_UNIT = """[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml \
$KUBELET_KUBEADM_ARGS
ExecStartPost=/bin/sh -c '/bin/sh /etc/bench/logs &'
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target"""
PROXY_UNIT = """[Service]
ExecStart=/usr/local/bin/kube-proxy --config=/etc/bench/proxy.yaml
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target"""
PROXY = """apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: 10.244.0.0/16
clientConnection: {kubeconfig: /etc/bench/admin.conf}
conntrack: {maxPerCore: 0}"""
