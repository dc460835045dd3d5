# Sourced by runs whose programs need a network of their own: an address that is not loopback's, a default route, and
# names that are resolved by the demo's DNS. Without root in a user namespace, too.
# shellcheck shell=bash

# enter_namespace SCRIPT [ARGUMENTS]: runs the script again, inside, and ends with it; returns where it is inside already.
# Beforehand the server is built, which needs the world outside.
enter_namespace() {
    if [[ ${COMITY_INSIDE:-} = yes ]]; then
        furnish_namespace
        return
    fi
    local root as_root=()
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    if [[ -z ${COMITY:-} ]]; then
        (cd "$root" && cargo build --quiet --package comity)
        export COMITY=${CARGO_TARGET_DIR:-$root/target}/debug/comity
    fi
    [[ $(id -u) = 0 ]] || as_root=(--map-root-user)
    export COMITY_INSIDE=yes
    exec unshare --net --mount "${as_root[@]}" "$@"
}

# The namespace ends with its last process. Nothing else listens in it, so that the demo takes its first addresses.
furnish_namespace() {
    ip link set lo up
    ip link add phones type veth peer name wire
    ip address add 10.99.0.1/24 dev phones
    ip link set phones up
    ip link set wire up
    ip route add default via 10.99.0.254 dev phones
    local names
    names=$(mktemp)
    echo "nameserver 127.0.2.53" >"$names"
    mount --bind "$names" /etc/resolv.conf
    rm "$names"
}

# act SCRIPT [ARGUMENTS]: a conversation in Python, with what those in the folder above share.
act() {
    local script=$1
    shift
    PYTHONPATH=$(dirname "${BASH_SOURCE[0]}") exec python3 -B "$script" "$COMITY" "$@"
}
