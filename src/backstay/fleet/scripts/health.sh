# shellcheck shell=sh disable=SC2154
# Observing functions for `backstay status`, after those of observe.sh. Nothing here changes anything.

# The certificates of a file as one line, never what else is in it.
pem() {
    sed -n '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p' "$1" 2>/dev/null | awk '{ printf "%s\\n", $0 }'
}

probe_host() {
    read -r value rest </proc/loadavg && say survey . load "$value"
    say survey . authority "$(pem /etc/kubernetes/pki/ca.crt)"
    # The kubelet keeps what it rotated, certificate and key, in one file.
    rotated=/var/lib/kubelet/pki/kubelet-client-current
    [ ! -e "$rotated.pem" ] || say certificate "$rotated" certificate "$(pem "$rotated.pem")"
}

ask_etcd() {
    /usr/local/bin/etcdctl --endpoints=https://127.0.0.1:2379 --command-timeout=2s \
        --cacert=/etc/kubernetes/pki/etcd/ca.crt \
        --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt \
        --key=/etc/kubernetes/pki/etcd/healthcheck-client.key "$@" 2>&1
}

# /health lies when a member cannot read its own disk (etcd#22214): only a linearizable read tells.
probe_member() {
    # One document, and before it, where there is none, why: between them stands a tab.
    say survey . etcd_status "$(ask_etcd endpoint status -w json | tail -n 3 | tr '\n' '\t')"
    if ask_etcd get backstay-health >/dev/null; then value=yes; else value=no; fi
    say survey . etcd_read "$value"
    say survey . etcd_members "$(ask_etcd member list --consistency=s -w json | tail -n 1)"
}
