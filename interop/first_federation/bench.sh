# Two organisations' machines as a stranger would have them: Debian 12 with systemd as its first process, each with a network
# of its own, a DNS server that is authoritative for both domains, an authority for certificates, and a computer for each
# of two people. Sourced by run, which sits in namespaces of its own: what is mounted and started here ends with it.
# shellcheck shell=bash

suite=bookworm
# Beside what every Debian server has: the phone, which the page lets people install on their own computers.
packages=systemd,systemd-sysv,dbus,sudo,ca-certificates,baresip-core
dns_address=203.0.113.53
declare -A address_of=(
    [contoso]=192.0.2.10 [alice]=192.0.2.77 [fabrikam]=198.51.100.20 [bob]=198.51.100.77
)
# Who types on which machine.
declare -A person_of=([contoso]=admin [alice]=alice [fabrikam]=admin [bob]=bob)

# make_base FOLDER: a fresh Debian 12, made once.
make_base() {
    local base=$1
    [[ ! -d $base ]] || return 0
    rm -rf "$base.partial"
    mkdir -p "${base%/*}"
    debootstrap --variant=minbase --include="$packages" "$suite" "$base.partial" >"$base.log" 2>&1 ||
        { tail -n 20 "$base.log"; return 1; }
    local person
    for person in admin alice bob; do
        chroot "$base.partial" useradd --create-home --groups sudo --shell /bin/bash "$person"
    done
    echo '%sudo ALL=(ALL:ALL) NOPASSWD: ALL' >"$base.partial/etc/sudoers.d/people"
    mv "$base.partial" "$base"
}

# connect_networks: one wire on which both organisations and the DNS server are.
connect_networks() {
    ip link set lo up
    ip link add internet type bridge
    ip link set internet up
    ip address add 192.0.2.1/24 dev internet
    ip address add 198.51.100.1/24 dev internet
    ip address add "$dns_address/32" dev internet
    sysctl -q net.ipv4.ip_forward=1
}

# make_machine NAME: its own copy of the base, and its place on the wire.
make_machine() {
    local name=$1 place=$work/$1 address=${address_of[$1]} root=$work/$1/root
    mkdir -p "$place"/{upper,work,root}
    mount -t overlay -o "lowerdir=$base,upperdir=$place/upper,workdir=$place/work" overlay "$root"
    echo "$name" >"$root/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >"$root/etc/hosts"
    rm -f "$root/etc/resolv.conf"
    echo "nameserver $dns_address" >"$root/etc/resolv.conf"
    cp "$authority/ca.pem" "$root/usr/local/share/ca-certificates/authority.crt"
    chroot "$root" update-ca-certificates >"$place/authorities" 2>&1
    ip netns add "$name"
    ip link add "to-$name" type veth peer name eth0 netns "$name"
    ip link set "to-$name" master internet up
    ip -n "$name" link set lo up
    ip -n "$name" address add "$address/24" dev eth0
    ip -n "$name" link set eth0 up
    ip -n "$name" route add default via "${address%.*}.1"
}

# boot NAME: systemd, as on a real machine.
boot() {
    local name=$1
    (
        enter_control_group "$name"
        exec systemd-nspawn --quiet --boot --directory="$work/$name/root" --machine="$name" --register=no --keep-unit \
            --network-namespace-path="/run/netns/$name" --resolv-conf=off --timezone=off --link-journal=no \
            --console=pipe </dev/null >"$work/$name/console" 2>&1
    ) &
    container_of[$name]=$!
}

declare -A container_of=()

# Each machine sees the control groups below its own only; what is left is removed by run.
enter_control_group() {
    local hierarchy
    for hierarchy in "${hierarchies[@]}"; do
        mkdir -p "$hierarchy/$group/$1"
        echo "$BASHPID" >"$hierarchy/$group/$1/cgroup.procs"
    done
}

