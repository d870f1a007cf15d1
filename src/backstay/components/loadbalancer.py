"""haproxy on every balancer: connections to whichever apiserver is ready, and never cut in vain.

The program comes from the distribution; preflight looks that it is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from backstay.components import hand_over
from backstay.components.addresses import V6, Port, socket_text
from backstay.components.place import Ground, Place
from backstay.components.units import FIRST, SEALED, Kind, Unit, install
from backstay.pki.kept import KeptName
from backstay.resources.content import Text
from backstay.resources.files import Directory, File
from backstay.resources.resource import Resource
from backstay.resources.service import Tier
from backstay.spec.model import ClusterSpec

CONFIG = "/etc/haproxy/haproxy.cfg"
PROGRAM = "/usr/sbin/haproxy"
MONITOR = "/run/haproxy/monitor.sock"
MONITORED = "/serving"
"""Answers 200 while haproxy runs and knows an apiserver to send connections to."""
FALL = 2
RISE = 2
PRIVILEGED_PORTS = 1024
_CHECKING = (
    f"ca={KeptName.KUBERNETES_CERTIFICATE.value}; [ -e $ca ] || ca=$ca.backstay-new;"
    f' sed "s|ca-file [^ ]*|ca-file $ca|" "$1" | {PROGRAM} -c -q -f /dev/stdin'
)
CHECK = ("/bin/sh", "-c", _CHECKING, "check-haproxy", "{}")
"""haproxy wants to read the authority too, which on a new machine is staged but not yet in place
(fleet/scripts/perform.sh)."""


def loadbalancer(place: Place) -> tuple[Resource, ...]:
    """Return haproxy and its configuration; nothing on other hosts."""
    if not place.is_balancer:
        return ()
    config = File(CONFIG, Text("\n".join(configuration(place.ground)) + "\n"), check=CHECK)
    return (Directory("/etc/haproxy"), config, *install(_unit(place, config)))


def _unit(place: Place, config: File) -> Unit:
    scripts = hand_over.programs(place)[:1]
    return Unit(
        "haproxy",
        "Balancer in front of the Kubernetes API servers",
        Tier.BALANCER,
        section=("Wants=network-online.target", "After=network-online.target"),
        service=(
            "Type=notify",
            "User=haproxy",
            "Group=haproxy",
            f"ExecStart={PROGRAM} -Ws -f {CONFIG}",
            f"ExecReload={PROGRAM} -c -q -f {CONFIG}",
            "ExecReload=/bin/kill -USR2 $MAINPID",
            "KillMode=mixed",
            "SuccessExitStatus=143",
            "Restart=always",
            # Every connection of the cluster waits for it.
            "RestartSec=100ms",
            # An address that was kept here for its connections leads nowhere without it.
            *((f"ExecStopPost=-+{hand_over.FORGET}",) if scripts else ()),
            "LimitNOFILE=65536",
            "OOMScoreAdjust=-900",
            FIRST,
            "RuntimeDirectory=haproxy",
            "RuntimeDirectoryMode=0750",
            *SEALED,
            *_capabilities(place.spec),
            "ProtectKernelTunables=yes",
            "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        ),
        rereads=scripts,
        reloads=(config, *place.kept(KeptName.KUBERNETES_CERTIFICATE)),
        kind=Kind.RELOADED,
    )


def _capabilities(spec: ClusterSpec) -> tuple[str, ...]:
    if spec.endpoint.port >= PRIVILEGED_PORTS:
        return ("CapabilityBoundingSet=",)
    bind = "CAP_NET_BIND_SERVICE"
    return (f"CapabilityBoundingSet={bind}", f"AmbientCapabilities={bind}")


def detection_milliseconds(spec: ClusterSpec) -> int:
    """Return how long it takes at most until a balancer knows that an apiserver is gone."""
    timers = spec.load_balancer
    once = timers.check_fast_interval_milliseconds + timers.check_timeout_milliseconds
    return timers.check_interval_milliseconds + FALL * once


def drain_seconds(spec: ClusterSpec) -> int:
    """Return how long an apiserver that leaves goes on serving: a second more than detection."""
    return ceil(detection_milliseconds(spec) / 1000) + 1


def configuration(ground: Ground) -> Iterator[str]:
    """Yield the lines of haproxy.cfg; the same on all balancers."""
    yield from _GLOBAL
    yield ""
    yield from _defaults(ground.spec)
    yield ""
    yield "frontend kubernetes"
    yield f"    bind {_listen(ground)}"
    yield "    default_backend apiservers"
    yield ""
    yield from _backend(ground)
    if ground.spec.endpoint.vip is not None:
        yield ""
        yield from _MONITOR


_GLOBAL = (
    "global",
    "    log stderr format short daemon notice",
    "    stats socket /run/haproxy/admin.sock mode 600 level admin expose-fd listeners",
    "    # After a reload the old process serves its connections to their end, but not for ever.",
    "    hard-stop-after 1h",
)


_MONITOR = (
    "frontend monitor",
    "    # Whether this machine may hold the virtual address: keepalived asks.",
    "    mode http",
    f"    bind {MONITOR} mode 600",
    f"    monitor-uri {MONITORED}",
    "    monitor fail if { nbsrv(apiservers) lt 1 }",
)


def _defaults(spec: ClusterSpec) -> tuple[str, ...]:
    """Return time-outs and retries.

    A connection is refused or answered at once on a local network, so waiting longer than a
    check does is waiting for a dead machine. Once established it is left alone for as long as
    kubelets let an idle `exec` be: 4 h.
    """
    timeout = spec.load_balancer.check_timeout_milliseconds
    return (
        "defaults",
        "    mode tcp",
        "    log global",
        "    option tcplog",
        "    option dontlog-normal",
        "    option redispatch 1",
        "    retries 3",
        "    option clitcpka",
        "    option srvtcpka",
        "    clitcpka-idle 30s",
        "    clitcpka-intvl 10s",
        "    clitcpka-cnt 3",
        "    srvtcpka-idle 30s",
        "    srvtcpka-intvl 10s",
        "    srvtcpka-cnt 3",
        f"    timeout connect {timeout}ms",
        f"    timeout check {timeout}ms",
        "    timeout client 10m",
        "    timeout server 10m",
        "    timeout client-fin 30s",
        "    timeout server-fin 30s",
        "    timeout tunnel 4h",
    )


def _listen(ground: Ground) -> str:
    port = ground.spec.endpoint.port
    version_6 = any(host.internal.version == V6 for host in ground.balancers)
    return f":::{port} v4v6" if version_6 else f"*:{port}"


def _backend(ground: Ground) -> Iterator[str]:
    """Yield the apiservers, and the three answers that /readyz can give.

    200 is ready. An apiserver that says it is shutting down still serves: it gets no new
    connections and keeps those it has (L7OKC is "conditionally passed", which disable-on-404
    turns into drained). Anything else, silence included, is down: its connections are closed, so
    that their clients come back through here. Closing those of a server that leaves in an orderly
    way would cost each client a request (lab.md). In turn, and not to whoever has fewest
    connections: that is one that died or froze a moment ago (docs/decisions/balance.md).
    """
    timers = ground.spec.load_balancer
    yield "backend apiservers"
    yield "    balance roundrobin"
    yield "    option httpchk"
    yield (
        "    http-check send meth GET uri /readyz ver HTTP/1.1"
        " hdr Host kubernetes hdr Connection close"
    )
    yield "    http-check disable-on-404"
    yield '    http-check expect error-status L7OKC ! string "[-]shutdown failed"'
    yield "    http-check expect status 200"
    yield (
        "    default-server check check-ssl ssl-min-ver TLSv1.2 verify required"
        f" ca-file {KeptName.KUBERNETES_CERTIFICATE.value}"
        f" inter {timers.check_interval_milliseconds}ms"
        f" fastinter {timers.check_fast_interval_milliseconds}ms"
        f" downinter {timers.check_interval_milliseconds}ms"
        f" fall {FALL} rise {RISE} on-marked-down shutdown-sessions"
    )
    for host in ground.planes:
        address = socket_text(host.internal, Port.APISERVER)
        yield f"    server {host.name} {address} verifyhost {host.name}"
