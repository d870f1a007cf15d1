"""The cluster as its owner wishes it: frozen values, defaults filled in, no machine asked.

Keys in `cluster.yaml` are camelCase as in the Kubernetes API; attributes here are snake_case.
Nothing depends on the order of `hosts`: every list handed out is sorted by name.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Annotated, Self

from pydantic import Field, model_validator

from backstay.spec.durations import Duration
from backstay.spec.fields import ONCE, Address, Network, Whole
from backstay.spec.part import Part, Timed
from backstay.spec.profiles import TIMERS, Profile, Timers
from backstay.spec.versions import DEFAULT

IPAddress = IPv4Address | IPv6Address
APISERVER_PORT = 6443
_TIMERS = TIMERS[Profile.DEFAULT]


class Role(StrEnum):
    """What a host is for; one host may have several."""

    CONTROL_PLANE = "control-plane"
    ETCD = "etcd"
    WORKER = "worker"
    LOAD_BALANCER = "load-balancer"


class Cni(StrEnum):
    """Who gives pods their addresses: a bridge with routes by us, or the user."""

    BRIDGE = "bridge"
    NONE = "none"


class ProxyMode(StrEnum):
    """How kube-proxy programs Services (ipvs is on its way out: KEP-5495)."""

    NFTABLES = "nftables"
    IPTABLES = "iptables"


class KubeletServer(StrEnum):
    """Which apiserver a kubelet on a control plane talks to (KEP-4471 says the local one)."""

    LOCAL = "local"
    ENDPOINT = "endpoint"


class KubernetesService(StrEnum):
    """Who answers pods that ask the Service `kubernetes`, on nodes that are no balancers."""

    ENDPOINT = "endpoint"
    APISERVERS = "apiservers"


class KeyKind(StrEnum):
    """Kind of private key of a certificate."""

    ECDSA_P256 = "ecdsa-p256"
    ECDSA_P384 = "ecdsa-p384"
    RSA_2048 = "rsa-2048"
    RSA_4096 = "rsa-4096"


class ArtefactSource(StrEnum):
    """Where binaries may come from, asked in the order written."""

    BUNDLE = "bundle"
    MIRROR = "mirror"
    RELEASE = "release"
    BUILD = "build"


class Component(StrEnum):
    """A program whose flags can be added to."""

    ETCD = "etcd"
    APISERVER = "kube-apiserver"
    CONTROLLER_MANAGER = "kube-controller-manager"
    SCHEDULER = "kube-scheduler"
    KUBELET = "kubelet"
    PROXY = "kube-proxy"


class Bastion(Part):
    """The machine through which the others are reached."""

    address: str
    """Its name or address."""
    user: str = "root"
    """The user there: root, as on the machines."""
    port: Whole = Field(default=22, ge=1, le=65535)
    """Its SSH port: 22, where sshd listens unless told otherwise."""
    host_key: str | None = None
    """Its pinned public host key, as in ssh_host_ed25519_key.pub."""


class Ssh(Part):
    """How machines are reached; a user other than root needs sudo without a password."""

    user: str = "root"
    """Who we are on the machines: root needs no sudo, which is one thing less to go wrong."""
    port: Whole = Field(default=22, ge=1, le=65535)
    """The SSH port of the machines: 22, where sshd listens unless told otherwise."""
    key: str | None = None
    """A private key file; without it the keys of the SSH agent are offered."""
    known_hosts: str | None = None
    """Where host keys that are not pinned stand; else ~/.ssh/known_hosts. Never nowhere."""
    bastion: Bastion | None = None
    """The machine through which the others are reached."""


class Host(Part):
    """One machine: `address` is where SSH reaches it, `privateAddress` where peers do."""

    name: str
    """A DNS label; the machine calls itself so, and its node and etcd member too."""
    address: Address
    """Where SSH reaches it."""
    private_address: Address | None = None
    """Where peers reach it, if that is another address."""
    public_address: Address | None = None
    """Another address under which clients may find it; it stands in certificates."""
    roles: Annotated[frozenset[Role], ONCE]
    """What it is for; control planes are also what no host is by itself: etcd, load-balancer."""
    port: Whole | None = Field(default=None, ge=1, le=65535)
    """Its own SSH port, if another than that of all."""
    user: str | None = None
    """Its own SSH user, if another than that of all."""
    host_key: str | None = None
    """Its pinned public host key: `TYPE BASE64`."""

    @property
    def internal(self) -> IPAddress:
        """The address on which this host's components listen and its peers find it."""
        return self.private_address or self.address

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        """Every distinct address of the host, the internal one first."""
        known = (self.internal, self.address, self.public_address)
        return tuple(dict.fromkeys(address for address in known if address is not None))


