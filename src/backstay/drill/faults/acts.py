"""What each lasting fault is on each machine that takes part in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from backstay.drill.faults.kinds import (
    BlindBalancer,
    BlockNames,
    BlockVrrp,
    BreakUnit,
    Cut,
    FillDisk,
    FlapCheck,
    Harm,
    Lasting,
    Link,
    Lose,
    Ring,
    Silence,
    Slow,
    StallDisk,
    Starve,
    Unit,
    said,
)
from backstay.drill.faults.rules import BLIND, TABLE, tables
from backstay.drill.faults.scripts import Act
from backstay.drill.faults.targets import Site

DATA = "/var/lib/etcd"

OWN_DISK = f"""\
[ "$(findmnt -n -o FSROOT -T {DATA} | tail -n 1)" = / ] &&
    [ "$(findmnt -n -o TARGET -T {DATA} | tail -n 1)" = "$(readlink -f {DATA})" ] ||
    fail 'etcd has no file system of its own at {DATA}: others would be hit as well'"""

HAS_TABLE = f"nft list table {TABLE} >/dev/null 2>&1"
UNCUT = f"! {HAS_TABLE} || fail 'the table {TABLE} of another drill stands here'"

SLUGS: Mapping[type[Link], str] = {
    Cut: "cut",
    Ring: "ring",
    Lose: "lose",
    Silence: "silence",
    BlockVrrp: "vrrp",
    BlockNames: "names",
    BlindBalancer: "blind",
}
"""What the undo of each kind of broken link is called: none is taken for another's."""


def acts(fault: Lasting, hosts: Sequence[str], site: Site) -> tuple[Act, ...]:
    """Return an act for each machine that takes part, which may be more than the targets."""
    match fault:
        case BreakUnit(unit, harm):
            return tuple(_of_unit(host, unit, harm) for host in hosts)
        case Slow(kilobits):
            return tuple(_slow(host, kilobits, site) for host in hosts)
        case Starve(unit, percent):
            return tuple(_starve(host, unit, percent) for host in hosts)
        case FillDisk():
            return tuple(_fill_disk(host) for host in hosts)
        case StallDisk():
            return tuple(_stall_disk(host, fault) for host in hosts)
        case FlapCheck(seconds):
            return tuple(_flap(host, seconds) for host in hosts)
        case Cut() | Ring() | Lose() | Silence() | BlockVrrp() | BlockNames() | BlindBalancer():
            found = tables(fault, hosts, site)
            return tuple(_link(host, fault, table, site) for host, table in found.items())
        case _:
            assert_never(fault)


def _of_unit(host: str, unit: Unit, harm: Harm) -> Act:
    # containerd's group holds the shims of all pods, which are no part of it. Grandchildren, such
    # as keepalived's check, are left to whoever waits for them.
    whom = "main" if unit is Unit.RUNTIME else "all"
    others = whom == "all" and harm is not Harm.STOP
    around = f'children {unit} "$before"' if others else ":"
    inject, undo, injected, stands, undone = {
        Harm.KILL: (
            "hit KILL",
            f"start {unit}",
            f'[ "$(main {unit})" != "$before" ]',
            ":",
            f"is_running {unit}",
        ),
        Harm.FREEZE: (
            "hit STOP",
            f"signal {unit} {whom} CONT",
            f"is_frozen {unit}",
            f"is_frozen {unit}",
            f"! is_frozen {unit}",
        ),
        Harm.STOP: (
            f"stop {unit}",
            f"start {unit}",
            f'[ "$(main {unit})" != "$before" ]',
            ":",
            f"is_running {unit}",
        ),
    }[harm]
    return Act(
        host=host,
        slug=f"{unit}-{harm}",
        what=f"{harm} {unit}",
        inject=inject,
        undo=undo,
        injected=injected,
        stands=stands,
        undone=undone,
        fits=f"is_running {unit} || fail '{unit} does not run here'",
        prepare=(
            f"is_unit {unit} || :\nbefore=$(main {unit})\n"
            f"[ \"${{before:-0}}\" != 0 ] || fail '{unit} does not run here'\n"
            f"around=$({around}) || fail 'nobody tells its processes: is procps installed here?'"
        ),
    )


def _link(host: str, fault: Link, table: str, site: Site) -> Act:
    return Act(
        host=host,
        slug=SLUGS[type(fault)],
        what=said(fault),
        fits=UNCUT,
        inject=f"{_ports(site) if '$ports' in table else ''}{_load(table)}",
        undo=f"nft delete table {TABLE}",
        injected=HAS_TABLE,
        stands=HAS_TABLE,
        undone=f"! {HAS_TABLE}",
    )


def _load(table: str) -> str:
    return f"nft -f - <<END\n{table}END"


def _ports(site: Site) -> str:
    # It is asked after the calm: what connects anew during it would be left alone by the fault.
    return f"""\
ports=$(ss -Htn state established '( dport = :{site.endpoint_port} )' |
    awk '{{ sub(/.*:/, "", $3); print $3 }}' | paste -s -d , -)
[ -n "$ports" ] || fail 'there is no connection to the endpoint'
"""


def _flap(host: str, seconds: float) -> Act:
    """Let the balancer hear no apiserver for so long, then all of them, again and again."""
    return Act(
        host=host,
        slug="flap",
        what="let the check flap",
        fits=UNCUT,
        runs=f"pause={seconds:g}\nwhile :; do\n{_load(BLIND)}\n"
        f'sleep "$pause"\nnft delete table {TABLE}\nsleep "$pause"\ndone\n',
        inject=":",
        undo=f"nft delete table {TABLE}",
        injected=HAS_TABLE,
        undone=f"! {HAS_TABLE}",
    )


