# Sourced by the run beside it: Asterisk as the server of wingtip.example, started, stopped, and with other settings.
# shellcheck shell=bash

asterisk=

# start_asterisk CERTIFICATE [ask]: returns once it listens. CERTIFICATE is a folder; with "ask", whoever connects must show
# one that proves a client.
start_asterisk() {
    local site=$work/wingtip library=$root_of_asterisk/usr/lib/x86_64-linux-gnu file
    rm -rf "$site"
    mkdir -p "$site/log" "$site/run"
    cp "$1/certificate."{pem,key} "$site"
    cat "$CA" "$work/authority/authority.pem" >"$site/authorities.pem"
    for file in asterisk.conf modules.conf logger.conf pjsip.conf extensions.conf; do
        sed -e "s|SITE|$site|g" -e "s|LIBRARY|$library|g" -e "s|DATA|$root_of_asterisk/usr/share/asterisk|g" \
            -e "s|ASK|$([[ ${2:-} = ask ]] && echo yes || echo no)|g" -e "s|CONTOSO_ADDRESS|${CONTOSO_TLS%:*}|g" -e "s|FABRIKAM_ADDRESS|${FABRIKAM_TLS%:*}|g"  -e "s|PLAIN|$PEER_PLAIN|g" -e "s|TLS|$PEER_TLS|g" \
            -e "s|WENDY_PASSWORD|$WENDY_PASSWORD|g" -e "s|WALTER_PASSWORD|$WALTER_PASSWORD|g" \
            "$here/$file" >"$site/$file"
    done
    "$root_of_asterisk/lib64/ld-linux-x86-64.so.2" --library-path "$library" "$root_of_asterisk/usr/sbin/asterisk" \
        -f -n -C "$site/asterisk.conf" {hold}>&- >"$site/log/screen" 2>&1 </dev/null &
    asterisk=$!
    started+=("$asterisk")
    wait_for 20 listens "$PEER_TLS" && wait_for 20 grep -q "Asterisk Ready" "$site/log/messages" ||
        { tail -n 20 "$site/log/"*; return 1; }
}

stop_asterisk() {
    end "$asterisk"
}

listens() {
    (: <>"/dev/tcp/${1%:*}/${1#*:}")
}