class Endpoint(Part):
    """Where clients find the API: a virtual address that we move, or a name of the user's."""

    vip: Address | None = None
    """A virtual address that keepalived moves between the balancers."""
    name: str | None = None
    """A name (or address) of your own that leads to the balancers; it stands in certificates."""
    port: Whole = Field(default=8443, ge=1, le=65535)
    """Not 6443, which the apiserver has on machines that both serve and balance."""
    prefix: Whole | None = Field(default=None, ge=1, le=128)
    """Length of the network that holds the vip: else 24, or 64 for IPv6, as most are."""
    interface: str | None = None
    """Which interface carries the vip; else the one with the balancer's own address."""
    virtual_router_id: Whole = Field(default=51, ge=1, le=255)
    """Unique among the VRRP speakers of a network (51, as keepalived's examples): two need two."""

    @property
    def host(self) -> str:
        """What stands in URLs: the name if there is one, else the virtual address."""
        return self.name or str(self.vip)


class NetworkRanges(Part):
    """Address ranges of pods and Services, and who wires the pods."""

    pods: Network = IPv4Network("10.244.0.0/16")
    """Where pods get addresses: 256 nodes of 256 addresses."""
    pods_per_node_prefix: Whole = Field(default=24, ge=8, le=112)
    """One node's part of it: 24 holds the 110 pods of a kubelet twice; for IPv6 write 64."""
    services: Network = IPv4Network("10.96.0.0/16")
    """Where Services get addresses: 65,536, well below what an apiserver allows."""
    cni: Cni = Cni.BRIDGE
    """bridge: wired by us, with routes between machines of one network; none: by you."""


class Etcd(Timed):
    """Settings of etcd; its timers, in milliseconds, are the profile's unless written here."""

    heartbeat_milliseconds: Whole = Field(default=_TIMERS.heartbeat_milliseconds, ge=10, le=5000)
    """How often the leader shows itself: as long as a round trip between members, or longer."""
    election_milliseconds: Whole = Field(default=_TIMERS.election_milliseconds, ge=50, le=50000)
    """After how much silence a new leader is elected: at least 5 heartbeats and 10 round trips."""
    quota_bytes: Whole = Field(default=8 * 1024**3, ge=16 * 1024**2, le=32 * 1024**3)
    """Where the database stops growing: 8 GiB is the most that etcd recommends."""


class Pki(Part):
    """Lifetimes and key kinds of certificates."""

    authority_lifetime: Duration = timedelta(hours=87600)
    """Ten years, as kubeadm does: rotating an authority is an event."""
    certificate_lifetime: Duration = timedelta(hours=8760)
    """One year: long enough to forget, short enough to matter; renewed by apply before."""
    admin_lifetime: Duration = timedelta(hours=18)
    """18 hours: Kubernetes cannot revoke a certificate, so a person's ends by itself (as kops)."""
    renew_before: Duration = timedelta(days=30)
    """How long before its end apply issues a certificate anew: a month in which to run it once."""
    key: KeyKind = KeyKind.ECDSA_P256
    """P-256: as strong as RSA of 3072 bits, and a hundred times quicker made."""


