"""etcd: one member on a host, under its own user, set up by environment files.

Everything is in the environment rather than half there and half in flags: etcd ends with an error
when both say the same thing. What only the first start reads stands in a file of its own, so that
another member's coming does not restart this one.
"""

from __future__ import annotations

from collections.abc import Mapping

from backstay.components import before_etcd
from backstay.components.addresses import Port, https
from backstay.components.flags import assigned, listed, merged
from backstay.components.place import SETTINGS, Place
from backstay.components.tls import CIPHER_SUITES
from backstay.components.units import CONFINED, FIRST, FOREVER, Unit, install
from backstay.pki.kept import KeptName
from backstay.resources.content import Text
from backstay.resources.files import Binary, Directory, File
from backstay.resources.resource import Resource
from backstay.resources.service import Tier
from backstay.spec.model import Component, Host

ACCOUNT = "etcd"
OWNER = f"{ACCOUNT}:{ACCOUNT}"
HOME = "/var/lib/etcd"
DATA = f"{HOME}/data"
CONFIG = "/etc/etcd"
SERVED = f"{SETTINGS}/etcd-served"
"""There once the member has served. It outlives the data, so that lost data is known from data
that never was: a member that served and is empty must not start with the first boot's settings."""

PAIRS = ("etcd/server", "etcd/peer")


def etcd(place: Place) -> tuple[Resource, ...]:
    """Return the member, and the tools that look after it; nothing on a host without one."""
    if not place.is_member:
        return ()
    program = place.program("etcd")
    settings = _file("etcd.env", _settings(place))
    bootstrap = _file("bootstrap.env", _bootstrap(place))
    unit = _unit(place, program, settings, bootstrap)
    return (
        Directory(HOME, "700", OWNER),
        Directory(CONFIG),
        program,
        place.program("etcdctl"),
        place.program("etcdutl"),
        settings,
        bootstrap,
        *before_etcd.script(place),
        *install(unit),
    )


def _unit(place: Place, program: Binary, settings: File, bootstrap: File) -> Unit:
    return Unit(
        "etcd",
        "etcd, the store of the control plane",
        Tier.ETCD,
        section=(
            "Wants=network-online.target",
            "After=network-online.target",
            # Either holds, or the member's data is lost: started empty it would be a stranger.
            f"ConditionPathExists=|{DATA}/member",
            f"ConditionPathExists=|!{SERVED}",
        ),
        service=(
            "Type=notify",
            f"User={ACCOUNT}",
            f"Group={ACCOUNT}",
            f"EnvironmentFile={settings.path}",
            f"EnvironmentFile={bootstrap.path}",
            f"ExecStart={program.path}",
            f"ExecStartPost=+/bin/touch {SERVED}",
            *before_etcd.lines(place),
            *FOREVER,
            # A member is ready when it has found the others: however long they take.
            "TimeoutStartSec=infinity",
            "LimitNOFILE=65536",
            "OOMScoreAdjust=-900",
            FIRST,
            *CONFINED,
            f"ReadWritePaths={HOME}",
        ),
        reads=(
            program,
            settings,
            *place.kept(KeptName.ETCD_CERTIFICATE, KeptName.ETCD_PEER_CERTIFICATE),
        ),
        rereads=(
            bootstrap,
            *before_etcd.script(place),
            *(place.certificates[name] for name in PAIRS),
        ),
    )


def _file(name: str, values: Mapping[str, str]) -> File:
    lines = (assigned(f"ETCD_{key}", value) for key, value in values.items())
    return File(f"{CONFIG}/{name}", Text("".join(lines)), mode="600")


def _settings(place: Place) -> Mapping[str, str]:
    """Return what holds for the life of the member, and the owner's flags over it."""
    host, settings = place.host, place.spec.etcd
    flags = {
        "name": host.name,
        "data-dir": DATA,
        "listen-client-urls": listed(
            https(host.internal, Port.ETCD_CLIENT), https("127.0.0.1", Port.ETCD_CLIENT)
        ),
        "advertise-client-urls": https(host.internal, Port.ETCD_CLIENT),
        "listen-peer-urls": peer_url(host),
        "listen-metrics-urls": f"http://127.0.0.1:{Port.ETCD_METRICS}",
        **_tls(place),
        "heartbeat-interval": str(settings.heartbeat_milliseconds),
        "election-timeout": str(settings.election_milliseconds),
        "quota-backend-bytes": str(settings.quota_bytes),
        # A member with bad data must not serve it (postmortem of 3.5, etcd's own advice).
        "feature-gates": "InitialCorruptCheck=true,CompactHashCheck=true",
        "corrupt-check-time": "12h",
        # The gateway would dial this member with the server certificate, which is no client's.
        "enable-grpc-gateway": "false",
        "log-level": "info",
    }
    merged_flags = merged(place.spec, Component.ETCD, flags)
    return {name.upper().replace("-", "_"): value for name, value in merged_flags.items()}


def _tls(place: Place) -> Mapping[str, str]:
    server, peer = (place.certificates[name].paths for name in PAIRS)
    return {
        "cert-file": server[0],
        "key-file": server[1],
        "client-cert-auth": "true",
        "trusted-ca-file": KeptName.ETCD_CERTIFICATE.value,
        "peer-cert-file": peer[0],
        "peer-key-file": peer[1],
        "peer-client-cert-auth": "true",
        "peer-trusted-ca-file": KeptName.ETCD_PEER_CERTIFICATE.value,
        "cipher-suites": listed(*CIPHER_SUITES),
        "tls-min-version": "TLS1.2",
    }


def _bootstrap(place: Place) -> Mapping[str, str]:
    """Return what the first start of a new cluster reads, and no other."""
    members = (f"{host.name}={peer_url(host)}" for host in place.ground.members)
    return {
        "INITIAL_ADVERTISE_PEER_URLS": peer_url(place.host),
        "INITIAL_CLUSTER": listed(*members),
        "INITIAL_CLUSTER_TOKEN": place.ground.etcd_token,
        "INITIAL_CLUSTER_STATE": "new",
    }


def peer_url(host: Host) -> str:
    """Return where the host's member meets the others."""
    return https(host.internal, Port.ETCD_PEER)


def client_urls(place: Place) -> tuple[str, ...]:
    """Return where the host's apiserver finds etcd: its own member alone, if there is one.

    A frozen remote member in the list would take a third of all requests with it (lab.md).
    """
    if place.is_member:
        return (https("127.0.0.1", Port.ETCD_CLIENT),)
    return tuple(https(host.internal, Port.ETCD_CLIENT) for host in place.ground.members)
