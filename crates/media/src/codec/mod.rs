//! Sound to payloads and back (RFC 3551, RFC 7587): one encoder or decoder for each encoding of `sdp::Encoding`.
//!
//! Both work at the encoding's own sample rate ([`Encoding::sample_rate`]); who mixes brings all to one rate.

mod conceal;
mod g711;
mod g722;
mod opus;

use sdp::Encoding;

use conceal::Concealment;

/// Makes payloads of one stream. Each payload is [`FRAME_MS`] of sound; those of G.711 and G.722 may be joined and cut at any byte.
pub struct Encoder {
    state: EncoderState,
}

enum EncoderState {
    Pcma,
    Pcmu,
    G722(Box<g722::Encoder>),
    Opus(Box<opus::Encoder>),
}

impl Encoder {
    pub fn new(encoding: Encoding) -> Self {
        let state = match encoding {
            Encoding::Pcma => EncoderState::Pcma,
            Encoding::Pcmu => EncoderState::Pcmu,
            Encoding::G722 => EncoderState::G722(Box::default()),
            Encoding::Opus => EncoderState::Opus(Box::new(opus::Encoder::new())),
        };
        Self { state }
    }

    /// Replaces `payload` by the encoding of `frame`, [`FRAME_MS`] at the encoding's sample rate. An empty payload: nothing
    /// is to be sent for this frame.
    pub fn encode(&mut self, frame: &[i16], payload: &mut Vec<u8>) {
        payload.clear();
        match &mut self.state {
            EncoderState::Pcma => g711::encode_a(frame, payload),
            EncoderState::Pcmu => g711::encode_mu(frame, payload),
            EncoderState::G722(encoder) => encoder.encode(frame, payload),
            EncoderState::Opus(encoder) => encoder.encode(frame, payload),
        }
    }

    /// An encoder whose payloads go on where this one's end, so that a receiver hears no seam.
    pub fn fork(&self) -> Self {
        let state = match &self.state {
            EncoderState::Pcma => EncoderState::Pcma,
            EncoderState::Pcmu => EncoderState::Pcmu,
            EncoderState::G722(encoder) => EncoderState::G722(encoder.clone()),
            EncoderState::Opus(encoder) => EncoderState::Opus(Box::new(encoder.fork())),
        };
        Self { state }
    }
}

/// Reads the payloads of one stream, whatever a peer puts into them: no payload makes it panic or work for long.
pub struct Decoder {
    state: DecoderState,
    concealment: Concealment,
}

enum DecoderState {
    Pcma,
    Pcmu,
    G722(Box<g722::Decoder>),
    Opus(Box<opus::Decoder>),
}

impl Decoder {
    pub fn new(encoding: Encoding) -> Self {
        let state = match encoding {
            Encoding::Pcma => DecoderState::Pcma,
            Encoding::Pcmu => DecoderState::Pcmu,
            Encoding::G722 => DecoderState::G722(Box::default()),
            Encoding::Opus => DecoderState::Opus(Box::new(opus::Decoder::new())),
        };
        Self { state, concealment: Concealment::new(encoding.sample_rate()) }
    }

    /// Appends what the payload says, at the encoding's sample rate: as long as the peer made it, but no longer than
    /// [`PAYLOAD_MS_MAX`]. On an error nothing is appended, and the packet is to be taken for lost.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), DecodeError> {
        let start = out.len();
        match &mut self.state {
            DecoderState::Opus(decoder) => return decoder.decode(payload, out),
            _ if payload.is_empty() => return Err(DecodeError::Empty),
            // 64 kbit/s all three.
            _ if payload.len() > PAYLOAD_MS_MAX * 8 => return Err(DecodeError::TooLong),
            DecoderState::Pcma => g711::decode_a(payload, out),
            DecoderState::Pcmu => g711::decode_mu(payload, out),
            DecoderState::G722(decoder) => decoder.decode(payload, out),
        }
        self.concealment.heard(&mut out[start..]);
        Ok(())
    }

    /// Appends [`FRAME_MS`] in place of a lost packet: what the sound before makes likely, fading away.
    pub fn conceal(&mut self, out: &mut Vec<i16>) {
        match &mut self.state {
            DecoderState::Opus(decoder) => decoder.conceal(out),
            _ => self.concealment.conceal(out),
        }
    }

    /// Like [`Decoder::conceal`], where the packet after the lost one is here already: Opus may carry the lost frame again in it
    /// (RFC 6716 section 2.1.7). The packet itself is still to be decoded.
    pub fn recover(&mut self, next: &[u8], out: &mut Vec<i16>) {
        match &mut self.state {
            DecoderState::Opus(decoder) => decoder.recover(next, out),
            _ => self.concealment.conceal(out),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("an empty payload")]
    Empty,
    #[error("more than {PAYLOAD_MS_MAX} ms in one payload")]
    TooLong,
    #[error("no Opus packet (RFC 6716 section 3.4)")]
    Malformed,
}

/// What one frame of ours lasts, milliseconds.
pub const FRAME_MS: u32 = 20;
/// What a receiver is asked to take in one packet (RFC 3551 section 4.2), milliseconds.
pub const PAYLOAD_MS_MAX: usize = 200;

/// Samples of a frame.
pub fn frame_len(sample_rate: u32) -> usize {
    (sample_rate * FRAME_MS / 1000) as usize
}

#[cfg(test)]
mod tests;
