//! The keys of a session that two others described, for whoever takes the place of one of them.

use crate::description::Offer;
use crate::session::{Key, Suite};

/// What protects the first audio stream of a session that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysInUse {
    pub suite: Suite,
    /// What the peer takes sound apart with: the key of the one whose place is taken.
    pub key: Key,
    /// The stream is `RTP/SAVP`: without keys there is none.
    pub is_demanded: bool,
}

/// `heard`: the last description that the peer got, `said`: the last that it gave, one the answer to the other. `None`: the
/// stream is plain, or it cannot be told on what they agreed.
///
/// COMPAT(baresip 1.0): it goes on with the keys that a session began with, whatever a later offer says. Whoever takes a
/// place over with the key of that place is heard by every phone.
pub fn keys_in_use(heard: &[u8], said: &[u8]) -> Option<KeysInUse> {
    let (heard, said) = (first_audio(heard)?, first_audio(said)?);
    // An answer has the one line that was chosen (RFC 4568 section 5.1.3).
    let agreed = |line: &&crate::crypto::CryptoLine| said.crypto.iter().any(|other| other.suite == line.suite);
    let mut agreed = heard.crypto.iter().filter(agreed);
    let (line, None) = (agreed.next()?, agreed.next()) else { return None };
    Some(KeysInUse { suite: line.suite, key: line.key.clone(), is_demanded: heard.is_secure })
}

fn first_audio(description: &[u8]) -> Option<crate::stream::Stream> {
    let description = Offer::parse(description).ok()?;
    description.audio().find_map(|(_, stream)| stream.ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn described(transport: &str, suites: &[&str]) -> String {
        let lines: String = suites.iter().map(|suite| format!("a=crypto:1 {suite} inline:{KEY}\r\n")).collect();
        format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 {transport} 0\r\n{lines}"
        )
    }

    #[test]
    fn the_answer_says_which_of_the_offered_is_in_use_whichever_side_gave_it() {
        let (long, short) = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32");
        let offer = described("RTP/AVP", &[long, short]);
        let answer = described("RTP/AVP", &[short]);
        for (heard, said) in [(&offer, &answer), (&answer, &offer)] {
            let found = keys_in_use(heard.as_bytes(), said.as_bytes()).expect("they agreed");
            assert_eq!((found.suite, found.is_demanded), (Suite::AesCm128HmacSha1_32, false));
            assert_eq!(found.key.0.len(), 30);
        }
        assert!(keys_in_use(offer.as_bytes(), offer.as_bytes()).is_none(), "neither is an answer");
        let demanded = described("RTP/SAVP", &[long]);
        assert!(keys_in_use(demanded.as_bytes(), demanded.as_bytes()).expect("they agreed").is_demanded);
        let plain = described("RTP/AVP", &[]);
        assert!(keys_in_use(offer.as_bytes(), plain.as_bytes()).is_none());
        assert!(keys_in_use(b"", b"").is_none());
    }
}
