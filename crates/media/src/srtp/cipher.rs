//! Session keys out of a master key (RFC 3711 section 4.3), and what is done with them: AES in counter mode with HMAC-SHA1
//! (RFC 3711 section 4), or AES-GCM (RFC 7714).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::{constant_time, hmac};
use sdp::{Key, Suite};

/// Not genuine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forged;

/// The key is not of the length that the suite wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of {suite:?} must have {expected} bytes, not {found}")]
pub struct KeyError {
    pub suite: Suite,
    pub expected: usize,
    pub found: usize,
}

/// The labels of one kind of packet (RFC 3711 section 4.3.2): for the cipher, the tag and the salt.
#[derive(Debug, Clone, Copy)]
pub struct Labels(u8, u8, u8);

pub const RTP: Labels = Labels(0, 1, 2);
pub const RTCP: Labels = Labels(3, 4, 5);

/// One kind of packet in one direction.
pub struct Cipher {
    salt: [u8; 14],
    is_rtcp: bool,
    mode: Mode,
}

enum Mode {
    Counter { key: Box<EncryptingKey>, tag: Box<hmac::Key>, tag_len: usize },
    Gcm(LessSafeKey),
}

impl Cipher {
    /// # Errors
    /// Where the key has another length than the suite's.
    pub fn new(suite: Suite, master: &Key, labels: Labels) -> Result<Cipher, KeyError> {
        let (key_len, salt_len) = lengths(suite);
        let expected = key_len + salt_len;
        let wrong_length = KeyError { suite, expected, found: master.0.len() };
        if master.0.len() != expected {
            return Err(wrong_length);
        }
        let (key, salt) = master.0.split_at(key_len);
        let mut master_salt = [0; 14];
        master_salt[..salt_len].copy_from_slice(salt);
        let derive = |label, out: &mut [u8]| derive(key, &master_salt, label, out);

        let mut session_key = vec![0; key_len];
        let mut session_salt = [0; 14];
        derive(labels.0, &mut session_key);
        derive(labels.2, &mut session_salt[..salt_len]);
        let mode = match suite {
            Suite::AeadAes128Gcm => Mode::Gcm(gcm(&AES_128_GCM, &session_key)),
            Suite::AeadAes256Gcm => Mode::Gcm(gcm(&AES_256_GCM, &session_key)),
            Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 => {
                let mut tag_key = [0; 20];
                derive(labels.1, &mut tag_key);
                let tag = Box::new(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &tag_key));
                // The short tag is of RTP only (RFC 4568 section 6.2.2).
                let is_short = suite == Suite::AesCm128HmacSha1_32 && labels.0 == RTP.0;
                Mode::Counter { key: Box::new(counter(&session_key)), tag, tag_len: if is_short { 4 } else { 10 } }
            }
        };
        Ok(Cipher { salt: session_salt, is_rtcp: labels.0 == RTCP.0, mode })
    }

    /// Bytes that protection adds, the index of RTCP not counted.
    pub fn tag_len(&self) -> usize {
        match &self.mode {
            Mode::Counter { tag_len, .. } => *tag_len,
            Mode::Gcm(_) => 16,
        }
    }

    /// Bytes of a tag that stands behind the index of RTCP; AES-GCM has its tag before it.
    pub fn tag_behind_index_len(&self) -> usize {
        match &self.mode {
            Mode::Counter { tag_len, .. } => *tag_len,
            Mode::Gcm(_) => 0,
        }
    }

    /// Encrypts what follows the first `clear` bytes of the packet, and appends the tag. `trailer` stands behind the
    /// packet, or is known without being sent: the count of rollovers of RTP, the index of RTCP.
    pub fn seal(&self, packet: &mut Vec<u8>, clear: usize, ssrc: u32, index: u64, trailer: [u8; 4]) {
        let (head, body) = packet.split_at_mut(clear);
        match &self.mode {
            Mode::Counter { key, tag, tag_len } => {
                apply_keystream(key, self.counter_iv(ssrc, index), body);
                packet.extend_from_slice(&tag_of(tag, packet, trailer).as_ref()[..*tag_len]);
            }
            Mode::Gcm(key) => {
                let aad = Aad::from(self.additional(head, trailer));
                let sealed = key.seal_in_place_separate_tag(self.gcm_nonce(ssrc, index), aad, body);
                packet.extend_from_slice(sealed.expect("a packet is no longer than AES-GCM takes").as_ref());
            }
        }
    }

    /// Undoes [`Cipher::seal`] into `out`. `is_clear`: only the tag is looked at (SRTCP without its encryption flag).
    ///
    /// # Errors
    /// Where the tag is not this packet's; `out` means nothing then.
    pub fn open(&self, sealed: &Sealed<'_>, out: &mut Vec<u8>) -> Result<(), Forged> {
        let Sealed { bytes, clear, ssrc, index, trailer, is_clear } = *sealed;
        let body_end = bytes.len().checked_sub(self.tag_len()).filter(|end| *end >= clear).ok_or(Forged)?;
        out.clear();
        match &self.mode {
            Mode::Counter { key, tag, .. } => {
                let (packet, received) = bytes.split_at(body_end);
                let expected = tag_of(tag, packet, trailer);
                constant_time::verify_slices_are_equal(&expected.as_ref()[..received.len()], received)
                    .map_err(|_| Forged)?;
                out.extend_from_slice(packet);
                if !is_clear {
                    apply_keystream(key, self.counter_iv(ssrc, index), &mut out[clear..]);
                }
            }
            Mode::Gcm(key) => {
                let clear = if is_clear { body_end } else { clear };
                out.extend_from_slice(bytes);
                let (head, body) = out.split_at_mut(clear);
                let aad = Aad::from(self.additional(head, trailer));
                key.open_in_place(self.gcm_nonce(ssrc, index), aad, body).map_err(|_| Forged)?;
                out.truncate(body_end);
            }
        }
        Ok(())
    }

    /// RFC 3711 section 4.1.1.
    fn counter_iv(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let mut iv = [0; 16];
        iv[4..8].copy_from_slice(&ssrc.to_be_bytes());
        iv[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
        xor(&mut iv, &self.salt);
        iv
    }

    /// RFC 7714 sections 8.1 and 9.1: two zeros, the source, the index.
    fn gcm_nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut iv = [0; 12];
        iv[2..6].copy_from_slice(&ssrc.to_be_bytes());
        iv[6..].copy_from_slice(&index.to_be_bytes()[2..]);
        xor(&mut iv, &self.salt[..12]);
        Nonce::assume_unique_for_key(iv)
    }

    /// What AES-GCM authenticates and leaves readable: of RTP the header, of RTCP the index too.
    fn additional(&self, head: &[u8], trailer: [u8; 4]) -> Vec<u8> {
        if self.is_rtcp { [head, &trailer].concat() } else { head.to_vec() }
    }
}

