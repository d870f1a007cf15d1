# shellcheck shell=sh disable=SC2154
# Listening, after observe.sh: who else on the segment speaks VRRP for our router or our address.
# While it goes on, a table of nft takes down their addresses and lets every packet pass, and the
# network card takes in what is meant for all routers; both are gone when it ends.

# Interface, hardware address of all routers, seconds, and the rules.
listen_for_routers() {
    interface=$1 group=$2 joined=''
    command -v nft >/dev/null 2>&1 || return 0
    trap deaf EXIT
    trap 'exit 1' HUP INT TERM
    ip maddress add "$group" dev "$interface" 2>/dev/null && joined=yes
    # A kernel that cannot do this hears nobody, which is no proof that nobody speaks.
    printf '%s\n' "$4" | nft -f - 2>/dev/null || return 0
    sleep "$3"
    for name in router address; do
        say survey . "vrrp_$name" "$(nft list set inet backstay_listen "$name" | tr -d '\n\t' |
            sed -n 's/.*elements = { *\([^}]*[^ }]\) *}.*/\1/p')"
    done
}

deaf() {
    nft delete table inet backstay_listen 2>/dev/null
    [ -z "$joined" ] || ip maddress del "$group" dev "$interface" 2>/dev/null
}