# What a machine leaves behind of them, once its last process is gone.
remove_control_groups() {
    local hierarchy try
    for hierarchy in "${hierarchies[@]}"; do
        for try in {1..20}; do
            find "$hierarchy/$group" -depth -type d -exec rmdir '{}' ';' 2>/dev/null || true
            [[ -d $hierarchy/$group ]] || break
            sleep 0.1
        done
    done
}

# The hierarchies in which systemd keeps its units: one, or where both versions are mounted, two.
find_hierarchies() {
    hierarchies=()
    local folder
    for folder in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
        [[ ! -e $folder/cgroup.procs ]] || hierarchies+=("$folder")
    done
    ((${#hierarchies[@]})) || { echo "no control groups are mounted here: systemd cannot run"; return 1; }
}

# first_of NAME: the machine's first process.
first_of() {
    pgrep --parent "${container_of[$1]}" --exact systemd
}

is_up() {
    local state
    state=$(on "$1" root systemctl is-system-running) || true
    [[ $state = running || $state = degraded ]]
}

# on MACHINE USER COMMAND...: as that user would type it there.
on() {
    local name=$1 user=$2 home
    shift 2
    home=$(awk -F: -v user="$user" '$1 == user { print $6 }' "$base/etc/passwd")
    local clean=(env --ignore-environment --chdir="$home" "HOME=$home" "USER=$user" "TERM=dumb" LANG=C.UTF-8
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
    local first
    first=$(first_of "$name") || return 1
    nsenter --target "$first" --all --root --wd setpriv --reuid="$user" --regid="$user" --init-groups "${clean[@]}" "$@"
}

# make_authority: what stands in for a public certificate authority.
make_authority() {
    mkdir -p "$authority"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=Authority of the bench' \
        -keyout "$authority/ca.key" -out "$authority/ca.pem" 2>"$authority/log"
}

# certify DAYS <REQUEST: prints the certificate for a request, with the names that it asks for.
certify() {
    openssl x509 -req -days "$1" -CA "$authority/ca.pem" -CAkey "$authority/ca.key" -copy_extensions copy 2>"$authority/log"
}

# start_dns: answers for both domains, empty at first.
start_dns() {
    mkdir -p "$work/dns"
    {
        printf 'server:\n ip-address: %s\n username: ""\n chroot: ""\n zonesdir: "%s"\n' "$dns_address" "$work/dns"
        printf ' pidfile: "%s"\n xfrdfile: ""\n zonelistfile: "%s"\n database: ""\n' "$work/dns/pid" "$work/dns/zone.list"
        printf 'remote-control:\n control-enable: yes\n control-interface: %s\n' "$work/dns/control"
        local domain
        for domain in contoso.example fabrikam.example; do
            printf 'zone:\n name: %s\n zonefile: %s.zone\n' "$domain" "$domain"
        done
    } >"$work/dns/nsd.conf"
    publish contoso.example </dev/null
    publish fabrikam.example </dev/null
    nsd -d -c "$work/dns/nsd.conf" >"$work/dns/log" 2>&1 &
    wait_for 10 nsd-control -c "$work/dns/nsd.conf" status
}

# publish DOMAIN <RECORDS: the zone has these, and nothing else; lines such as "NAME TYPE VALUE".
publish() {
    local domain=$1
    {
        printf '$TTL 60\n@ SOA ns.%s. hostmaster.%s. %s 60 60 600 60\n@ NS ns\nns A %s\n' \
            "$domain" "$domain" "$(date +%s)" "$dns_address"
        sed 's/^ *//'
    } >"$work/dns/$domain.zone"
    nsd-checkzone "$domain" "$work/dns/$domain.zone" >"$work/dns/checked" || { cat "$work/dns/checked"; return 1; }
    [[ ! -e $work/dns/pid ]] || nsd-control -c "$work/dns/nsd.conf" reload "$domain" >/dev/null
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >"$work/waiting" 2>&1; do
        ((SECONDS < deadline)) || { cat "$work/waiting"; return 1; }
        sleep 0.1
    done
}
