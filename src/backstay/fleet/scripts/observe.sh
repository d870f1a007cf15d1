# shellcheck shell=sh disable=SC2154
# Observing functions. Every answer is one line: mark, kind, name, field, value, between tabs.
# Whatever else a machine prints (banners, warnings of a login shell) lacks the mark and is noise.
# Nothing here changes the machine. `mark` is set by the caller, a random word of this run.
LC_ALL=C
export LC_ALL
umask 077
tab=$(printf '\t')

say() { printf '%s\t%s\t%s\t%s\t%s\n' "$mark" "$1" "$2" "$3" "$4"; }

# Escapes the lines of whole files into one value each: awk -f on many files is one process.
contents() {
    kind=$1 field=$2 suffix=$3
    shift 3
    awk -v mark="$mark" -v kind="$kind" -v field="$field" -v suffix="$suffix" '
        function flush_file() {
            if (name == "") return
            printf "%s\t%s\t%s\t%s\t%s\n", mark, kind, substr(name, 1, length(name) - length(suffix)), field, text
        }
        FNR == 1 { flush_file(); name = FILENAME; text = "" }
        length(text) < 262144 {
            gsub(/\\/, "&&"); gsub(/\t/, "\\t"); gsub(/\r/, "\\r")
            text = text $0 "\\n"
        }
        END { flush_file() }' "$@" 2>/dev/null
}

# Splits the arguments into $present (newline-separated) and absent ones, which are said so.
sort_out() {
    kind=$1
    shift
    present=
    for path in "$@"; do
        if [ -e "$path" ] || [ -h "$path" ]; then
            present="$present$path
"
        else
            say "$kind" "$path" absent ''
        fi
    done
}

stats() {
    kind=$1
    printf '%s' "$present" | tr '\n' '\0' |
        xargs -0 -r stat -c "$mark$tab$kind$tab%n${tab}stat$tab%F|%a|%U:%G" -- 2>/dev/null
}

digests() {
    kind=$1
    printf '%s' "$present" | tr '\n' '\0' | xargs -0 -r sha256sum -- 2>/dev/null |
        sed "s|^\\\\\\{0,1\\}\\([0-9a-f]\\{64\\}\\) [ *]\\(.*\\)$|$mark$tab$kind$tab\\2${tab}sha256$tab\\1|"
}

probe_file() {
    sort_out file "$@"
    stats file
    digests file
}

probe_text() {
    probe_file "$@"
    old_ifs=$IFS
    IFS='
'
    # shellcheck disable=SC2086  # one word per line is meant
    [ -z "$present" ] || contents file content '' $present
    IFS=$old_ifs
}

probe_directory() {
    sort_out directory "$@"
    stats directory
}

probe_binary() {
    sort_out binary "$@"
    printf '%s' "$present" | tr '\n' '\0' | xargs -0 -r stat -L -c '%n|%i|%s|%y|%z' -- 2>/dev/null |
        awk -F'|' -v mark="$mark" -v stamps=/var/lib/backstay/verified '
            BEGIN { while ((getline line < stamps) > 0) {
                cut = length(line) - 64
                known[substr(line, 1, cut - 1)] = substr(line, cut + 1) } }
            $0 in known { printf "%s\tbinary\t%s\tsha256\t%s\n", mark, $1, known[$0]; next }
            { print $1 }' |
        while IFS= read -r line; do
            case $line in
            "$mark"*) printf '%s\n' "$line" ;;
            *) say binary "$line" sha256 "$(sha256sum <"$line" | cut -c1-64)" ;;
            esac
        done
}

# A kernel without module files tells of br_netfilter only by the parameters that it brings.
probe_module() {
    for name in "$@"; do
        if [ -d "/sys/module/$name" ] || grep -qsw "$name" /proc/filesystems ||
            grep -qs "/$name\\.ko" "/lib/modules/$(uname -r)/modules.builtin" ||
            { [ "$name" = br_netfilter ] && [ -d /proc/sys/net/bridge ]; }; then
            say module "$name" state present
        else
            say module "$name" absent ''
        fi
    done
}

probe_sysctl() {
    paths=
    for name in "$@"; do
        path=/proc/sys rest=$name.
        while [ -n "$rest" ]; do path=$path/${rest%%.*} rest=${rest#*.}; done
        if [ -r "$path" ]; then paths="$paths $path"; else say sysctl "$name" absent ''; fi
    done
    # Not by the shell's read: it takes byte after byte, and of a sysctl the kernel gives one only.
    # shellcheck disable=SC2086
    [ -z "$paths" ] || awk -v mark="$mark" '{
        name = substr(FILENAME, 11)
        gsub("/", ".", name); gsub("\t", " ")
        printf "%s\tsysctl\t%s\tvalue\t%s\n", mark, name, $0 }' $paths 2>/dev/null
}

probe_account() {
    for name in "$@"; do
        if grep -qs "^$name:" /etc/passwd && grep -qs "^$name:" /etc/group; then
            say account "$name" state present
        else
            say account "$name" absent ''
        fi
    done
}

