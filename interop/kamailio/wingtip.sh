# Sourced by the run beside it: Kamailio as the server of wingtip.example, or of $PEER_DOMAIN, started, stopped, and with
# another certificate.
# shellcheck shell=bash

kamailio=
wingtip_users=(wendy walter)

# start_kamailio CERTIFICATE [verify_client's value]: returns once it listens. CERTIFICATE is a folder in $CERTIFICATES.
start_kamailio() {
    wingtip=$work/wingtip
    mkdir -p "$wingtip"
    cp "$here/kamailio.cfg" "$here/prove" "$wingtip"
    cp "$CERTIFICATES/$1/certificate."{pem,key} "$wingtip"
    cp "$CA" "$wingtip/authorities.pem"
    sed -e "s|FOLDER|$wingtip|" -e "s|optional_no_ca|${2:-optional_no_ca}|" "$here/tls.cfg" >"$wingtip/tls.cfg"
    describe_site >"$wingtip/site.cfg"
    describe_people >"$wingtip/tables.cfg"
    # One process for UDP: several may let a 200 overtake the 180 before it.
    kamailio -f "$wingtip/kamailio.cfg" -n 1 -N 2 -DD -E -Y "$wingtip" -P "$wingtip/pid" -w "$wingtip" \
        {hold}>&- >"$wingtip/log" 2>&1 &
    kamailio=$!
    started+=("$kamailio")
    wait_for 10 listens "$PEER_TLS" || { tail -n 20 "$wingtip/log"; return 1; }
}

stop_kamailio() {
    end "$kamailio"
}

listens() {
    (: <>"/dev/tcp/${1%:*}/${1#*:}")
}

describe_site() {
    cat <<END
#!substdef "!MY_DOMAIN!${PEER_DOMAIN:-wingtip.example}!g"
#!substdef "!MY_EDGE!$PEER_EDGE!g"
#!substdef "!MY_ADDRESS!${PEER_TLS%:*}!g"
#!substdef "!MY_FOLDER!$wingtip!g"
END
}

# Two partners, each with the host that its certificate has to name.
describe_people() {
    local user word
    echo "event_route[htable:mod-init] {"
    for user in "${wingtip_users[@]}"; do
        word=${user^^}_PASSWORD
        echo "    \$sht(password=>$user) = \"${!word}\";"
    done
    echo "    \$sht(partner=>contoso.example) = \"$CONTOSO_EDGE\";"
    echo "    \$sht(partner=>fabrikam.example) = \"$FABRIKAM_EDGE\";"
    echo "}"
}
