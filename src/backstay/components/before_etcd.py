"""An apiserver that asks its own machine's member alone goes before it, and comes back after it.

Without the member it can do nothing: what is in there waits or fails until the balancers notice,
1 to 2.5 s in which a member is restarted. Stopped first, it is drained, and nobody notices. The
member's unit does it, so that it holds for whoever restarts etcd (docs/decisions/before-etcd.md).
"""

from __future__ import annotations

from backstay.components.loadbalancer import drain_seconds
from backstay.components.place import LIBRARY, Place
from backstay.resources.content import Text
from backstay.resources.files import File
from backstay.spec.model import ClusterSpec

_SCRIPT = f"{LIBRARY}/before-etcd"
WATCHES_SECONDS = 5
"""In which an apiserver ends its watches one by one, after the drain."""

_OWN_SECONDS = 90
"""For the member's own end: what systemd gives by default."""


def bound(spec: ClusterSpec) -> tuple[str, ...]:
    """Return the hosts whose apiserver goes with their member; none where no other could serve."""
    members = {host.name for host in spec.etcd_members}
    planes = spec.control_planes
    return tuple(host.name for host in planes if host.name in members and len(planes) > 1)


def script(place: Place) -> tuple[File, ...]:
    """Return what stops and starts the apiserver; nothing on other hosts."""
    if place.host.name not in bound(place.spec):
        return ()
    return (File(_SCRIPT, Text(_text(_longest(place.spec))), mode="755"),)


def lines(place: Place) -> tuple[str, ...]:
    """Return the lines of the member's unit that run it, as root."""
    if not script(place):
        return ()
    run = f"-+/bin/sh {_SCRIPT}"
    return (
        f"ExecStop={run} leave",
        f"ExecStartPost={run} return",
        f"TimeoutStopSec={_longest(place.spec) + _OWN_SECONDS}s",
    )


def _longest(spec: ClusterSpec) -> int:
    """Return how many seconds an apiserver needs that can still answer; and some more."""
    return drain_seconds(spec) + WATCHES_SECONDS + 5


def _text(seconds: int) -> str:
    return f"""\
#!/bin/sh
apiserver=kube-apiserver.service
waiting=/run/backstay/waits-for-etcd
case $1 in
leave)
    # systemd asks as well when a member has ended by itself: then there is nothing to wait for.
    [ -n "$MAINPID" ] && [ "$SERVICE_RESULT" = success ] || exit 0
    systemctl --quiet is-active $apiserver || exit 0
    mkdir -p "${{waiting%/*}}" && : >$waiting || exit 0
    # One whose member hangs cannot end its requests, and the member is what is to be restarted.
    exec timeout {seconds} systemctl stop $apiserver
    ;;
return)
    # Who was stopped by somebody else stays so.
    [ -e $waiting ] || exit 0
    systemctl start --no-block $apiserver && rm $waiting
    ;;
esac
"""