class LoadBalancer(Timed):
    """Timers of haproxy and keepalived, in milliseconds: the profile's unless written here."""

    check_interval_milliseconds: Whole = Field(
        default=_TIMERS.check_interval_milliseconds, ge=50, le=60000
    )
    """How often each balancer asks each apiserver's /readyz."""
    check_fast_interval_milliseconds: Whole = Field(
        default=_TIMERS.check_fast_interval_milliseconds, ge=50, le=60000
    )
    """How often while a server is changing its state: sooner, since two answers must agree."""
    check_timeout_milliseconds: Whole = Field(
        default=_TIMERS.check_timeout_milliseconds, ge=50, le=60000
    )
    """How long one answer may take, and one connection: the frozen accept, and never answer."""
    advert_interval_milliseconds: Whole = Field(
        default=_TIMERS.advert_interval_milliseconds, ge=10, le=40000
    )
    """How often the holder of the vip shows itself; three silences move it. Whole hundredths."""
    address_check_interval_milliseconds: Whole = Field(
        default=_TIMERS.address_check_interval_milliseconds, ge=100, le=1000
    )
    """How often a machine asks its haproxy whether it serves: else no vip. A divisor of 1000."""
    address_check_timeout_milliseconds: Whole = Field(
        default=_TIMERS.address_check_timeout_milliseconds, ge=50, le=60000
    )
    """How long that answer may take: one that comes later, or not at all, moves the vip."""


class Kubelet(Part):
    """Settings of the kubelets."""

    control_plane_server: KubeletServer = KubeletServer.LOCAL
    """On control planes: local is their own apiserver (KEP-4471); workers ask the endpoint."""
    max_pods: Whole = Field(default=110, ge=1, le=1000)
    """The kubelet's own default, and the limit of the official envelope."""


class Proxy(Part):
    """Settings of kube-proxy."""

    mode: ProxyMode = ProxyMode.NFTABLES
    """nftables: one lookup per packet however many Services (KEP-3866)."""
    kubernetes_service: KubernetesService = KubernetesService.ENDPOINT
    """endpoint: a vip's balancers, who know who is alive; apiservers: as kube-proxy draws them."""


class Dns(Part):
    """Settings of CoreDNS (names after the handbook's kube-dns at scale)."""

    domain: str = "cluster.local"
    """The domain of the cluster: the one that manifests of others take for granted."""
    replicas: Whole = Field(default=2, ge=1, le=100)
    """Two, on two machines by rule; the handbook takes 6 for a thousand nodes."""
    cpu_request: str = "100m"
    """What the scheduler sets aside, as in the manifest that Kubernetes ships."""
    cpu_limit: str | None = None
    """None: a throttled resolver slows everything."""
    memory_request: str = "70Mi"
    """What the scheduler sets aside, as in the manifest that Kubernetes ships."""
    memory_limit: str = "170Mi"
    """Above it a replica is killed: room for the cache and bursts."""
    cache_seconds: Whole = Field(default=30, ge=0, le=3600)
    """How long an answer is kept: as kubeadm sets it, so that changes show within half a minute."""
    cache_entries: Whole = Field(default=9984, ge=1, le=1_000_000)
    """How many answers are kept: about 10,000, as the handbook wants of dnsmasq."""
    max_concurrent: Whole = Field(default=1000, ge=1, le=1_000_000)
    """How many questions wait upstream at once: 1,000, as the handbook wants of dnsmasq."""


class Artefacts(Part):
    """Where binaries come from."""

    sources: Annotated[tuple[ArtefactSource, ...], ONCE] = (ArtefactSource.BUILD,)
    """Asked in this order; build makes them from source, proven by go.sum, and needs no mirror."""
    bundle: str | None = None
    """A folder made by another computer, for `bundle`."""
    mirror: str | None = None
    """A URL below which files stand by digest, for `mirror`."""


