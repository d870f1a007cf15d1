# shellcheck shell=sh disable=SC2154
# Changing functions. A file is staged beside its place with its final mode and owner, checked, and
# only `commit` moves all staged files into place, after their bytes are on the disk. Whatever
# fails before that leaves every old file as it was. `mark` is set by the caller.
LC_ALL=C
# Debian's haproxy and keepalived also have init scripts; bringing their links up to date takes
# longer than all the rest of enabling.
SYSTEMCTL_SKIP_SYSV=1
export LC_ALL SYSTEMCTL_SKIP_SYSV
umask 077
staged=
linked=
found=
units_changed=no
stamps=/var/lib/backstay/verified
mirrors='/opt/backstay/mirror /var/lib/backstay/artefacts'
# Where a command's complaint goes until it is known to matter; without room for it, nowhere.
reason=$(mktemp 2>/dev/null) || reason=/dev/null
trap '[ "$reason" = /dev/null ] || rm -f "$reason"' EXIT

say() { printf '%s\t%s\t%s\n' "$mark" "$1" "$2"; }

# A run that was cut off may leave its script here, going on without the run's lock.
exec 8>>/run/backstay.step
flock -w 100 8 || {
    say failed anything
    say why 'a step of a run that was cut off has been at work here for 100 s'
    exit 75
}

begin() { doing=$1; }

finished() { say finished "$doing"; }

fail() {
    say failed "$doing"
    sed "s/^/$mark	why	/" "$reason"
    for path in $staged; do rm -f "$path.backstay-new"; done
    exit 1
}

# Most files need one process: a fresh file gets its final mode from the umask, and root owns it.
place() {
    path=$1 mode=$2 owner=$3
    shift 3
    new=$path.backstay-new
    staged="$staged $path"
    [ -d "${path%/*}" ] || mkdir -p "${path%/*}"
    if [ -e "$new" ] || [ -h "$new" ]; then rm -f "$new" || return 1; fi
    case $mode,$owner in
    600,root:root | 640,root:root | 644,root:root)
        umask "0$((666 - mode))"
        base64 -d >"$new" || return 1
        umask 077
        ;;
    *) true >"$new" && chown "$owner" "$new" && chmod "$mode" "$new" && base64 -d >"$new" || return 1 ;;
    esac
    if [ $# -gt 0 ]; then
        checking=
        for word in "$@"; do
            if [ "$word" = '{}' ]; then word=$new; fi
            checking="$checking '$word'"
        done
        eval "$checking" >&2 || return 1
    fi
    case $path in /etc/systemd/system/*) units_changed=yes ;; esac
}

adjust() { chown "$3" "$1" && chmod "$2" "$1"; }

make_directory() {
    [ -d "${1%/*}/" ] || mkdir -p "${1%/*}"
    if [ ! -d "$1" ]; then
        mkdir -m "$2" "$1" || return 1
        if [ "$3" = root:root ]; then return 0; fi
    fi
    adjust "$1" "$2" "$3"
}

make_account() {
    grep -qs "^$1:" /etc/group || groupadd --system "$1" || return 1
    grep -qs "^$1:" /etc/passwd ||
        useradd --system --gid "$1" --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$1"
}

set_sysctl() {
    printf '%s\n' "$2" >"/proc/sys/$(printf '%s' "$1" | tr . /)"
}

# Splits blobs (paths that end in DIGEST/NAME) into those whose stamp says that they were verified
# and have not changed since, and `?PATH` for the others.
stamped() {
    stat -L -c '%n|%i|%s|%y|%z' -- "$@" | awk -F'|' -v stamps="$stamps" '
        BEGIN { while ((getline line < stamps) > 0) known[line] = 1 }
        { n = split($1, part, "/"); print ($0 "|" part[n - 1] in known ? "" : "?") $1 }'
}

# Hashes blobs and writes down which have the digest that is in their path. They are looked at
# before: one that changes meanwhile does not match its own stamp.
verify() {
    before=$(stat -L -c '%n|%i|%s|%y|%z' -- "$@")
    mkdir -p "${stamps%/*}"
    {
        sha256sum -- "$@"
        printf '%s\n' "$before"
    } | awk -F'|' '
        NF == 1 { split($0, part, "  "); digest[part[2]] = part[1]; next }
        { n = split($1, part, "/"); if (digest[$1] == part[n - 1]) print $0 "|" part[n - 1] }' >>"$stamps"
}

# Finds artefacts (DIGEST/NAME) in the mirrors on the machine, each verified before it is named;
# when some are missing it says which, and the script ends before anything was changed.
locate() {
    candidates='' unverified='' found=''
    for wanted in "$@"; do
        for mirror in $mirrors; do
            if [ -f "$mirror/$wanted" ]; then candidates="$candidates $mirror/$wanted"; fi
        done
    done
    if [ -n "$candidates" ]; then
        # shellcheck disable=SC2086  # paths come from a fixed list without blanks
        for path in $(stamped $candidates); do
            case $path in \?*) unverified="$unverified ${path#?}" ;; esac
        done
        # shellcheck disable=SC2086
        [ -z "$unverified" ] || verify $unverified
        # shellcheck disable=SC2086
        found=$(stamped $candidates)
    fi
    missing=no
    for wanted in "$@"; do
        blob_of "$wanted"
        if [ -z "$blob" ]; then missing=yes && say missing "$wanted"; fi
    done
    [ $missing = no ] || exit 0
}

blob_of() {
    blob=
    for one in $found; do
        case $one in /*"/$1") blob=$one ;; esac
    done
}

place_artefact() {
    path=$1 digest=$2 name=$3
    blob_of "$digest/$name"
    [ -n "$blob" ] || {
        echo "artefact $name ($digest) is not on this machine" >&2
        return 1
    }
    [ -d "${path%/*}" ] || mkdir -p "${path%/*}"
    if [ -e "$path" ] || [ -h "$path" ]; then
        ln -sfn "$blob" "$path.backstay-new" && mv -fT "$path.backstay-new" "$path" || return 1
    else
        ln -s "$blob" "$path" || return 1
    fi
    linked="$linked $digest:$path"
}

# Observing asks for stamps of the places where binaries are used, not of the mirror's blobs.
stamp_linked() {
    paths=
    for pair in $linked; do paths="$paths ${pair#*:}"; done
    # shellcheck disable=SC2086
    {
        printf '%s\n' $linked
        stat -L -c '%n|%i|%s|%y|%z' -- $paths
    } | awk -F'|' '
        NF == 1 { digest[substr($0, 66)] = substr($0, 1, 64); next }
        { print $0 "|" digest[$1] }' >>"$stamps"
}

commit() {
    directories=
    for path in $staged; do directories="$directories ${path%/*}"; done
    if [ -n "$staged" ]; then
        # shellcheck disable=SC2046,SC2086  # paths come from a fixed list without blanks
        sync $(printf '%s.backstay-new ' $staged) || return 1
        for path in $staged; do mv -fT "$path.backstay-new" "$path" || return 1; done
        # shellcheck disable=SC2046,SC2086
        sync $(printf '%s\n' $directories | sort -u) || return 1
    fi
    staged=
    [ -z "$linked" ] || stamp_linked || return 1
    if [ "$units_changed" = yes ]; then systemctl daemon-reload || return 1; fi
    units_changed=no
}
