//! Bodies that nobody sane sends: they may be refused, but nothing panics, and what is taken holds together.

use super::fixture::{lines, local};
use super::{accept, answer, offer, reoffer};
use crate::capabilities::Capabilities;
use crate::description::Offer;

const SEEDS: [&str; 2] = [
    "v=0
     o=- 1 1 IN IP4 192.0.2.1
     s=-
     c=IN IP4 192.0.2.1
     t=0 0
     m=audio 4000 RTP/AVP 111 0 101
     a=rtpmap:111 opus/48000/2
     a=rtpmap:101 telephone-event/8000
     a=rtcp:4001 IN IP4 192.0.2.1
     a=crypto:1 AEAD_AES_256_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
     a=ptime:20
     a=maxptime:60
     a=sendrecv",
    "v=0
     o=jane 2890844526 2890842807 IN IP6 2001:db8::1
     s=Two
     c=IN IP4 192.0.2.1
     b=AS:64
     t=3034423619 3042462419
     r=7d 1h 0 25h
     z=2882844526 -1h 2898848070 0
     k=clear:x
     a=inactive
     m=video 5000/2 RTP/AVP 97
     i=title
     m=audio 65535 RTP/SAVPF 8 9
     a=rtcp-mux
     a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4;inline:AA==
     a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
];

/// Words that hit edges of numbers, of grammar and of what a line may hold.
const INSERTED: [&str; 16] = [
    "0",
    "-1",
    "65536",
    "255",
    "4294967296",
    "99999999999999999999",
    " ",
    "/",
    ":",
    "|",
    "=",
    "\r\n",
    "\n\n",
    "\0",
    "\u{e9}",
    "\r\nm=audio 1 RTP/AVP 0\r\na=crypto:",
];

/// xorshift64: the same mutations in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    fn mutate(&mut self, body: &mut Vec<u8>) {
        let at = self.below(body.len());
        let upto = (at + self.below(24)).min(body.len());
        match self.below(5) {
            0 => drop(body.drain(at..upto)),
            1 => body.truncate(at),
            2 => drop(body.splice(at..at, INSERTED[self.below(INSERTED.len())].bytes())),
            3 => {
                let repeated = body[at..upto].to_vec();
                drop(body.splice(at..at, repeated));
            }
            _ => body.iter_mut().skip(at).take(1).for_each(|byte| *byte = self.below(256) as u8),
        }
    }
}

/// Whether it was taken.
fn try_everything(body: &[u8]) -> bool {
    let sent = offer(&Capabilities::default(), &local());
    let _ = accept(&sent, body);
    let _ = reoffer(&String::from_utf8_lossy(body), &local());
    let Ok(received) = Offer::parse(body) else { return false };
    let _ = (received.is_protected(), received.encodings(), received.direction());
    let Ok((session, answered)) = answer(&received, &Capabilities::default(), &local()) else { return false };
    let answered = Offer::parse(answered.as_bytes()).expect("what we write, we read");
    assert_eq!(answered.session.medias.len(), received.session.medias.len());
    assert_eq!(answered.session.medias.iter().filter(|media| media.port != 0).count(), 1);
    assert!(session.format.payload_type < 128 && !session.remote.ip().is_multicast() && session.remote.port() != 0);
    assert!((10..=60).contains(&session.packet_ms));
    if let Some(protection) = session.protection {
        assert_eq!(protection.remote.0.len(), protection.suite.key_bytes());
    }
    true
}

#[test]
fn no_mutation_panics() {
    let mut random = Random(0x5d9f_11c3_0b27_4e85);
    let mut taken = 0;
    let rounds = 10_000;
    for round in 0..rounds {
        let mut body = lines(SEEDS[round % SEEDS.len()]).into_bytes();
        for _ in 0..=random.below(6) {
            random.mutate(&mut body);
        }
        taken += usize::from(try_everything(&body));
    }
    assert!(
        (rounds / 10..rounds * 9 / 10).contains(&taken),
        "mutations must lead to both ends: {taken} of {rounds} taken"
    );
}

#[test]
fn seeds_are_taken_as_they_are() {
    assert!(SEEDS.iter().all(|seed| try_everything(lines(seed).as_bytes())));
}
