"""An apiserver that asks its own machine's member alone goes before it, and comes back after it.

Without the member it can do nothing: what is in there waits or fails until the balancers notice,
1 to 2.5 s in which a member is restarted. Stopped first, it is drained, and nobody notices. The
member's unit does it, so that it holds for whoever restarts etcd; one that crashes takes nothing
with it, and at a shutdown the order of the units has done it already.
"""

from __future__ import annotations

from backstay.components.place import LIBRARY, Place
from backstay.resources.content import Text
from backstay.resources.files import File

_SCRIPT = f"{LIBRARY}/before-etcd"
_TEXT = """\
#!/bin/sh
apiserver=kube-apiserver.service
waiting=/run/backstay/waits-for-etcd
case $1 in
leave)
    systemctl --quiet is-active $apiserver || exit 0
    mkdir -p "${waiting%/*}" && : >$waiting
    exec systemctl stop $apiserver
    ;;
return)
    # Who was stopped by somebody else stays so.
    rm $waiting 2>/dev/null || exit 0
    exec systemctl start --no-block $apiserver
    ;;
esac
"""


def script(place: Place) -> tuple[File, ...]:
    """Return what stops and starts the apiserver; nothing where no other could serve."""
    stands_in = place.is_plane and len(place.spec.control_planes) > 1
    return (File(_SCRIPT, Text(_TEXT), mode="755"),) if stands_in else ()


def lines(place: Place) -> tuple[str, ...]:
    """Return the lines of the member's unit that run it, as root."""
    if not script(place):
        return ()
    run = f"-+/bin/sh {_SCRIPT}"
    return f"ExecStop={run} leave", f"ExecStartPost={run} return"
