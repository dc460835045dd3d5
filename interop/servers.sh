# Shared by the runs beside it: servers of the demo, held for a test, and everything ended again.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
comity=${COMITY:-${CARGO_TARGET_DIR:-$root/target}/debug/comity}
work=$(mktemp -d)
passed=0
failed=0
started=() # pids of this run, and of nothing else
servers=

# Builds the server unless the caller names one in COMITY.
build() {
    [[ -n ${COMITY:-} ]] || (cd "$root" && cargo build --quiet --package comity)
}

# start_servers FOLDER [demo's arguments]: returns when all are ready, with their places and passwords as variables.
start_servers() {
    local folder=$1
    shift
    mkdir -p "$folder"
    mkfifo "$folder/open"
    "$comity" demo --hold-for-tests "$folder" "$@" <"$folder/open" >"$folder/demo.log" 2>&1 &
    servers=$!
    started+=("$servers")
    # Held open by this shell: the servers end when it ends, however it ends.
    exec {hold}>"$folder/open"
    wait_for 20 test -e "$folder/demo.env" || { cat "$folder/demo.log"; return 1; }
    # shellcheck disable=SC1091
    source "$folder/demo.env"
}

# Ends the servers, then whatever else was started.
stop_servers() {
    exec {hold}>&-
    local status=0
    wait "$servers" || status=$?
    end_started
    return "$status"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >"$work/waiting" 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

# check NAME COMMAND...: one line, and what the command printed when it fails.
check() {
    local name=$1 begin=${EPOCHREALTIME/./}
    shift
    if "$@" >"$work/check" 2>&1; then
        passed=$((passed + 1))
        printf 'ok   %5d ms  %s\n' $(((${EPOCHREALTIME/./} - begin) / 1000)) "$name"
    else
        failed=$((failed + 1))
        printf 'FAIL %5d ms  %s\n' $(((${EPOCHREALTIME/./} - begin) / 1000)) "$name"
        tail -n 25 "$work/check" | sed 's/^/     | /'
    fi
}

# end PID: asks, then waits.
end() {
    kill "$1" 2>"$work/ending" || return 0
    wait "$1" 2>"$work/ending" || true
}

end_started() {
    local pid
    for pid in "${started[@]}"; do
        end "$pid"
    done
    started=()
}

end_all() {
    end_started
    rm -rf "$work"
}
trap end_all EXIT
trap 'exit 130' INT TERM HUP

summary() {
    echo "$passed passed, $failed failed"
    ((failed == 0 && passed > 0))
}
