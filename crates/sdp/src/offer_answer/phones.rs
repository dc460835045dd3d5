//! Descriptions in the shape of programs that people use, and what we answer.

use super::fixture::{answered, encodings, lines, policy};
use crate::capabilities::{Capabilities, Order, ProtectionPolicy};
use crate::session::{AudioSession, Direction, Encoding, Format, Suite};

fn taken(text: &str) -> (AudioSession, String) {
    answered(text, &Capabilities::default()).unwrap()
}

fn suite(session: &AudioSession) -> Option<Suite> {
    session.protection.as_ref().map(|protection| protection.suite)
}

#[test]
fn the_simplest_offer() {
    let (session, body) = taken(
        "v=0
         o=- 1 1 IN IP4 192.0.2.1
         s=-
         c=IN IP4 192.0.2.1
         t=0 0
         m=audio 4000 RTP/AVP 0",
    );
    assert_eq!(session.format, Format { payload_type: 0, encoding: Encoding::Pcmu });
    assert_eq!(session.remote, "192.0.2.1:4000".parse().unwrap());
    assert_eq!(session.remote_rtcp, "192.0.2.1:4001".parse().unwrap());
    assert_eq!((session.telephone_event, session.protection, session.packet_ms), (None, None, 20));
    assert_eq!(session.direction, Direction::SendRecv);
    let expected = "v=0
        o=- 77 1 IN IP4 198.51.100.5
        s=-
        c=IN IP4 198.51.100.5
        t=0 0
        m=audio 30000 RTP/AVP 0
        a=rtpmap:0 PCMU/8000
        a=ptime:20
        a=sendrecv";
    assert_eq!(body, lines(expected));
}

/// Encryption is optional (`mediaenc=srtp`): a key under the plain profile.
const BARESIP: &str = "v=0
    o=- 2890844526 1638530410 IN IP4 10.99.0.1
    s=-
    c=IN IP4 10.99.0.1
    t=0 0
    a=tool:baresip 1.0.0
    m=audio 12836 RTP/AVP 96 8 0 101
    b=AS:125
    a=rtpmap:96 opus/48000/2
    a=fmtp:96 stereo=1;sprop-stereo=1
    a=rtpmap:8 PCMA/8000
    a=rtpmap:0 PCMU/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-15
    a=rtcp:12837
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz
    a=sendrecv
    a=label:1
    a=ssrc:1350684374 cname:sip:alice@a.example
    a=minptime:20
    a=ptime:20
    m=video 0 RTP/AVP 97
    a=rtpmap:97 H264/90000";

#[test]
fn baresip_is_protected_under_the_plain_profile() {
    let (session, body) = taken(BARESIP);
    assert_eq!(session.format, Format { payload_type: 96, encoding: Encoding::Opus });
    assert_eq!(session.telephone_event, Some(101), "Opus goes with telephone events of 8000 if there are no others");
    let protection = session.protection.unwrap();
    assert_eq!(protection.suite, Suite::AesCm128HmacSha1_80);
    assert_eq!((protection.remote.0[0], protection.local.0.as_slice()), (0x59, [0x41; 30].as_slice()));
    let expected = "v=0
        o=- 77 1 IN IP4 198.51.100.5
        s=-
        c=IN IP4 198.51.100.5
        t=0 0
        m=audio 30000 RTP/AVP 96 101
        a=rtpmap:96 opus/48000/2
        a=rtpmap:101 telephone-event/8000
        a=fmtp:101 0-15
        a=ptime:20
        a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB
        a=sendrecv
        m=video 0 RTP/AVP 97";
    assert_eq!(body, lines(expected));
}

#[test]
fn policy_decides_about_a_key_that_is_only_offered() {
    let (session, body) = answered(BARESIP, &policy(ProtectionPolicy::Never)).unwrap();
    assert_eq!((session.protection, body.contains("crypto")), (None, false));
    let (session, body) = answered(BARESIP, &policy(ProtectionPolicy::Required)).unwrap();
    assert!(suite(&session).is_some() && body.contains("m=audio 30000 RTP/AVP 96 101"));
}

#[test]
fn our_order_counts_where_it_is_asked_for() {
    let ours = Capabilities { order: Order::Ours, ..encodings(&[Encoding::G722, Encoding::Pcmu, Encoding::Opus]) };
    assert_eq!(answered(BARESIP, &ours).unwrap().0.format.encoding, Encoding::Pcmu);
    let theirs = Capabilities { order: Order::Offerer, ..ours };
    assert_eq!(answered(BARESIP, &theirs).unwrap().0.format.encoding, Encoding::Opus);
}

