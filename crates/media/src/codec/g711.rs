//! G.711 (RFC 3551 section 4.5.14): a byte a sample, without memory.

use audio_codec_algorithms::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};

pub fn encode_a(frame: &[i16], payload: &mut Vec<u8>) {
    payload.extend(frame.iter().map(|sample| encode_alaw(*sample)));
}

pub fn encode_mu(frame: &[i16], payload: &mut Vec<u8>) {
    payload.extend(frame.iter().map(|sample| encode_ulaw(*sample)));
}

pub fn decode_a(payload: &[u8], out: &mut Vec<i16>) {
    out.extend(payload.iter().map(|byte| decode_alaw(*byte)));
}

pub fn decode_mu(payload: &[u8], out: &mut Vec<i16>) {
    out.extend(payload.iter().map(|byte| decode_ulaw(*byte)));
}
