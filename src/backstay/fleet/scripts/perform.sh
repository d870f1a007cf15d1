# shellcheck shell=sh disable=SC2154
# Changing functions. A file is staged beside its place with its final mode and owner, checked, and
# only `commit` moves all staged files into place, after their bytes are on the disk. Whatever
# fails before that leaves every old file as it was. `mark` is set by the caller.
LC_ALL=C
export LC_ALL
umask 077
staged=
units_changed=no
stamps=/var/lib/backstay/verified
mirrors='/opt/backstay/mirror /var/lib/backstay/artefacts'
# Where a command's complaint goes until it is known to matter; without room for it, nowhere.
reason=$(mktemp 2>/dev/null) || reason=/dev/null
trap '[ "$reason" = /dev/null ] || rm -f "$reason"' EXIT

say() { printf '%s\t%s\t%s\n' "$mark" "$1" "$2"; }

begin() { doing=$1; }

finished() { say finished "$doing"; }

fail() {
    say failed "$doing"
    sed "s/^/$mark	why	/" "$reason"
    for path in $staged; do rm -f "$path.backstay-new"; done
    exit 1
}

place() {
    path=$1 mode=$2 owner=$3
    shift 3
    new=$path.backstay-new
    staged="$staged $path"
    [ -d "${path%/*}" ] || mkdir -p "${path%/*}"
    true >"$new" && chown "$owner" "$new" && chmod "$mode" "$new" && base64 -d >"$new" || return 1
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

make_directory() { mkdir -p "$1" && chown "$3" "$1" && chmod "$2" "$1"; }

make_account() {
    grep -qs "^$1:" /etc/group || groupadd --system "$1" || return 1
    grep -qs "^$1:" /etc/passwd ||
        useradd --system --gid "$1" --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$1"
}

set_sysctl() {
    printf '%s\n' "$2" >"/proc/sys/$(printf '%s' "$1" | tr . /)"
}

# Finds an artefact in a mirror on the machine; its digest is verified before it is named.
find_artefact() {
    for mirror in $mirrors; do
        blob=$mirror/$1/$2
        [ -f "$blob" ] || continue
        # $0 of the stamp is the blob's own path: one verification serves all its places.
        stamp=$(stat -L -c '%n|%i|%s|%y|%z' -- "$blob")
        grep -qsxF "$stamp|$1" "$stamps" && return 0
        [ "$(sha256sum <"$blob" | cut -c1-64)" = "$1" ] || continue
        mkdir -p "${stamps%/*}" && printf '%s|%s\n' "$stamp" "$1" >>"$stamps"
        return 0
    done
    return 1
}

locate() { find_artefact "$1" "$2" || say missing "$1"; }

place_artefact() {
    path=$1 mode=$2 digest=$3 name=$4
    find_artefact "$digest" "$name" || {
        echo "artefact $name ($digest) is not on this machine" >&2
        return 1
    }
    mkdir -p "${path%/*}" && ln -sfn "$blob" "$path.backstay-new" && mv -fT "$path.backstay-new" "$path" || return 1
    stamp=$(stat -L -c '%n|%i|%s|%y|%z' -- "$path")
    grep -qsxF "$stamp|$digest" "$stamps" || printf '%s|%s\n' "$stamp" "$digest" >>"$stamps"
}

commit() {
    directories=
    for path in $staged; do directories="$directories ${path%/*}"; done
    if [ -n "$staged" ]; then
        # shellcheck disable=SC2046,SC2086  # paths come from a fixed list without blanks
        sync $(printf '%s.backstay-new ' $staged) || return 1
        for path in $staged; do mv -f "$path.backstay-new" "$path" || return 1; done
        # shellcheck disable=SC2046,SC2086
        sync $(printf '%s\n' $directories | sort -u) || return 1
    fi
    staged=
    if [ "$units_changed" = yes ]; then systemctl daemon-reload || return 1; fi
    units_changed=no
}
