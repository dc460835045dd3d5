//! Keys inside session descriptions: the `a=crypto` lines of RFC 4568.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::session::{Key, Suite};

/// `a=crypto:TAG SUITE inline:KEY`, of a suite that we speak and with nothing that we would have to obey but cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CryptoLine {
    pub tag: u32,
    pub suite: Suite,
    pub key: Key,
}

impl CryptoLine {
    /// `None` for a line to be passed over: another suite, more than one key, a master key identifier (our packets
    /// would have to carry it), a key of the wrong length, or session parameters, all of which would change how packets
    /// are made. The lifetime counts packets, of which no call has as many, and is not looked at.
    pub fn read(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= 9 && tag.bytes().all(|byte| byte.is_ascii_digit()))?;
        let suite = words.next()?;
        let suite = Suite::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(suite))?;
        let key = read_key(words.next()?, suite)?;
        if words.next().is_some() {
            return None;
        }
        Some(Self { tag: tag.parse().ok()?, suite, key })
    }

    /// The value of the attribute.
    pub fn print(&self) -> String {
        format!("{} {} inline:{}", self.tag, self.suite.name(), BASE64.encode(&self.key.0))
    }
}

fn read_key(parameter: &str, suite: Suite) -> Option<Key> {
    let (method, info) = parameter.split_once(':')?;
    if !method.eq_ignore_ascii_case("inline") {
        return None;
    }
    let mut parts = info.split('|');
    let key = BASE64.decode(parts.next()?).ok()?;
    // A second key looks like an identifier, or like a bad first one.
    let has_identifier = parts.any(|part| part.contains(':'));
    (!has_identifier && key.len() == suite.key_bytes()).then_some(Key(key))
}

/// Written with padding; COMPAT(old phones): read without it too.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4568 section 4: 30 bytes.
    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn read(line: &str) -> Option<CryptoLine> {
        CryptoLine::read(&line.replace("KEY", KEY))
    }

    #[test]
    fn a_line_is_read_and_printed() {
        let line = read("1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20").unwrap();
        assert_eq!((line.tag, line.suite, line.key.0.len()), (1, Suite::AesCm128HmacSha1_80, 30));
        assert_eq!(line.print(), format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"));
        assert_eq!(CryptoLine::read(&line.print()), Some(line));
    }

    #[test]
    fn every_suite_has_its_length() {
        for suite in Suite::ALL {
            let line = |bytes| CryptoLine { tag: 7, suite, key: Key(vec![0xfb; bytes]) };
            assert_eq!(CryptoLine::read(&line(suite.key_bytes()).print()), Some(line(suite.key_bytes())));
            assert_eq!(CryptoLine::read(&line(suite.key_bytes() - 1).print()), None);
            assert_eq!(CryptoLine::read(&line(suite.key_bytes() + 1).print()), None);
        }
    }

    #[test]
    fn small_faults_are_forgiven() {
        assert!(read("1  aes_cm_128_hmac_sha1_80 INLINE:KEY ").is_some());
        let unpadded = "1 AEAD_AES_128_GCM inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(CryptoLine::read(unpadded), CryptoLine::read(&format!("{unpadded}==")));
        assert!(CryptoLine::read(unpadded).is_some());
    }

    #[test]
    fn what_we_cannot_obey_is_passed_over() {
        for line in [
            "1 F8_128_HMAC_SHA1_80 inline:KEY",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|1:4",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^31|1:1",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|1:4;inline:KEY|2^20|2:4",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY;inline:KEY",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20;inline:KEY|2^20",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY UNENCRYPTED_SRTP",
            "1 AES_CM_128_HMAC_SHA1_80 inline:KEY FEC_ORDER=FEC_SRTP",
            "1 AES_CM_128_HMAC_SHA1_80 uri:KEY",
            "1 AES_CM_128_HMAC_SHA1_80 inline:!!!!",
            "1 AES_CM_128_HMAC_SHA1_80",
            "-1 AES_CM_128_HMAC_SHA1_80 inline:KEY",
            "99999999999 AES_CM_128_HMAC_SHA1_80 inline:KEY",
            "",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
