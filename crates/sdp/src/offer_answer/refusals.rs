//! Every way to say no to an offer, with the code of its Warning.

use super::NotAcceptable;
use super::fixture::{answered, encodings, policy};
use crate::capabilities::{Capabilities, ProtectionPolicy};
use crate::session::{Encoding, Suite};
use crate::stream::Unusable;

const KEY: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn refused(media: &str, capabilities: &Capabilities) -> (NotAcceptable, u16) {
    let text = format!("v=0\nc=IN IP4 192.0.2.1\nt=0 0\n{}", media.replace('|', "\n").replace("KEY", KEY));
    let refusal = answered(&text, capabilities).unwrap_err();
    let code = refusal.warn_code();
    (refusal, code)
}

fn stream(line: usize, reason: Unusable, code: u16) -> (NotAcceptable, u16) {
    (NotAcceptable::Stream { line, reason }, code)
}

#[test]
fn without_audio() {
    for media in ["m=video 4000 RTP/AVP 97", "m=audio 0 RTP/AVP 0", "m=message 2855 TCP/MSRP *", "a=sendrecv"] {
        assert_eq!(refused(media, &Capabilities::default()), (NotAcceptable::NoAudio, 304), "{media}");
    }
}

/// Chromium: ICE and DTLS-SRTP, which are no phone's way.
#[test]
fn a_browser() {
    let media = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126|c=IN IP4 0.0.0.0|a=rtcp:9 IN IP4 0.0.0.0|\
        a=ice-ufrag:MhbA|a=ice-pwd:k4zUX8DDz8oKtUVuuhVmHrB3|a=ice-options:trickle|a=fingerprint:sha-256 \
        5F:DB:75:82:81:3A:63:BA:4B:68:32:8E:94:76:2D:60:24:03:0A:66:4A:3B:5A:4F:30:C0:66:B4:33:7E:7A:29|\
        a=setup:actpass|a=mid:0|a=sendrecv|a=rtcp-mux|a=rtpmap:111 opus/48000/2|a=rtcp-fb:111 transport-cc|\
        a=fmtp:111 minptime=10;useinbandfec=1";
    let reason = Unusable::Transport("UDP/TLS/RTP/SAVPF".into());
    assert_eq!(refused(media, &Capabilities::default()), stream(1, reason, 302));
}

#[test]
fn by_encoding() {
    let g729 = "m=video 4002 RTP/AVP 97|m=audio 4000 RTP/AVP 18 101|a=rtpmap:101 telephone-event/8000";
    assert_eq!(refused(g729, &Capabilities::default()), stream(2, Unusable::NoCommonEncoding, 305));
    let ours = encodings(&[Encoding::Opus]);
    assert_eq!(refused("m=audio 4000 RTP/AVP 0 8", &ours), stream(1, Unusable::NoCommonEncoding, 305));
}

#[test]
fn by_address() {
    let refused = |address: &str| refused(&format!("m=audio 4000 RTP/AVP 0|c=IN {address}"), &Capabilities::default());
    let six = "2001:db8::1".parse().unwrap();
    assert_eq!(refused("IP6 2001:db8::1"), stream(1, Unusable::AddressFamily(six), 300));
    assert_eq!(refused("IP4 a.example"), stream(1, Unusable::HostName("a.example".into()), 301));
    assert_eq!(refused("IP4 224.0.0.1/3"), stream(1, Unusable::Multicast("224.0.0.1".parse().unwrap()), 330));
    let (none, code) = (answered("v=0\nm=audio 4000 RTP/AVP 0", &Capabilities::default()).unwrap_err(), 301);
    assert_eq!((none.clone(), none.warn_code()), stream(1, Unusable::NoAddress, code));
}

#[test]
fn by_protection() {
    let required = policy(ProtectionPolicy::Required);
    let plain = "m=audio 4000 RTP/AVP 0";
    assert_eq!(refused(plain, &required), stream(1, Unusable::Plain, 302));
    let unknown = "m=audio 4000 RTP/AVP 0|a=crypto:1 F8_128_HMAC_SHA1_80 KEY";
    assert_eq!(refused(unknown, &required), stream(1, Unusable::Plain, 302));
    let secure = "m=audio 4000 RTP/SAVP 0|a=crypto:1 AES_CM_128_HMAC_SHA1_80 KEY";
    assert_eq!(refused(secure, &policy(ProtectionPolicy::Never)), stream(1, Unusable::ProtectionNotWanted, 302));
    let gcm = Capabilities { suites: vec![Suite::AeadAes128Gcm], ..Capabilities::default() };
    assert_eq!(refused(secure, &gcm), stream(1, Unusable::NoCommonSuite, 306));
    assert_eq!(refused("m=audio 4000 RTP/SAVP 0", &required), stream(1, Unusable::NoCommonSuite, 306));
}

#[test]
fn the_first_audio_stream_gives_the_reason() {
    let media = "m=audio 4000 RTP/AVP 18|m=audio 4002 RTP/SAVP 0";
    let (refusal, _) = refused(media, &Capabilities::default());
    assert_eq!(
        refusal.to_string(),
        "its audio stream, m-line 1, cannot be used: none of its encodings is one that we take"
    );
}

#[test]
fn a_second_audio_stream_is_taken_where_the_first_cannot_be() {
    let text = "v=0\nc=IN IP4 192.0.2.1\nt=3034423619 3042462419\nm=audio 4000 RTP/AVP 18\nm=application 9 UDP/BFCP *\n\
        m=audio 4004/2 RTP/AVP 8";
    let (session, body) = answered(text, &Capabilities::default()).unwrap();
    assert_eq!(session.remote.port(), 4004);
    let places: Vec<&str> = body.lines().filter(|line| line.starts_with("m=") || line.starts_with("t=")).collect();
    let expected =
        ["t=3034423619 3042462419", "m=audio 0 RTP/AVP 18", "m=application 0 UDP/BFCP *", "m=audio 30000 RTP/AVP 8"];
    assert_eq!(places, expected);
}
