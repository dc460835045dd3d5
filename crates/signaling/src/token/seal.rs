//! Text that only we can read again, in names that partners carry for us: what is behind an edge stays there.
//!
//! Encrypted with a synthetic nonce, which is its MAC too (the construction of RFC 5297, from HMAC-SHA-256): the same text in the
//! same call is the same name, and one of another call, or a changed one, is not read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Hmac;
use sha2::Sha256;

use super::{Mint, hash};

impl Mint {
    /// Letters, digits, `-` and `_`; about a third longer than the text, and 22 more. Any edge of a pool reads it.
    pub fn seal(&self, text: &str, call_id: &str) -> String {
        let keyed = self.pool.first().unwrap_or(&self.keyed);
        let nonce = nonce(keyed, text.as_bytes(), call_id);
        let sealed = [&nonce[..], &masked(keyed, &nonce, text.as_bytes())].concat();
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// `None` where it is not ours, or of another call.
    pub fn unseal(&self, sealed: &str, call_id: &str) -> Option<String> {
        // A stranger's text is as long as he likes.
        let sealed = Some(sealed).filter(|sealed| sealed.len() <= SEALED_BYTES_MAX)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce_read, hidden) = sealed.split_at_checked(NONCE_BYTES)?;
        self.pool.iter().chain([&self.keyed]).find_map(|keyed| {
            let text = masked(keyed, nonce_read, hidden);
            let is_ours = nonce(keyed, &text, call_id)[..] == *nonce_read;
            String::from_utf8(text).ok().filter(|_| is_ours)
        })
    }
}

fn nonce(keyed: &Hmac<Sha256>, text: &[u8], call_id: &str) -> [u8; NONCE_BYTES] {
    let whole = hash(keyed, &[b"seal", call_id.as_bytes(), b"\0", text]);
    whole[..NONCE_BYTES].try_into().expect("SHA-256 has 32 bytes")
}

fn masked(keyed: &Hmac<Sha256>, nonce: &[u8], text: &[u8]) -> Vec<u8> {
    let mask = (0_u64..).flat_map(|block| hash(keyed, &[b"mask", nonce, &block.to_be_bytes()]));
    text.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect()
}

const NONCE_BYTES: usize = 16;
/// Of the ways through a hundred servers.
const SEALED_BYTES_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "sip:dave@10.0.0.5:5062;transport=udp";

    #[test]
    fn what_is_sealed_is_read_in_its_call_alone() {
        let mint = Mint::new(&[7; 32], 0, 1);
        for text in ["", "x", TEXT, &TEXT.repeat(40)] {
            let sealed = mint.seal(text, "call-1");
            assert!(!text.contains("10.0.0.5") || !sealed.contains("10.0.0.5"));
            assert_eq!(Mint::new(&[7; 32], 3, 9).unseal(&sealed, "call-1").as_deref(), Some(text));
            assert_eq!(mint.unseal(&sealed, "call-2"), None);
            assert_eq!(Mint::new(&[8; 32], 0, 1).unseal(&sealed, "call-1"), None);
        }
        let sealed = mint.seal(TEXT, "call-1");
        let changed = format!("{}A", &sealed[..sealed.len() - 1]);
        assert_eq!((mint.unseal(&changed, "call-1"), mint.unseal("AA", "call-1")), (None, None));
    }

    #[test]
    fn what_is_too_long_is_not_opened() {
        let mint = Mint::new(&[7; 32], 0, 1);
        let longest = "x".repeat(SEALED_BYTES_MAX / 4 * 3 - NONCE_BYTES);
        let (fits, beyond) = (mint.seal(&longest, "c"), mint.seal(&format!("{longest}x"), "c"));
        assert_eq!(fits.len(), SEALED_BYTES_MAX);
        assert_eq!((mint.unseal(&fits, "c"), mint.unseal(&beyond, "c")), (Some(longest), None));
    }

    #[test]
    fn any_edge_of_a_pool_reads_it() {
        let edge = |own: u8| {
            let mut mint = Mint::new(&[own; 32], 0, 1);
            mint.use_pool_secret(&[9; 32]);
            mint
        };
        assert_eq!(edge(2).unseal(&edge(1).seal(TEXT, "c"), "c").as_deref(), Some(TEXT));
    }
}