#[test]
fn linphone_demands_protection_wherever_it_knows_it() {
    let (session, body) = taken(
        "v=0
         o=carol 172 1525 IN IP4 10.99.0.1
         s=Talk
         c=IN IP4 10.99.0.1
         t=0 0
         a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics
         m=audio 7078 RTP/SAVP 96 97 98 0 8 18 99 100 101
         a=rtpmap:96 opus/48000/2
         a=fmtp:96 useinbandfec=1
         a=rtpmap:97 speex/16000
         a=fmtp:97 vbr=on
         a=rtpmap:98 speex/8000
         a=fmtp:98 vbr=on
         a=fmtp:18 annexb=yes
         a=rtpmap:99 telephone-event/48000
         a=rtpmap:100 telephone-event/16000
         a=rtpmap:101 telephone-event/8000
         a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
         a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:1LFY0nYfFHoz1kEUbE6f6bVRb2wJKXUBjPWCpAPU
         a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:2LFY0nYfFHoz1kEUbE6f6bVRb2wJKXUBjPWCpAPU
         a=rtcp-fb:* trr-int 5000
         a=rtcp-fb:* ccm tmmbr",
    );
    assert_eq!((session.format.encoding, session.telephone_event), (Encoding::Opus, Some(99)));
    assert_eq!(suite(&session), Some(Suite::AesCm128HmacSha1_80));
    assert!(body.contains("m=audio 30000 RTP/SAVP 96 99\r\n"), "{body}");
    assert!(body.contains("a=rtpmap:99 telephone-event/48000\r\n"), "{body}");
    assert!(body.contains("a=crypto:2 ") && body.matches("a=crypto:").count() == 1, "{body}");
}

#[test]
fn feedback_profiles_are_answered_in_kind() {
    for profile in ["RTP/AVPF", "RTP/SAVPF"] {
        let (_, body) = taken(&format!(
            "v=0\nc=IN IP4 192.0.2.1\nm=audio 7078 {profile} 0\na=rtcp-fb:* trr-int 1000\n\
             a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:1LFY0nYfFHoz1kEUbE6f6bVRb2wJKXUBjPWCpAPU"
        ));
        assert!(body.contains(&format!("m=audio 30000 {profile} 0\r\n")) && !body.contains("rtcp-fb"), "{body}");
    }
}

#[test]
fn pjsip_with_encryption_demanded() {
    let (session, body) = taken(
        "v=0
         o=- 4004648275 4004648275 IN IP4 10.99.0.1
         s=pjmedia
         b=AS:84
         t=0 0
         a=X-nat:0
         m=audio 4000 RTP/SAVP 96 97 98 99 3 0 8 9 120 121 122
         c=IN IP4 10.99.0.1
         b=TIAS:64000
         a=rtcp:4009 IN IP4 10.99.0.1
         a=sendrecv
         a=rtpmap:96 speex/16000
         a=rtpmap:97 speex/8000
         a=rtpmap:98 speex/32000
         a=rtpmap:99 iLBC/8000
         a=fmtp:99 mode=30
         a=rtpmap:3 GSM/8000
         a=rtpmap:0 PCMU/8000
         a=rtpmap:8 PCMA/8000
         a=rtpmap:9 G722/8000
         a=rtpmap:120 telephone-event/16000
         a=fmtp:120 0-16
         a=rtpmap:121 telephone-event/8000
         a=fmtp:121 0-16
         a=rtpmap:122 telephone-event/32000
         a=fmtp:122 0-16
         a=ssrc:1715023476 cname:3f2a
         a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==
         a=crypto:2 AEAD_AES_256_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
         a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
    );
    assert_eq!(session.format, Format { payload_type: 0, encoding: Encoding::Pcmu });
    assert_eq!(session.telephone_event, Some(121));
    assert_eq!(session.remote, "10.99.0.1:4000".parse().unwrap());
    assert_eq!(session.remote_rtcp, "10.99.0.1:4009".parse().unwrap());
    assert_eq!(suite(&session), Some(Suite::AeadAes256Gcm));
    assert!(body.contains("a=crypto:2 AEAD_AES_256_GCM inline:") && body.contains("RTP/SAVP 0 121\r\n"), "{body}");
}

