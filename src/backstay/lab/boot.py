"""The program that runs one machine: text for `sh`, written beside the machine's files.

It outlives backstay: it is no child of ours once it runs, it stands in the machine's control
groups, and a reboot from inside is its business. With it go the mounts of the machine, which
nobody else sees, and when the machine powers off, the machine's network.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from backstay.lab.groups import Seat
from backstay.lab.model import Lab, Machine
from backstay.lab.names import PROCESSORS, machine_handle, switch_handle
from backstay.lab.places import MachinePlaces
from backstay.lab.processors import SHARES
from backstay.lab.recipe import MIRROR_DIRECTORY
from backstay.lab.wires import BRIDGE, MACHINE_LINK
from backstay.spec.model import IPAddress

REBOOT_STATUS = 133
"""systemd-nspawn ends with it when the machine asked to be started again."""

DATA_DIRECTORIES = ("containerd", "etcd", "kubelet")
"""Under /var/lib: containerd cannot put overlays on an overlay, etcd shall meet the real disk."""

KERNEL_MODULES = Path("/lib/modules")

ENVIRONMENT = (
    # containerd, runc and kube-proxy use calls that nspawn's filter refuses.
    "SYSTEMD_SECCOMP=0",
    # Locks are files that stay in /run when a machine is killed; a lab has its own.
    "SYSTEMD_NSPAWN_LOCK=0",
)


@dataclass(frozen=True, slots=True)
class Boot:
    """Everything that decides how a machine is run."""

    lab: Lab
    machine: Machine
    places: MachinePlaces
    image: Path
    blobs: Path
    seat: Seat
    unified: bool


def hardware_address(address: IPAddress) -> str:
    """Return a locally administered MAC address that a machine keeps over its reboots.

    A new one at each boot would leave this computer asking the old one for a minute.
    """
    return ":".join(f"{byte:02x}" for byte in (0x02, 0, *address.packed[-4:]))


def nspawn_command(boot: Boot) -> tuple[str, ...]:
    """Return the call of systemd-nspawn."""
    handle = machine_handle(boot.lab.name, boot.machine.name)
    return (
        *("env", *ENVIRONMENT, f"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY={int(boot.unified)}"),
        *("systemd-nspawn", "--quiet", "--boot", f"--directory={boot.places.root}"),
        *(f"--machine={handle}", f"--hostname={boot.machine.name}"),
        *("--keep-unit", "--register=no", "--settings=no", "--capability=all"),
        *("--console=pipe", "--link-journal=no", "--resolv-conf=off", "--timezone=off"),
        *_binds(boot),
    )


def _binds(boot: Boot) -> Iterable[str]:
    yield "--bind=/dev/kmsg"
    for name in DATA_DIRECTORIES:
        yield f"--bind={_bind(boot.places.data(name))}:/var/lib/{name}"
    yield f"--bind-ro={_bind(boot.blobs)}:{MIRROR_DIRECTORY}"
    if KERNEL_MODULES.is_dir():
        yield f"--bind-ro={KERNEL_MODULES}"


def _bind(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def overlay_options(boot: Boot) -> str:
    """Return the options that mount the machine's layer over the image."""
    layers = (
        ("lowerdir", boot.image),
        ("upperdir", boot.places.upper),
        ("workdir", boot.places.work),
    )
    return ",".join(f"{name}={_layer(path)}" for name, path in layers)


def _layer(path: Path) -> str:
    text = str(path)
    for character in ("\\", ":", ","):
        text = text.replace(character, f"\\{character}")
    return text


INTRODUCTION = """\
#!/bin/sh
# Runs {machine} of lab {lab} until it is powered off; backstay writes this anew at each start.
set -eu
"""

PLUG_IN = """
plug_in() {{
    ip netns add {handle}
    # A namespace begins with this computer's settings; a strict one would eat pods' packets.
    nsenter --net=/run/netns/{handle} sh -euc '
        for name in all default; do echo 0 > /proc/sys/net/ipv4/conf/$name/rp_filter; done
    '
    ip -netns {handle} -batch - <<'END'
link set lo up
link add {link} address {hardware} type veth peer name {port} netns {switch}
address add {address}/{prefix} dev {link}
link set {link} up
route add default via {gateway}
END
    ip -netns {switch} link set {port} master {bridge} up
}}

unplug() {{
    ip -netns {handle} link delete dev {link}
    ip netns delete {handle}
}}
"""

