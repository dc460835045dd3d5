# What an administrator relies on without typing it: the sandbox, the restart, the upgrade, the removal. Sourced by run.
# shellcheck shell=bash

passed=0
failed=0

# check_service MACHINE: where the server runs; takes the package away in the end.
check_service() {
    on_server=$1
    check 'systemd finds no fault in the unit' admin systemd-analyze verify --man=no comity.service
    check 'the service has no right of root, and few system calls' is_confined
    check 'systemd rates its exposure at 1.5 at most, of 10' admin systemd-analyze security --threshold=15 comity.service
    check 'the key is for root and the service, the database for the service' files_are_private
    check 'who is neither is told so' is_refused_to_others
    check 'killed, it serves again' survives_a_kill
    check 'a worker that hangs is noticed' watchdog_is_fed
    check 'an upgrade starts the new version' survives_an_upgrade
    check 'removed, it stops and keeps what it knows' is_removed
    check 'installed again, it waits to be started, and knows its users' comes_back
    check 'purged, it leaves nothing' is_purged
    check 'before the first start, root may add users' starts_with_roots_users
    echo "$passed passed, $failed failed"
    ((failed == 0 && passed > 0))
}

# check NAME COMMAND...: one line, and what the command printed when it fails.
check() {
    local name=$1 begin=${EPOCHREALTIME/./} outcome=0
    shift
    # A shell of its own, where every line has to succeed. Where any caller stands in a condition, set -e has no effect:
    # then nothing here could fail.
    set +e
    (set -e; false; true)
    [[ $? != 0 ]] || { echo 'checks are called within a condition, and cannot fail'; exit 1; }
    (set -e; "$@") >"$work/check" 2>&1
    outcome=$?
    set -e
    if ((outcome == 0)); then
        passed=$((passed + 1))
        printf 'ok   %5d ms  %s\n' $(((${EPOCHREALTIME/./} - begin) / 1000)) "$name"
    else
        failed=$((failed + 1))
        printf 'FAIL %5d ms  %s\n' $(((${EPOCHREALTIME/./} - begin) / 1000)) "$name"
        tail -n 25 "$work/check" | sed 's/^/     | /'
    fi
}

admin() { on "$on_server" admin "$@"; }
root() { on "$on_server" root "$@"; }
# The opposite of a command that has to fail; `!` alone would be no check under set -e.
fails() { if "$@"; then return 1; fi; }
main_pid() { root systemctl show --value --property MainPID comity.service; }

is_confined() {
    local status
    status=$(root cat "/proc/$(main_pid)/status")
    echo "$status"
    grep -P '^Uid:\t([1-9]\d*)\t\1\t\1\t\1$' <<<"$status"
    grep -P '^CapEff:\t0+$' <<<"$status"
    grep -P '^CapBnd:\t0+$' <<<"$status"
    grep -P '^NoNewPrivs:\t1$' <<<"$status"
    grep -P '^Seccomp:\t2$' <<<"$status"
}

server_processes() {
    root find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' -lname '*/comity*'
}

files_are_private() {
    local domain=$on_server.example
    [[ $(root stat --format '%U:%G %a' "/etc/comity/sip.$domain.key") = 'root:comity 640' ]]
    [[ $(root stat --format '%U:%G %a' /var/lib/comity) = 'comity:comity 700' ]]
    [[ $(root find /var/lib/comity ! -user comity) = '' ]]
    [[ $(root find /var/lib/comity -type f -perm /077) = '' ]]
}

is_refused_to_others() {
    local command told
    for command in status check 'user list'; do
        # shellcheck disable=SC2086
        told=$(fails admin comity $command 2>&1)
        echo "$told"
        grep -F "run this as the server's user, or as root" <<<"$told"
    done
}

survives_a_kill() {
    local before
    before=$(main_pid)
    root systemctl kill --kill-whom=main --signal=KILL comity.service
    wait_for 20 is_serving_instead_of "$before"
    root comity user list | grep -F '@'
}

is_serving_instead_of() {
    local now
    now=$(main_pid)
    [[ $now != 0 && $now != "$1" ]] && root comity status
}

# Stopped, no worker answers; systemd ends it once the watchdog's time is over, which is cut short here.
watchdog_is_fed() {
    local before
    root mkdir -p /run/systemd/system/comity.service.d
    printf '[Service]\nWatchdogSec=4\n' | root tee /run/systemd/system/comity.service.d/watchdog.conf
    root systemctl daemon-reload
    root systemctl restart comity.service
    before=$(main_pid)
    sleep 6
    [[ $(main_pid) = "$before" ]]
    root systemctl kill --kill-whom=main --signal=STOP comity.service
    wait_for 30 is_serving_instead_of "$before"
    root rm -r /run/systemd/system/comity.service.d
    root systemctl daemon-reload
}

survives_an_upgrade() {
    local before
    before=$(main_pid)
    root apt-get install --yes --quiet --reinstall "$(package)"
    wait_for 10 is_serving_instead_of "$before"
}

is_removed() {
    root apt-get remove --yes --quiet comity
    [[ -z $(server_processes) ]]
    root test -e /etc/comity/comity.toml -a -e /var/lib/comity/comity.db
}

comes_back() {
    root apt-get install --yes --quiet "$(package)"
    [[ -z $(server_processes) ]]
    root systemctl start comity.service
    root comity user list | grep -F '@'
}

is_purged() {
    root apt-get purge --yes --quiet comity
    [[ -z $(server_processes) ]]
    local left
    left=$(root find /etc /var/lib /usr /run -name '*comity*' ! -path '/var/lib/systemd/*')
    echo "left: $left"
    [[ $left = '' ]]
}

# Also without an authority: a certificate of its own is enough to start.
starts_with_roots_users() {
    root apt-get install --yes --quiet "$(package)"
    [[ $(root systemctl is-active comity.service) = inactive && $(root systemctl is-enabled comity.service) = disabled ]]
    root comity init --directory /etc/comity --domain "$on_server.example" --yes
    root comity user add alice@"$on_server.example" --generate
    files_are_private
    root comity check
    root systemctl start comity.service
    root comity user list | grep -F "alice@$on_server.example"
    files_are_private
}

package() {
    root sh -c 'ls /home/admin/comity_*.deb'
}