#[test]
fn asterisk_without_encryption() {
    let (session, body) = taken(
        "v=0
         o=- 1095 1095 IN IP4 10.99.0.1
         s=Asterisk
         c=IN IP4 10.99.0.1
         t=0 0
         m=audio 16254 RTP/AVP 9 8 0 101
         a=rtpmap:9 G722/8000
         a=rtpmap:8 PCMA/8000
         a=rtpmap:0 PCMU/8000
         a=rtpmap:101 telephone-event/8000
         a=fmtp:101 0-16
         a=ptime:20
         a=maxptime:140
         a=rtcp-mux
         a=sendrecv",
    );
    assert_eq!((session.format.encoding, session.packet_ms), (Encoding::G722, 20));
    assert_eq!(session.remote_rtcp, session.remote);
    assert!(body.contains("a=rtcp-mux\r\n") && !body.contains("crypto"), "{body}");
}

#[test]
fn lync_whose_first_line_names_its_keys() {
    let (session, body) = taken(
        "v=0
         o=- 0 0 IN IP4 192.0.2.30
         s=session
         c=IN IP4 192.0.2.30
         b=CT:99980
         t=0 0
         m=audio 50012 RTP/AVP 114 9 8 0 97 101
         a=x-ssrc-range:2
         a=rtcp:50013
         a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:1LFY0nYfFHoz1kEUbE6f6bVRb2wJKXUBjPWCpAPU|2^31|1:1
         a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:2LFY0nYfFHoz1kEUbE6f6bVRb2wJKXUBjPWCpAPU|2^31
         a=rtpmap:114 x-msrta/16000
         a=rtpmap:9 G722/8000
         a=rtpmap:97 RED/8000
         a=rtpmap:101 telephone-event/8000
         a=fmtp:101 0-16
         a=ptime:20",
    );
    assert_eq!((session.format.encoding, suite(&session)), (Encoding::G722, Some(Suite::AesCm128HmacSha1_80)));
    assert_eq!(session.protection.unwrap().remote.0[0], 0xd8);
    assert!(body.contains("a=crypto:3 "), "{body}");
}

#[test]
fn who_writes_both_profiles_gets_the_protected_one() {
    let both = "v=0
        o=- 1 1 IN IP4 192.0.2.1
        s=-
        c=IN IP4 192.0.2.1
        t=0 0
        m=audio 4000 RTP/AVP 0
        m=audio 4002 RTP/SAVP 0
        a=crypto:9 AES_CM_128_HMAC_SHA1_32 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    let (session, body) = taken(both);
    assert_eq!((session.remote.port(), suite(&session)), (4002, Some(Suite::AesCm128HmacSha1_32)));
    assert!(body.contains("m=audio 0 RTP/AVP 0\r\nm=audio 30000 RTP/SAVP 0\r\n"), "{body}");
    let (session, body) = answered(both, &policy(ProtectionPolicy::Never)).unwrap();
    assert_eq!((session.remote.port(), suite(&session)), (4000, None));
    assert!(body.ends_with("m=audio 0 RTP/SAVP 0\r\n"), "{body}");
}

#[test]
fn the_length_of_packets_follows_the_peer() {
    let packet_ms = |format: &str, attributes: &str| {
        let lines =
            format!("v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP {format}\n{}", attributes.replace('|', "\n"));
        taken(&lines).0.packet_ms
    };
    for (attributes, expected) in [
        ("", 20),
        ("a=ptime:40", 40),
        ("a=ptime:30", 20),
        ("a=ptime:10", 20),
        ("a=ptime:60|a=maxptime:50", 40),
        ("a=ptime:4000000000", 60),
        ("a=ptime:soon", 20),
        ("a=maxptime:10", 20),
    ] {
        assert_eq!(packet_ms("0", attributes), expected, "{attributes}");
    }
    let tens = Capabilities { packet_ms: 10, ..Capabilities::default() };
    let text = |format: &str| {
        format!("v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP {format}\na=rtpmap:96 opus/48000/2\na=ptime:30")
    };
    assert_eq!(answered(&text("0"), &tens).unwrap().0.packet_ms, 30);
    assert_eq!(answered(&text("96"), &tens).unwrap().0.packet_ms, 20, "Opus has no frame of 30 ms");
    for (ours, expected) in [(0, 10), (200, 60)] {
        let odd = Capabilities { packet_ms: ours, ..Capabilities::default() };
        let no_wish = "v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0";
        assert_eq!(answered(no_wish, &odd).unwrap().0.packet_ms, expected);
    }
}
