# Sourced by runs whose phones are sipp's: who somebody is, what he sends, and what he answers.
# Whoever sources it says in $transport whether over UDP (u) or TCP (t).
# shellcheck shell=bash

scenarios=$(cd "$(dirname "${BASH_SOURCE[0]}")/scenarios" && pwd)

# sipp_of USER PORT SCENARIO: the command in $sipp, and the port, which names its files, in $port.
sipp_of() {
    local user=$1 scenario=$3 domain edge way=$transport password=${1^^}_PASSWORD
    port=$2
    case $user in
        bob | erin) domain=fabrikam.example edge=$FABRIKAM_PLAIN ;;
        wendy | walter) domain=${PEER_DOMAIN:-wingtip.example} edge=$PEER_PLAIN ;;
        # Outside, where there is an edge that lets users in.
        willa) domain=wingtip.example edge=$OUTER_PLAIN way=$OUTER_TRANSPORT ;;
        *) domain=contoso.example edge=$CONTOSO_PLAIN ;;
    esac
    [[ $scenario = */* ]] || scenario=$scenarios/$scenario
    # One socket for all calls, as a phone has it.
    sipp=(sipp "$edge" -t "${way}1" -i "${edge%:*}" -p "$port" -sf "$scenario"
        -key user "$user" -key domain "$domain" -au "$user" -ap "${PASSWORD:-${!password}}"
        -nostdin -trace_err -error_file "$work/errors-$port" -timeout_error -recv_timeout 15000)
}

# send USER SCENARIO [sipp's arguments]: to its end; shows sipp's own words when that is no success.
send() {
    local port sipp
    sipp_of "$1" 6001 "$2"
    shift 2
    rm -f "$work/errors-$port"
    "${sipp[@]}" -timeout 20 "$@" >"$work/screen-$port" 2>&1 && return
    grep -A 3 'Successful call' "$work/screen-$port"
    [[ ! -e $work/errors-$port ]] || tail -n 20 "$work/errors-$port"
    return 1
}

# answer USER PORT [SCENARIO]: somebody who is registered and takes what comes, until the run ends. His pid in $answerer;
# once he is registered, there is something in $work/log-PORT.
answer() {
    local port sipp scenario=${3:-answer.xml}
    sipp_of "$1" "$2" available.xml
    [[ $scenario = */* ]] || scenario=$scenarios/$scenario
    rm -f "$work/log-$port"
    "${sipp[@]}" -oocsf "$scenario" -m 1 -timeout 120 -trace_logs -log_file "$work/log-$port" {hold}>&- \
        >"$work/screen-$port" 2>&1 &
    answerer=$!
    started+=("$answerer")
}

# registrations CONFIG COUNT: so many devices are.
registrations() {
    "$comity" --config "$1" --json status | grep -q "\"registrations\": $2,"
}
