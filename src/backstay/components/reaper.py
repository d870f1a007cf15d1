"""Closes the connections of an apiserver in the moment in which it dies.

The kernel does that by itself, but gives some hundred megabytes back first: for a tenth of a
second clients go on asking a dead process. Measured and weighed in docs/decisions/reaper.md.
"""

from __future__ import annotations

from backstay.components.addresses import Port
from backstay.components.place import LIBRARY
from backstay.components.units import FOREVER, SEALED, Unit
from backstay.resources.content import Text
from backstay.resources.files import File
from backstay.resources.service import Tier

NAME = "kube-apiserver-reaper"
_PROGRAM = f"""\
#!/bin/sh
# "run" becomes a program, and leaves it a child that holds a pipe. The kernel kills the child as
# soon as the program's first thread is gone, long before it closes the program's connections.
# "serves" tells which process has the port: a program that never had it closes nobody's.
pipe=/run/{NAME}/pipe
serving=/run/{NAME}/serving

# Whose first thread is on its way out (PF_EXITING among the flags of proc_pid_stat(5)) has decided
# to end. Where that thread is the last one, it is a zombie only after it closed everything. Killed
# together with the child it may need a moment to be scheduled, and starting a program takes longer.
is_dying() {{
    tries=0
    while [ "$tries" -lt 400 ]; do
        stat=
        read -r stat 2>/dev/null <"/proc/$1/stat"
        [ -n "$stat" ] || return 1
        # After the name, which may hold anything: state, five numbers, flags.
        set -- "$1" ${{stat##*) }}
        [ $(($8 & 4)) -eq 0 ] || return 0
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || sleep 0.02
    done
    echo "process $1 lives, only its child ended: nobody sees when it dies" >&2
    return 1
}}

# Waits until a child is dead, and says which ports' connections end with it: all, or none.
whom() {{
    while read -r process; do echo "$process" >"$serving"; done <"$pipe"
    read -r process <"$serving"
    : >"$serving"
    if is_dying "${{process:-nobody}}"; then echo "sport != :0"; else echo "sport = :0"; fi
}}

case $1 in
run)
    shift
    if [ -p "$pipe" ]; then
        {{
            trap "" TERM
            # The kernel tells nothing of a parent that was gone before it was asked.
            exec setpriv --pdeathsig KILL /bin/sh -c '[ "$PPID" = "$0" ] && exec sleep infinity' $$
        }} 3<>"$pipe" &
    fi
    exec "$@"
    ;;
serves)
    if [ -p "$pipe" ]; then echo "$2" 1<>"$pipe"; fi
    ;;
prepare)
    [ -e "$serving" ] || : >"$serving"
    [ -p "$pipe" ] || mkfifo -m 600 "$pipe"
    ;;
watch)
    # ss has been started when it is needed, and waits for the end of its filter. Without it there
    # is none: an "and" with nothing after it closes nothing.
    while :; do
        whom | ss --kill --numeric --tcp --filter=- \\
            state listening state established state syn-recv \\
            "sport = :{Port.APISERVER.value} and" >/dev/null
    done
    ;;
esac
"""
SCRIPT = File(f"{LIBRARY}/{NAME}", Text(_PROGRAM), mode="755")
UNDER = ("/bin/sh", SCRIPT.path, "run")
"""What an apiserver is started by."""
SERVES = f"ExecStartPost=-/bin/sh {SCRIPT.path} serves $MAINPID"
"""What an apiserver's unit tells once it listens."""

UNIT = Unit(
    NAME,
    "Closes the connections of an apiserver that dies",
    Tier.APISERVER,
    # Made anew with every apiserver: one that comes late cannot take the next one for the last.
    section=("PartOf=kube-apiserver.service", "Before=kube-apiserver.service"),
    service=(
        # Before the apiserver is started, which would go without it.
        f"ExecStartPre=/bin/sh {SCRIPT.path} prepare",
        f"ExecStart=/bin/sh {SCRIPT.path} watch",
        *FOREVER,
        f"SyslogIdentifier={NAME}",
        # It has nothing to finish.
        "TimeoutStopSec=1s",
        "OOMScoreAdjust=-900",
        # Before everybody who waits for it, and before the kernel's work for who dies.
        "Nice=-20",
        f"RuntimeDirectory={NAME}",
        "RuntimeDirectoryMode=0700",
        # An apiserver's child goes on holding the pipe that it opened.
        "RuntimeDirectoryPreserve=yes",
        *SEALED,
        "ProtectKernelTunables=yes",
        "CapabilityBoundingSet=CAP_NET_ADMIN",
        "RestrictAddressFamilies=AF_NETLINK",
    ),
    reads=(SCRIPT,),
)