/// A packet as it came.
pub struct Sealed<'a> {
    /// Without the index of RTCP where that stands behind.
    pub bytes: &'a [u8],
    pub clear: usize,
    pub ssrc: u32,
    pub index: u64,
    pub trailer: [u8; 4],
    pub is_clear: bool,
}

/// Bytes of the master key and of the master salt.
fn lengths(suite: Suite) -> (usize, usize) {
    match suite {
        Suite::AeadAes256Gcm => (32, 12),
        Suite::AeadAes128Gcm => (16, 12),
        Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 => (16, 14),
    }
}

/// The pseudo-random function of RFC 3711 section 4.3.3, with a key derivation rate of zero.
fn derive(master_key: &[u8], master_salt: &[u8; 14], label: u8, out: &mut [u8]) {
    let mut iv = [0; 16];
    iv[..14].copy_from_slice(master_salt);
    iv[7] ^= label;
    out.fill(0);
    apply_keystream(&counter(master_key), iv, out);
}

fn counter(key: &[u8]) -> EncryptingKey {
    let algorithm = if key.len() == 32 { &cipher::AES_256 } else { &cipher::AES_128 };
    let key = UnboundCipherKey::new(algorithm, key).expect("the length was checked");
    EncryptingKey::ctr(key).expect("AES has a counter mode")
}

fn gcm(algorithm: &'static aws_lc_rs::aead::Algorithm, key: &[u8]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(algorithm, key).expect("the length was checked"))
}

fn apply_keystream(key: &EncryptingKey, iv: [u8; 16], body: &mut [u8]) {
    key.less_safe_encrypt(body, EncryptionContext::Iv128(iv.into())).expect("counter mode takes any length");
}

fn tag_of(key: &hmac::Key, packet: &[u8], trailer: [u8; 4]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(packet);
    context.update(&trailer);
    context.sign()
}

fn xor(bytes: &mut [u8], with: &[u8]) {
    for (byte, other) in bytes.iter_mut().zip(with) {
        *byte ^= other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 3711 appendix B.3.
    #[test]
    fn keys_are_derived_as_in_the_rfc() {
        let key = hex("e1f97a0d3e018be0d64fa32c06de4139");
        let salt: [u8; 14] = hex("0ec675ad498afeebb6960b3aabe6").try_into().unwrap();
        let derived = |label, len| {
            let mut out = vec![0; len];
            derive(&key, &salt, label, &mut out);
            out
        };
        assert_eq!(derived(0, 16), hex("c61e7a93744f39ee10734afe3ff7a087"));
        assert_eq!(derived(2, 14), hex("30cbbc08863d8c85d49db34a9ae1"));
        assert_eq!(derived(1, 20), hex("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
    }

    /// RFC 6188 section 7.2.
    #[test]
    fn keys_of_256_bits_are_derived_as_in_the_rfc() {
        let key = hex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6");
        let salt: [u8; 14] = hex("3b04803de51ee7c96423ab5b78d2").try_into().unwrap();
        let mut out = [0; 32];
        derive(&key, &salt, 0, &mut out);
        assert_eq!(out[..], hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4"));
    }

    #[test]
    fn a_key_of_another_length_is_explained() {
        let error = Cipher::new(Suite::AeadAes128Gcm, &Key(vec![0; 30]), RTP).err().unwrap();
        assert_eq!(error.to_string(), "the key of AeadAes128Gcm must have 28 bytes, not 30");
    }
}
