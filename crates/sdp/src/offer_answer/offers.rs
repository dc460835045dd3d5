//! Offers of ours to the letter, and answers to them, good and bad.

use super::fixture::{encodings, lines, local, ours, policy};
use super::{NotOurs, UnusableAnswer, accept, answer, offer, reoffer};
use crate::capabilities::{Capabilities, LocalAddresses, LocalMedia, ProtectionPolicy};
use crate::description::{Offer, ParseError};
use crate::session::{AudioSession, Encoding, Format, Suite};
use crate::stream::Unusable;

const SHA1_80: &str = "AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

/// The audio stream of an answer to an offer under a policy; `|` ends a line.
fn read(sent: ProtectionPolicy, media: &str) -> Result<AudioSession, UnusableAnswer> {
    let text = format!("v=0\no=- 5 5 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n{}", media.replace('|', "\n"));
    accept(&offer(&policy(sent), &local()), lines(&text.replace("SHA1_80", SHA1_80)).as_bytes())
}

#[test]
fn an_offer_lists_what_we_can() {
    let expected = "v=0
        o=- 77 1 IN IP4 198.51.100.5
        s=-
        c=IN IP4 198.51.100.5
        t=0 0
        m=audio 30000 RTP/AVP 111 9 8 0 101 110
        a=rtpmap:111 opus/48000/2
        a=rtpmap:9 G722/8000
        a=rtpmap:8 PCMA/8000
        a=rtpmap:0 PCMU/8000
        a=rtpmap:101 telephone-event/8000
        a=fmtp:101 0-15
        a=rtpmap:110 telephone-event/48000
        a=fmtp:110 0-15
        a=ptime:20
        a=rtcp-mux
        a=sendrecv";
    assert_eq!(offer(&policy(ProtectionPolicy::Never), &local()), lines(expected));
}

#[test]
fn keys_are_offered_under_the_profile_of_the_policy() {
    let two = |protection| Capabilities {
        suites: vec![Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80],
        protection,
        ..encodings(&[Encoding::Pcmu])
    };
    let ports_apart = LocalMedia { rtcp_port: 30_500, ..local() };
    let expected = "a=ptime:20
        a=rtcp:30500
        a=rtcp-mux
        a=crypto:1 AEAD_AES_128_GCM inline:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ==
        a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB
        a=sendrecv";
    let required = offer(&two(ProtectionPolicy::Required), &ports_apart);
    assert!(
        required.contains("m=audio 30000 RTP/SAVP 0 101\r\n") && required.ends_with(&lines(expected)),
        "{required}"
    );
    let preferred = offer(&two(ProtectionPolicy::Preferred), &ports_apart);
    assert_eq!(preferred, required.replace("RTP/SAVP", "RTP/AVP"));
}

#[test]
fn an_address_of_the_new_family_is_offered_as_such() {
    let six = LocalMedia { addresses: ours("2001:db8::5"), ..local() };
    let sent = offer(&Capabilities::default(), &six);
    assert!(sent.contains("o=- 77 1 IN IP6 2001:db8::5\r\n") && sent.contains("c=IN IP6 2001:db8::5\r\n"), "{sent}");
    let answer = lines("v=0\nc=IN IP6 2001:db8::9\nm=audio 4000 RTP/AVP 0");
    assert_eq!(accept(&sent, answer.as_bytes()).unwrap().remote, "[2001:db8::9]:4000".parse().unwrap());
}

#[test]
fn an_offer_is_answered_in_its_family_and_so_is_what_follows() {
    let both = LocalMedia { addresses: LocalAddresses { other: Some(SIX), ..local().addresses }, ..local() };
    let answered = |address: &str, local: &LocalMedia| {
        let text = lines(&format!("v=0\nc=IN {address}\nm=audio 4000 RTP/AVP 0"));
        answer(&Offer::parse(text.as_bytes()).unwrap(), &Capabilities::default(), local).map(|(_, answer)| answer)
    };
    let four = answered("IP4 192.0.2.1", &both).unwrap();
    assert!(four.contains("c=IN IP4 198.51.100.5\r\n"), "{four}");
    let six = answered("IP6 2001:db8::9", &both).unwrap();
    assert!(six.contains("o=- 77 1 IN IP4 198.51.100.5\r\n") && six.contains("c=IN IP6 2001:db8::5\r\n"), "{six}");
    let held = answered("IP6 ::", &both).unwrap();
    assert!(held.contains("c=IN IP4 198.51.100.5\r\n"), "{held}");
    let again = reoffer(&six, &both).unwrap();
    assert!(again.contains("c=IN IP6 2001:db8::5\r\n"), "{again}");
    let elsewhere = reoffer(&six, &local()).unwrap();
    assert!(elsewhere.contains("c=IN IP4 198.51.100.5\r\n"), "{elsewhere}");
    assert!(answered("IP6 2001:db8::9", &local()).is_err());
    let turned = both.addresses.turned_to(Some(SIX));
    assert_eq!(turned, LocalAddresses { first: SIX, other: Some(local().addresses.first) });
    let offered = offer(&Capabilities::default(), &LocalMedia { addresses: turned, ..local() });
    assert!(offered.contains("o=- 77 1 IN IP6 2001:db8::5\r\n"), "{offered}");
    assert_eq!(local().addresses.turned_to(Some(SIX)), local().addresses);
}

