# shellcheck shell=sh disable=SC2154
# Measuring functions for `backstay tune`, after those of observe.sh. What is written is removed.
# Times are in seconds, apart by blanks; which of them matter is decided elsewhere.

# What etcd counted of itself since it started.
measure_etcd() {
    say survey . metrics "$(curl --silent --noproxy '*' --max-time 5 http://127.0.0.1:2381/metrics |
        awk '/^etcd_(network_peer_round_trip_time|disk_wal_fsync_duration)_seconds_bucket/ { printf "%s\\n", $0 }')"
}

# Writes as large as etcd's usual ones, each waiting for the disk, over blocks that are there; in
# the first folder that there is.
measure_fsync() {
    writes=$1 folder=$2
    [ -d "$folder" ] || folder=$3
    probe=$(mktemp "$folder/.backstay-tune.XXXXXX") || return 0
    trap 'rm -f "$probe"' EXIT
    trap 'exit 1' HUP INT TERM
    dd if=/dev/zero of="$probe" bs=2300 count="$writes" conv=fsync 2>/dev/null
    say survey . fsync "$(
        block=0
        while [ "$block" -lt "$writes" ]; do
            dd if=/dev/zero of="$probe" bs=2300 count=1 seek="$block" conv=notrunc oflag=dsync 2>&1
            block=$((block + 1))
        done | awk '/copied/ { printf "%s ", $(NF - 3) }'
    )"
    rm -f "$probe"
}

# How much later than asked a waiting process runs again. Only bash can wait without a new process.
measure_lateness() {
    # shellcheck disable=SC2016
    say survey . lateness "$(TIMES=$1 bash -c '
        exec 9<> <(:)
        for ((i = 0; i < TIMES; i++)); do
            before=${EPOCHREALTIME/./}
            read -r -t 0.005 -u 9
            after=${EPOCHREALTIME/./}
            printf "%s " "$((after - before - 5000))e-6"
        done')"
}

# A round trip to another member's etcd and back over a connection that is kept, as heartbeats have
# it. Where no etcd listens yet, the refusal takes as long as the network.
ask_peer() {
    pki=/etc/kubernetes/pki/etcd
    curl --silent --http1.1 --noproxy '*' --max-time 2 --output /dev/null \
        --cacert "$pki/peer-ca.crt" --cert "$pki/peer.crt" --key "$pki/peer.key" \
        --write-out '%{exitcode} %{num_connects} %{time_starttransfer} %{time_total}\n' \
        "$2/version?[1-$1]"
}

measure_peer() {
    ask_peer 1 "$3" >/dev/null
    is_silent $? && return
    say peer "$2" times "$(ask_peer "$1" "$3" |
        awk '$1 == 0 && $2 == 0 { printf "%s ", $3 } $1 == 7 { printf "%s ", $4 }')"
}

# Whether curl ended so (28) because nothing came. Who is frozen is asked once: of hundreds of
# questions each would wait as long.
is_silent() { [ "$1" -eq 28 ]; }

# /readyz as a balancer asks it: each time over a new connection.
ask_readyz() {
    curl --silent --http1.1 --noproxy '*' --max-time 5 --output /dev/null \
        --cacert /etc/kubernetes/pki/ca.crt --header 'Connection: close' --connect-to "::$3" \
        --write-out '%{http_code} %{time_total}\n' "https://$2:6443/readyz?[1-$1]"
}

measure_readyz() {
    ask_readyz 1 "$2" "$3" >/dev/null
    is_silent $? && return
    say readyz "$2" times "$(ask_readyz "$1" "$2" "$3" | awk '$1 == 200 { printf "%s ", $2 }')"
}