def _slow(host: str, kilobits: int, site: Site) -> Act:
    other = next(site.addresses[one] for one in site.hosts if one != host)
    device = f"device=$(ip -o route get {other} | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p')\n"
    # What the kernel puts there by itself comes back by itself, and has no number.
    slow = 'tc qdisc show dev "$device" root | grep -q "tbf bd:"'
    kernels = "' noqueue 0: '*|*' fq_codel 0: '*|*' pfifo_fast 0: '*|*' mq 0: '*|*' fq 0: '"
    return Act(
        host=host,
        slug="slow",
        what=f"send at {kilobits} kbit/s",
        fits=f'{device}case "$(tc qdisc show dev "$device" root)" in *{kernels}*) ;;\n'
        '*) fail "$device has a queueing discipline of its own" ;; esac',
        prepare=device,
        inject='tc qdisc replace dev "$device" root handle bd:'
        f" tbf rate {kilobits}kbit burst 16kb latency 200ms",
        undo=f'{device}! {slow} || tc qdisc delete dev "$device" root',
        injected=slow,
        stands=f"{device}{slow}",
        undone=f"! {slow}",
    )


def _starve(host: str, unit: Unit, percent: int) -> Act:
    """Give a unit a quota: through systemd where it has the controller, else in its group."""
    quota = f"{unit}.service.d/50-CPUQuota.conf"
    starving = f"""\
if unified; then grep -q '^[0-9]' "/sys/fs/cgroup$(systemctl show --value -p ControlGroup \
{unit}.service)/cpu.max"
else grep -qx {percent * 1000} {_GROUP}/cpu.cfs_quota_us &&
    grep -qx "$(main {unit})" {_GROUP}/cgroup.procs; fi"""
    return Act(
        host=host,
        slug=f"{unit}-starve",
        what=f"leave {percent} % of a processor to {unit}",
        fits=f"is_running {unit} || fail '{unit} does not run here'",
        inject=f"""\
if unified; then
    systemctl set-property --runtime {unit}.service CPUQuota={percent}%
else
    pid=$(main {unit})
    home=$(sed -n 's/^[0-9]*:\\(.*,\\)*cpu\\(,.*\\)*:\\(.*\\)/\\3/p' "/proc/$pid/cgroup")
    # What is above the machine's own view, as in a lab, it cannot give back to; its top will do.
    case $home in /..*) home=/ ;; esac
    mkdir -p {_GROUP}
    echo "$home" >{_HOME}
    echo {percent * 1000} >{_GROUP}/cpu.cfs_quota_us
    echo "$pid" >{_GROUP}/cgroup.procs
fi""",
        undo=f"""\
if unified; then
    systemctl set-property --runtime {unit}.service CPUQuota=
    rm -f /run/systemd/system.control/{quota}
    systemctl daemon-reload
elif [ -d {_GROUP} ]; then
    for pid in $(cat {_GROUP}/cgroup.procs); do
        echo "$pid" >"/sys/fs/cgroup/cpu$(cat {_HOME})/cgroup.procs"
    done
    rmdir {_GROUP} && rm -f {_HOME}
fi""",
        injected=starving,
        stands=starving,
        undone=f"[ ! -e /run/systemd/system.control/{quota} ] && [ ! -d {_GROUP} ]",
    )


_GROUP = "/sys/fs/cgroup/cpu/backstay-drill"
_HOME = "/run/backstay-drill/starved-from"


def _fill_disk(host: str) -> Act:
    """Fill the disk with a file that has no name: with its process, or the machine, it is gone."""
    left = f"$(df --output=avail -B1 {DATA} | tail -n 1)"
    return Act(
        host=host,
        slug="disk-full",
        what="fill the disk",
        fits=OWN_DISK,
        runs=f"""\
exec 9>{DATA}/.backstay-drill
rm {DATA}/.backstay-drill
room={left}
until fallocate -l "$room" /proc/self/fd/9; do room=$((room - 1048576)); done
exec sleep infinity
""",
        inject=":",
        undo=":",
        injected=f'[ "{left}" -lt 2097152 ]',
        undone="! systemctl is-active --quiet backstay-drill-run-disk-full.service",
    )


def _stall_disk(host: str, fault: StallDisk) -> Act:
    """Freeze the file system; thawing what is not frozen fails, and tells that it is not.

    What freezes it again and again says in a file of another one that it could.
    """
    thaw = f"fsfreeze --unfreeze {DATA}"
    freeze = f"fsfreeze --freeze {DATA}"
    again = (
        f"pause={fault.pause / 1000:g}\nrest={(fault.every - fault.pause) / 1000:g}\n"
        f'while {freeze}; do : >{_STALLS}; sleep "$pause"; {thaw}; sleep "$rest"; done\n'
    )
    return Act(
        host=host,
        slug="disk-stall",
        what=said(fault),
        fits=OWN_DISK,
        runs=again if fault.every else "",
        inject=":" if fault.every else freeze,
        undo=f"rm -f {_STALLS}; {thaw}",
        injected=f"[ -e {_STALLS} ]" if fault.every else ":",
        undone=f"! {thaw} 2>/dev/null",
    )


_STALLS = "/run/backstay-drill/disk-stalls"