class ClusterSpec(Part):
    """The whole wish: what `cluster.yaml` says, with every default filled in."""

    name: str
    """The name of the cluster: a DNS label."""
    kubernetes: str = DEFAULT
    """The version of Kubernetes: the newest that everything here was tested with."""
    endpoint: Endpoint = Endpoint()
    """Where clients find the API; a single control plane is its own if nothing is said."""
    hosts: tuple[Host, ...]
    """The machines; their order means nothing."""
    profile: Profile = Profile.DEFAULT
    """How quickly the loss of a machine is noticed: `backstay tune` says which one fits."""
    ssh: Ssh = Ssh()
    """How machines are reached."""
    network: NetworkRanges = NetworkRanges()
    """Addresses of pods and Services."""
    etcd: Etcd = Etcd()
    """Settings of etcd."""
    pki: Pki = Pki()
    """Lifetimes and keys of certificates."""
    load_balancer: LoadBalancer = LoadBalancer()
    """Timers of the balancers."""
    kubelet: Kubelet = Kubelet()
    """What the kubelets do differently from their own defaults."""
    proxy: Proxy = Proxy()
    """How Services are programmed on each node."""
    dns: Dns = Dns()
    """Settings of CoreDNS."""
    artefacts: Artefacts = Artefacts()
    """Where the binaries come from."""
    extra_flags: dict[Component, dict[str, str]] = Field(default_factory=dict)
    """Flags of your own per program, without dashes; they win over ours."""

    @model_validator(mode="after")
    def _own_endpoint(self) -> Self:
        """Make a single control plane its own endpoint: there is nothing to balance."""
        if "endpoint" not in self.model_fields_set and len(self.control_planes) == 1:
            address = str(self.control_planes[0].internal)
            object.__setattr__(self, "endpoint", Endpoint(name=address, port=APISERVER_PORT))
        return self

    @model_validator(mode="after")
    def _profile_s_timers(self) -> Self:
        """Give the timers that nobody wrote the profile's values."""
        timers = TIMERS[self.profile]
        object.__setattr__(self, "etcd", self.etcd.with_unwritten(timers))
        object.__setattr__(self, "load_balancer", self.load_balancer.with_unwritten(timers))
        return self

    @property
    def timers(self) -> Timers:
        """Every timer that decides how long clients wait when a machine is lost."""
        parts = dict(self.etcd) | dict(self.load_balancer)
        return Timers(**{name: parts[name] for name in TIMERS[self.profile].values()})

    @property
    def is_balanced(self) -> bool:
        """Whether a balancer stands between clients and the apiservers."""
        own = {str(host.internal) for host in self.control_planes}
        return not (self.endpoint.name in own and self.endpoint.port == APISERVER_PORT)

    def host(self, name: str) -> Host:
        """Return the host of that name; KeyError if there is none."""
        return {host.name: host for host in self.hosts}[name]

    def with_role(self, role: Role) -> tuple[Host, ...]:
        """Return the hosts that have the role, sorted by name.

        A control plane implies etcd and load-balancer, unless a host has that role alone.
        """
        named = [host for host in self.hosts if role in host.roles]
        if role is Role.LOAD_BALANCER and not self.is_balanced:
            return ()
        alone = any(Role.CONTROL_PLANE not in host.roles for host in named)
        if role in {Role.ETCD, Role.LOAD_BALANCER} and not alone:
            named = [host for host in self.hosts if Role.CONTROL_PLANE in host.roles]
        return tuple(sorted(named, key=lambda host: host.name))

    @property
    def control_planes(self) -> tuple[Host, ...]:
        """Hosts that run an apiserver, a controller-manager and a scheduler."""
        return self.with_role(Role.CONTROL_PLANE)

    @property
    def etcd_members(self) -> tuple[Host, ...]:
        """Hosts that run a member of etcd."""
        return self.with_role(Role.ETCD)

    @property
    def load_balancers(self) -> tuple[Host, ...]:
        """Hosts that run haproxy, and keepalived when there is a virtual address."""
        return self.with_role(Role.LOAD_BALANCER)

    @property
    def workers(self) -> tuple[Host, ...]:
        """Hosts that run the user's pods and nothing of the control plane."""
        planes = {host.name for host in self.control_planes}
        return tuple(host for host in self.with_role(Role.WORKER) if host.name not in planes)

    @property
    def nodes(self) -> tuple[Host, ...]:
        """Hosts that run a kubelet: control planes and workers."""
        both = (*self.control_planes, *self.workers)
        return tuple(sorted(both, key=lambda host: host.name))