probe_service() {
    shown=$(systemctl show --property=Id,LoadState,UnitFileState,ActiveState,SubState,MainPID,NRestarts,InvocationID -- "$@") || return
    printf '%s\n' "$shown" | awk -v mark="$mark" '
        BEGIN { RS = ""; FS = "\n"
            split("UnitFileState ActiveState SubState MainPID NRestarts InvocationID", from, " ")
            split("enabled active sub pid restarts invocation", to, " ") }
        {
            split("", value)
            for (i = 1; i <= NF; i++) { at = index($i, "="); value[substr($i, 1, at - 1)] = substr($i, at + 1) }
            if (value["LoadState"] == "not-found") { printf "%s\tservice\t%s\tabsent\t\n", mark, value["Id"]; next }
            for (i = 1; i in from; i++)
                printf "%s\tservice\t%s\t%s\t%s\n", mark, value["Id"], to[i], value[from[i]]
        }'
    printf '%s\n' "$shown" | sed -n 's/^MainPID=\([1-9][0-9]*\)$/\/proc\/\1\/environ/p' |
        xargs -r grep -aHoz '^BACKSTAY_DIGEST=.*' 2>/dev/null | tr '\0' '\n' |
        sed "s|^/proc/\\([0-9]*\\)/environ:BACKSTAY_DIGEST=\\(.*\\)$|$mark${tab}process$tab\\1${tab}digest$tab\\2|"
    for unit in "$@"; do
        if [ -r "/run/backstay/$unit" ] && read -r value <"/run/backstay/$unit"; then
            say service "$unit" recorded "$value"
        fi
    done
}

probe_certificate() {
    crts='' keys=''
    for stem in "$@"; do
        [ -e "$stem.crt" ] && crts="$crts $stem.crt"
        [ -e "$stem.key" ] && keys="$keys $stem.key"
        [ -e "$stem.crt" ] || [ -e "$stem.key" ] || say certificate "$stem" absent ''
    done
    # Stems come from a fixed list without blanks, so words are paths.
    # shellcheck disable=SC2086
    [ -z "$crts" ] || {
        contents certificate certificate .crt $crts
        stat -c "$mark${tab}certificate_half$tab%n${tab}stat$tab%a|%U:%G" -- $crts
    }
    # shellcheck disable=SC2086
    [ -z "$keys" ] || {
        stat -c "$mark${tab}certificate_half$tab%n${tab}stat$tab%a|%U:%G" -- $keys
        sha256sum -- $keys | sed "s|^\\([0-9a-f]\\{64\\}\\)  \\(.*\\)\\.key$|$mark${tab}certificate$tab\\2${tab}key_digest$tab\\1|"
    }
}

# Whether our keepalived runs, or will after the next boot. systemd takes its directory away when it
# ends; who is enabled has a link.
speaks() {
    if ! grep -q BACKSTAY_DIGEST /etc/systemd/system/keepalived.service 2>/dev/null; then return; fi
    if [ -e /run/keepalived/vrrp.pid ]; then echo yes; return; fi
    for link in /etc/systemd/system/*.wants/keepalived.service; do
        if [ -L "$link" ]; then echo enabled; return; fi
    done
}

# Ports on which something listens, with commas between. The kernel tells them in hexadecimal.
listening() {
    awk '$4 == "0A" {
        n = split($2, part, ":"); port = 0
        for (i = 1; i <= 4; i++) port = port * 16 + index("123456789ABCDEF", substr(part[n], i, 1))
        if (!(port in seen)) printf "%d,", port
        seen[port] }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# Directories in which a cluster left something; whose it is is known where we left our name.
leftovers() {
    for path in /etc/kubernetes /var/lib/etcd /var/lib/kubelet /etc/etcd; do
        [ -n "$(find "$path" -mindepth 1 ! -type d -print -quit 2>/dev/null)" ] && printf '%s ' "$path"
    done
}

swaps() {
    count=-1
    while read -r _; do count=$((count + 1)); done </proc/swaps
    printf '%s' "$count"
}

# Whether the member here leads, in its own words. Its metrics are on loopback and cost no handshake.
leads() {
    curl --silent --max-time 1 --noproxy '*' http://127.0.0.1:2381/metrics 2>/dev/null |
        grep -q '^etcd_server_is_leader 1$'
}

probe_survey() {
    say survey . uid "$(id -u)"
    say survey . clock "$(date +%s.%N)"
    read -r value </proc/sys/kernel/hostname && say survey . hostname "$value"
    say survey . architecture "$(uname -m)"
    say survey . systemd "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')"
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then value=v2; else value=v1; fi
    say survey . control_groups "$value"
    say survey . swap "$(swaps)"
    say survey . addresses "$(ip -o addr show 2>/dev/null | awk '{ printf "%s=%s,", $2, $4 }')"
    say survey . listening "$(listening)"
    value=$(speaks)
    [ -z "$value" ] || say survey . speaks "$value"
    value=no
    [ -d /var/lib/etcd/data/member ] && value=yes
    say survey . etcd_data "$value"
    if [ "$value" = yes ] && leads; then say survey . etcd_leader yes; fi
    value=no
    [ -e /etc/backstay/etcd-served ] && value=yes
    say survey . etcd_served "$value"
    if [ -r /etc/backstay/cluster ]; then
        say survey . cluster "$(tr '\n' ' ' </etc/backstay/cluster)"
    else
        say survey . leftovers "$(leftovers)"
    fi
    value=
    for program in haproxy keepalived nft iptables conntrack curl mount base64 sha256sum awk; do
        command -v "$program" >/dev/null 2>&1 && value="$value$program "
    done
    say survey . programs "$value"
    value=yes
    [ -w /etc ] || value=no
    say survey . etc_writable "$value"
    say survey . free_kilobytes "$(df -Pk /var/lib 2>/dev/null | awk 'NR == 2 { print $4 }')"
    if [ -r /etc/cni/net.d/10-backstay.conflist ]; then
        say survey . subnet "$(sed -n 's/.*"subnet": *"\([^"]*\)".*/\1/p' /etc/cni/net.d/10-backstay.conflist | head -n 1)"
    fi
}