/// [`ours`] of the other family.
const SIX: std::net::IpAddr = std::net::IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 5));

#[test]
fn the_first_encoding_of_the_answer_counts() {
    let media =
        "m=audio 4000 RTP/AVP 18 8 111 101|a=rtpmap:111 opus/48000/2|a=rtpmap:101 telephone-event/8000|a=ptime:40";
    let session = read(ProtectionPolicy::Never, media).unwrap();
    assert_eq!(session.format, Format { payload_type: 8, encoding: Encoding::Pcma });
    assert_eq!((session.telephone_event, session.packet_ms), (Some(101), 40));
    assert_eq!(session.remote_rtcp, "192.0.2.1:4001".parse().unwrap());
    let shared = read(ProtectionPolicy::Never, &format!("{media}|a=rtcp-mux")).unwrap();
    assert_eq!(shared.remote_rtcp, shared.remote);
}

#[test]
fn telephone_events_are_those_that_we_offered() {
    let event = |media: &str| read(ProtectionPolicy::Never, media).unwrap().telephone_event;
    assert_eq!(event("m=audio 4000 RTP/AVP 0"), None);
    assert_eq!(event("m=audio 4000 RTP/AVP 0 99|a=rtpmap:99 telephone-event/8000"), None);
    assert_eq!(event("m=audio 4000 RTP/AVP 0 110|a=rtpmap:110 telephone-event/48000"), None);
    assert_eq!(event("m=audio 4000 RTP/AVP 0 101|a=rtpmap:101 telephone-event/8000"), Some(101));
}

#[test]
fn the_tag_of_the_answer_names_our_key() {
    for policy in [ProtectionPolicy::Preferred, ProtectionPolicy::Required] {
        for profile in ["RTP/AVP", "RTP/SAVP"] {
            let session = read(policy, &format!("m=audio 4000 {profile} 0|a=crypto:3 SHA1_80")).unwrap();
            let protection = session.protection.unwrap();
            assert_eq!((protection.suite, protection.remote.0[0]), (Suite::AesCm128HmacSha1_80, 0x59));
            assert_eq!(Some(&protection.local), local().keys.of(Suite::AesCm128HmacSha1_80));
        }
    }
}

#[test]
fn an_optional_key_may_be_left_unanswered() {
    assert_eq!(read(ProtectionPolicy::Preferred, "m=audio 4000 RTP/AVP 0").unwrap().protection, None);
    let unasked = read(ProtectionPolicy::Never, "m=audio 4000 RTP/AVP 0|a=crypto:1 SHA1_80").unwrap();
    assert_eq!(unasked.protection, None, "a key that answers none is of no use");
}

#[test]
fn an_answer_that_breaks_the_offer_is_told_apart() {
    use ProtectionPolicy::{Never, Preferred, Required};
    use UnusableAnswer::{CryptoNotOffered, NotOffered, OtherLines, Refused, Stream};
    for (policy, media, expected) in [
        (Never, "m=audio 0 RTP/AVP 0", Refused),
        (Never, "m=video 4000 RTP/AVP 97", Refused),
        (Never, "a=sendrecv", OtherLines { offered: 1, answered: 0 }),
        (Never, "m=audio 4000 RTP/AVP 0|m=video 0 RTP/AVP 97", OtherLines { offered: 1, answered: 2 }),
        (Never, "m=audio 4000 RTP/AVP 18", NotOffered),
        (Never, "m=audio 4000 RTP/AVP 96|a=rtpmap:96 opus/48000/2", NotOffered),
        (Never, "m=audio 4000 RTP/AVP 0|c=IN IP4 a.example", Stream(Unusable::HostName("a.example".into()))),
        (Never, "m=audio 4000 RTP/AVP 0|c=IN IP6 ::1", Stream(Unusable::AddressFamily("::1".parse().unwrap()))),
        (Never, "m=audio 4000 RTP/SAVP 0|a=crypto:1 SHA1_80", Stream(Unusable::NoCommonSuite)),
        (Preferred, "m=audio 4000 RTP/AVP 0|a=crypto:1 SHA1_80", CryptoNotOffered),
        (Preferred, "m=audio 4000 RTP/AVP 0|a=crypto:9 SHA1_80", CryptoNotOffered),
        (Required, "m=audio 4000 RTP/SAVP 0", Stream(Unusable::NoCommonSuite)),
        (Required, "m=audio 4000 RTP/AVP 0", Stream(Unusable::NoCommonSuite)),
    ] {
        assert_eq!(read(policy, media), Err(expected), "{media}");
    }
}

#[test]
fn what_is_no_description_is_said_to_be_whose() {
    let sent = offer(&Capabilities::default(), &local());
    assert!(matches!(accept(&sent, b"hello"), Err(UnusableAnswer::Unreadable(ParseError::Syntax(_)))));
    assert!(matches!(accept("hello", b"v=0"), Err(UnusableAnswer::NotOurs(NotOurs::Unreadable(_)))));
    assert_eq!(accept("v=0\r\n", b"v=0"), Err(UnusableAnswer::NotOurs(NotOurs::NoAudio)));
}