SHARE = """
# Computers do not wait for one another. Between groups the kernel gives each its part, whatever
# the priorities of the programs in them, and lets one wait for half a second that had more; in one
# group etcd at -15 goes before anything that only computes. So the guest's first process, once it
# has its own view of the groups, and what it has begun by then, move to the group of all labs,
# which may go with the last of another lab at any time.
share_processors() {{
    for group in {processors}; do
        tries=300
        until move_up "$group" systemd || [ "$tries" -eq 0 ]; do
            tries=$((tries - 1))
            sleep 0.1
        done
        move_up "$group" '' || :
        move_up "$group" '' || :
    done
}}

# Moves processes within the guest, of the given name or of any; fails if there is none.
move_up() {{
    moved=1
    together="${{1%/*/*}}/{together}"
    mkdir -p "$together"
    echo {shares} >"$together/cpu.shares"
    for pid in $(cat "$1/cgroup.procs"); do
        name=$(cat "/proc/$pid/comm" 2>/dev/null) || continue
        case $(sed -n 's/^NSpid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null) in
        *[0-9][[:space:]][0-9]*)
            [ -z "$2" ] || [ "$name" = "$2" ] || continue
            {{ echo "$pid" >"$together/cgroup.procs"; }} 2>/dev/null && moved=0
            ;;
        esac
    done
    return "$moved"
}}
"""

RUN = """
power_on() {{
    for group in {guest}; do echo 0 > "$group/cgroup.procs"; done
    share_processors &
    # Within the namespace, or /sys would show the interfaces of this computer.
    exec nsenter --net=/run/netns/{handle} unshare --mount --propagation slave sh -euc '
        mount -t overlay overlay -o "$1" "$2"
        [ ! -e "$3" ] || mount -o loop "$3" "$4"
        shift 4
        exec "$@"
    ' sh {overlay} {root} {disk} {data} {nspawn}
}}

tidy() {{
    for group in {tidied}; do
        find "$group" -mindepth 1 -depth -type d -exec rmdir {{}} +
    done
}}

for group in {launcher}; do echo 0 > "$group/cgroup.procs"; done
status={reboot}
while [ "$status" -eq {reboot} ]; do
    plug_in
    # A list with || would switch off `set -e` inside.
    set +e
    (set -e; power_on)
    status=$?
    set -e
    unplug
    tidy
done
exit "$status"
"""


def boot_script(boot: Boot) -> str:
    """Return the text of the program."""
    return "".join((_introduction(boot), _wiring(boot), _sharing(boot), _running(boot)))


def _introduction(boot: Boot) -> str:
    return INTRODUCTION.format(machine=boot.machine.name, lab=boot.lab.name)


def _wiring(boot: Boot) -> str:
    return PLUG_IN.format(
        handle=machine_handle(boot.lab.name, boot.machine.name),
        switch=switch_handle(boot.lab.name),
        port=boot.machine.name,
        link=MACHINE_LINK,
        bridge=BRIDGE,
        address=boot.machine.address,
        hardware=hardware_address(boot.machine.address),
        prefix=boot.lab.network.prefixlen,
        gateway=boot.lab.gateway,
    )


def _sharing(boot: Boot) -> str:
    groups = _words(boot.seat.processors)
    return SHARE.format(processors=groups, together=PROCESSORS, shares=SHARES)


def _running(boot: Boot) -> str:
    seat = boot.seat
    return RUN.format(
        handle=machine_handle(boot.lab.name, boot.machine.name),
        guest=_words(seat.guest),
        launcher=_words((*seat.old, *seat.launcher)),
        tidied=_words((*seat.old, *seat.guest)),
        overlay=shlex.quote(overlay_options(boot)),
        root=shlex.quote(str(boot.places.root)),
        disk=shlex.quote(str(boot.places.disk)),
        data=shlex.quote(str(boot.places.data("etcd"))),
        nspawn=shlex.join(nspawn_command(boot)),
        reboot=REBOOT_STATUS,
    )


def _words(paths: Iterable[Path]) -> str:
    return shlex.join(str(path) for path in paths)
