"""The sh that arms, injects and undoes a fault on one machine, and that performs planned ones.

The undo is a file in /run and a timer that runs it: both stand before anything is broken, and go
with a reboot, as everything that a fault leaves does. The timer is the first to come and the last
to go: whatever a drill leaves that dies, a timer is there to take it away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

FOLDER = "/run/backstay-drill"
PREFIX = "backstay-drill"
SIGN = "backstay-drill-sign"
"""Begins the lines that a script says to whoever runs it."""
INJECTED = f"{SIGN} injected"
UNDONE = f"{SIGN} undone"
GONE = f"{SIGN} gone"
"""Before it was undone by whoever runs the script, nothing of the fault stood any more."""

CALM_SECONDS = 1.5
"""Between all that has to be looked up or started for a fault and the fault itself. On a busy
machine that delays what is under way by more than the fault may (docs/decisions/reaper.md)."""

DISARMED = "the undo is not armed any more"
"""Why a script does not inject after its calm: somebody undoes it already, or called it off."""

UNDO_SECONDS = 120.0
"""How long it may take at most until what was undone is well: an apiserver boots, etcd elects."""

WORDS = """\
set -u
folder=/run/backstay-drill
say() { echo "backstay-drill-sign $1 $(date +%s%N)"; }
fail() { echo "$1" >&2; exit 1; }
unified() { [ -e /sys/fs/cgroup/cgroup.controllers ]; }
units=" "
pods=" "
# Remembers who is one, and who is none: right before a fault every program that is started delays
# whom it may hit. Where systemd does not answer nothing is known.
is_unit() {
    case $units in *" $1 "*) return 0 ;; esac
    case $pods in *" $1 "*) return 1 ;; esac
    case $(systemctl show --value -p LoadState "$1.service") in
        loaded) units="$units$1 "; return ;;
        not-found) pods="$pods$1 " ;;
    esac
    return 1
}
# The process of a unit, or where other installers have a static pod, of the pod of that name.
main() {
    if is_unit "$1"; then systemctl show --value -p MainPID "$1.service"
    else pgrep -o -x "$(printf %.15s "$1")" || echo 0; fi
}
is_running() {
    if is_unit "$1"; then systemctl is-active --quiet "$1.service"
    else [ "$(main "$1")" != 0 ]; fi
}
is_frozen() { grep -q '^State:.[Tt]' "/proc/$(main "$1")/status" 2>/dev/null; }
# Sends to a unit, or to the process of a pod, which is looked for unless it is given: a pod has
# another one after the fault. What goes to process 0 goes to ourselves, and to whoever runs us.
signal() {
    if is_unit "$1"; then systemctl kill --kill-who="$2" --signal="$3" "$1.service"; return; fi
    process=${4:-$(main "$1")}
    if [ "$process" = 0 ]; then echo "$1 does not run here" >&2; return 1; fi
    kill -s "$3" "$process"
}
# The children of a unit's main process, which are hit with it; of a pod the one process is.
children() { ! is_unit "$1" || pgrep -P "$2" || [ $? = 1 ]; }
# Sends to the processes that were found before the calm: `kill` is the shell's own.
hit() {
    kill -s "$1" "$before" || fail "process $before ended while its machine rested"
    [ -z "$around" ] || kill -s "$1" $around || :
}
stop() { if is_unit "$1"; then systemctl stop "$1.service"; else hit TERM; fi; }
start() { ! is_unit "$1" || systemctl start --no-block "$1.service"; }
# A pod's process that was asked to end serves on for a while: it is not the one that was started.
restart() {
    if is_unit "$1"; then systemctl restart "$1.service"; return; fi
    ending=$(main "$1")
    signal "$1" all TERM "$ending" && within 450 has_ended "$1" "$ending"
}
has_ended() { [ "$(main "$1")" != "$2" ]; }
# Waits until the rest of the line succeeds, at most so many fifths of a second.
within() {
    left=$1
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.2
    done
}
"""
"""Words that all scripts use."""


@dataclass(frozen=True, slots=True)
class Act:
    """What a fault is on one machine; every part is sh that may use the words above.

    `fits` says with `fail` why it cannot be; `prepare` finds out what `inject` has to know;
    `inject` and `undo` do, the latter any number of times; `injected`, `stands` and `undone` test:
    after the injection, before the undo, and after it. `runs` is a program that goes on while the
    fault lasts.
    """

    host: str
    slug: str
    what: str
    inject: str
    undo: str
    injected: str
    undone: str
    fits: str = ":"
    prepare: str = ":"
    stands: str = ":"
    runs: str = ""

    @property
    def unit(self) -> str:
        """The name of the timer that undoes it."""
        return f"{PREFIX}-undo-{self.slug}"

    @property
    def runner(self) -> str:
        """The name of the unit of what runs while the fault lasts."""
        return f"{PREFIX}-run-{self.slug}.service"

    @property
    def file(self) -> str:
        """Where the script is that undoes it."""
        return f"{FOLDER}/{self.slug}.undo"

    @property
    def ending(self) -> str:
        """What is there while it is being undone, longer than the script that does it."""
        return f"{FOLDER}/{self.slug}.ending"

    @property
    def calling_off(self) -> str:
        """The script after which none injects that still rests; where nothing is armed, nothing."""
        return f"[ ! -e {self.file} ] || : >{self.ending}\n"

    def arm(self, seconds: float) -> str:
        """Return the script after which the machine undoes the fault whatever becomes of us."""
        return "".join(self._arm(seconds))

    def _arm(self, seconds: float) -> Iterator[str]:
        yield f"{WORDS}{_ALONE}{self.fits}\n"
        yield f"umask 077\nmkdir -p {FOLDER}\nrm -f {self.ending}\n"
        yield _written(f"{self.file}.new", self.undoing)
        if self.runs:
            yield _written(f"{FOLDER}/{self.slug}.run", WORDS + self.runs)
        # A link is whole from its first moment on, and is never made over another.
        yield (
            f"systemd-run --quiet --collect --unit={self.unit} --on-active={seconds:.3f}s"
            " --timer-property=AccuracySec=50ms"
            " --property=Restart=on-failure --property=RestartSec=1s"
            f" /bin/sh -c '[ ! -e {self.file} ] || exec /bin/sh {self.file}' || exit 1\n"
            f"ln {self.file}.new {self.file} && rm {self.file}.new || exit 1\n"
            f"{self._is_armed}\n"
        )

    @property
    def _is_armed(self) -> str:
        return (
            f"systemctl is-active --quiet {self.unit}.timer && [ -s {self.file} ]"
            f" || fail 'the undo is not armed'"
        )

    @property
    def injecting(self) -> str:
        """The script that injects; nothing is touched unless the undo is armed."""
        running = (
            f"systemd-run --quiet --collect --unit={self.runner}"
            f" /bin/sh {FOLDER}/{self.slug}.run || exit 1\n"
            if self.runs
            else ""
        )
        return (
            f"{WORDS}injected() {{\n{self.injected}\n}}\n{self._is_armed}\n"
            f"{self.prepare}\nsleep {CALM_SECONDS:g}\n"
            # Whoever undoes it meanwhile must not find it injected afterwards.
            f"[ -s {self.file} ] && [ ! -e {self.ending} ]"
            f" || fail '{DISARMED}'\n"
            f"say injected\nset -e\n{running}{self.inject}\n"
            # Looking takes a processor, too.
            "sleep 0.2\n"
            f"within 50 injected || fail 'it had no effect within 10 s'\n"
        )

    @property
    def undoing(self) -> str:
        """The script that undoes, waits until that is so, and disarms.

        It says first if somebody had undone it already, or if the fault ended by itself.
        """
        stopping = f"! systemctl stop {self.runner}\n" if self.runs else ""
        return (
            f"# Run by a timer, or by anybody, it undoes a drill's fault: {self.what}\n"
            f"{WORDS}stands() {{\n{self._stands}\n}}\n"
            f"undo() {{\n{stopping}{self.undo}\n}}\nundone() {{\n{self.undone}\n}}\n"
            f"mkdir -p {FOLDER} && : >{self.ending}\n"
            "stands || say gone\nundo\n"
            f"within {UNDO_SECONDS * 5:.0f} undone || fail 'it is not undone'\n"
            "say undone\n"
            f"rm -f {self.file} {FOLDER}/{self.slug}.run {self.ending}\n"
            f"! systemctl is-active --quiet {self.unit}.timer || systemctl stop {self.unit}.timer\n"
        )

    @property
    def _stands(self) -> str:
        running = f"systemctl is-active --quiet {self.runner} || return 1\n" if self.runs else ""
        return f"[ -e {self.file} ] || return 1\n{running}{self.stands}"


_ALONE = """\
for file in "$folder"/*.undo; do
    [ ! -e "$file" ] || fail 'a fault of another drill stands here: backstay drill undo'
done
"""


def _written(path: str, text: str) -> str:
    return f"cat >{path} <<'BACKSTAY_END' || exit 1\n{text}BACKSTAY_END\n"
