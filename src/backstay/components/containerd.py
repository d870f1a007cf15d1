"""containerd and runc, and the images that a machine brings with it."""

from __future__ import annotations

from collections.abc import Iterator

from backstay.components.images import DIRECTORY, coredns, pause
from backstay.components.place import LIBRARY, PROGRAMS, Place
from backstay.components.units import FOREVER, Kind, Unit, install
from backstay.resources.content import Text
from backstay.resources.files import Directory, File
from backstay.resources.resource import Resource
from backstay.resources.service import Tier

CONFIG = "/etc/containerd/config.toml"
SOCKET = "/run/containerd/containerd.sock"
CNI_PROGRAMS = "/opt/cni/bin"
CNI_CONFIG = "/etc/cni/net.d"
REGISTRIES = "/etc/containerd/certs.d"
IMPORT = f"{LIBRARY}/import-image"
# Local: streaming through the transfer service takes twice the processor time (measured).
_IMPORT = f"""\
#!/bin/sh
# Import an image from an archive, unless all of it is here from that very archive. At every boot
# the kubelet waits for this: an import took two seconds then, and looking takes a fortieth.
set -eu
reference=$1 archive=$2
ctr() {{ {PROGRAMS}/ctr --address {SOCKET} --namespace k8s.io images "$@"; }}

stamp=$(stat -L -c %s-%Y -- "$archive")
here=$(ctr check --quiet "name==$reference,labels.\\"backstay.local/archive\\"==$stamp")
[ -z "$here" ] || exit 0
ctr import --local --label io.cri-containerd.pinned=pinned \\
    --label "backstay.local/archive=$stamp" "$archive"
"""


def containerd(place: Place) -> tuple[Resource, ...]:
    """Return the container runtime with its images; nothing on a host without a kubelet."""
    return (*_runtime(place), *_images(place)) if place.is_node else ()


def _runtime(place: Place) -> Iterator[Resource]:
    program, runc = place.program("containerd"), place.program("runc")
    shim = place.program("containerd-shim-runc-v2")
    config = File(CONFIG, Text("\n".join(configuration(place)) + "\n"))
    unit = Unit(
        "containerd",
        "containerd, the container runtime",
        Tier.RUNTIME,
        # No confinement: it mounts and makes namespaces for every pod on the machine.
        section=("Wants=network-online.target", "After=network-online.target dbus.service"),
        service=(
            "Type=notify",
            f"ExecStart={program.path} --config {CONFIG}",
            *FOREVER,
            "Delegate=yes",
            "KillMode=process",
            "LimitNOFILE=1048576",
            "TasksMax=infinity",
            "OOMScoreAdjust=-999",
        ),
        reads=(program, config),
        rereads=(runc, shim),
    )
    yield from (Directory("/etc/containerd"), Directory(REGISTRIES))
    yield from (program, shim, place.program("ctr"), runc, config)
    yield from install(unit)


def configuration(place: Place) -> tuple[str, ...]:
    """Return the lines of config.toml (version 3, containerd 2.x).

    The control groups of pods are systemd's where there is one hierarchy; in version 1 each
    controller has its own, and the kubelet's driver must be the same as this.
    """
    images, runtime = "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"
    systemd = "true" if place.around.control_groups.value == "v2" else "false"
    return (
        "version = 3",
        "",
        f"[plugins.'{images}']",
        "snapshotter = 'overlayfs'",
        "",
        f"[plugins.'{images}'.pinned_images]",
        f"sandbox = '{pause(place.spec).reference}'",
        "",
        f"[plugins.'{images}'.registry]",
        f"config_path = '{REGISTRIES}'",
        "",
        f"[plugins.'{runtime}']",
        "restrict_oom_score_adj = true",
        "",
        f"[plugins.'{runtime}'.cni]",
        f"bin_dirs = ['{CNI_PROGRAMS}']",
        f"conf_dir = '{CNI_CONFIG}'",
        "",
        f"[plugins.'{runtime}'.containerd.runtimes.runc]",
        "runtime_type = 'io.containerd.runc.v2'",
        "",
        f"[plugins.'{runtime}'.containerd.runtimes.runc.options]",
        f"BinaryName = '{PROGRAMS}/runc'",
        f"SystemdCgroup = {systemd}",
    )


def _images(place: Place) -> Iterator[Resource]:
    """Yield the archives, and the unit that imports them: pinned, or they would be collected."""
    images = (pause(place.spec), coredns(place.spec))
    archives = tuple(map(place.image, images))
    script = File(IMPORT, Text(_IMPORT), mode="755")
    unit = Unit(
        "backstay-images",
        "Container images that the machine brings with it",
        Tier.RUNTIME,
        section=("Wants=containerd.service", "After=containerd.service"),
        service=(
            "Type=oneshot",
            "RemainAfterExit=yes",
            *(f"ExecStart={IMPORT} {image.reference} {image.path}" for image in images),
            "Restart=on-failure",
            "RestartSec=1s",
        ),
        reads=(script, *archives),
        kind=Kind.ONESHOT,
    )
    yield Directory(DIRECTORY)
    yield script
    yield from archives
    yield from install(unit)
