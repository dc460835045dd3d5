//! What the two say, as bytes: the length in four bytes (network byte order), and JSON.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{LegId, MediaCommand, MediaEvent, OpenedLeg};

/// From a home to its edge. In the order sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromHome {
    /// Two ports are wanted for a leg; [`FromEdge::Opened`] is the answer.
    Open {
        leg: LegId,
    },
    Command(MediaCommand),
    /// The home is there, and wants nothing.
    Alive,
}

/// From an edge to its home. In the order sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromEdge {
    /// The error says why there is no sound.
    Opened {
        leg: LegId,
        opened: Result<OpenedLeg, String>,
    },
    Event(MediaEvent),
    /// The edge is there; one that drains is to get no new bridges.
    Alive {
        is_draining: bool,
    },
}

/// The bytes cannot be understood: nothing more can come of this connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a message of {0} bytes, where {FRAME_BYTES_MAX} are the most")]
    TooLong(u32),
    #[error("a message that is not understood: {0}")]
    NotUnderstood(String),
}

/// A message as it is sent.
pub fn frame(message: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_vec(message).unwrap_or_default();
    let length = u32::try_from(json.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), json.as_slice()].concat()
}

/// Cuts what comes into messages. Holds one that is not whole, and what was read after it.
#[derive(Debug, Default)]
pub struct FrameReader {
    bytes: Vec<u8>,
}

impl FrameReader {
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, if it is whole.
    ///
    /// # Errors
    /// Where the connection is to end.
    pub fn cut<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some((length, rest)) = self.bytes.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length);
        let Some(count) = usize::try_from(length).ok().filter(|count| *count <= FRAME_BYTES_MAX) else {
            return Err(FrameError::TooLong(length));
        };
        let Some(json) = rest.get(..count) else { return Ok(None) };
        let message = serde_json::from_slice(json).map_err(|error| FrameError::NotUnderstood(error.to_string()))?;
        self.bytes.drain(..4 + count);
        Ok(Some(message))
    }
}

/// What both call the protocol when the connection begins (RFC 9110 section 7.8); another number is another protocol.
pub const PROTOCOL: &str = "comity-sound/1";
/// Of a message, without its length. The longest of ours has some hundred bytes of keys.
pub const FRAME_BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BridgeId;

    fn leg() -> LegId {
        LegId { bridge: BridgeId { worker: 1, serial: u64::MAX }, serial: 7 }
    }

    #[test]
    fn what_was_said_is_heard_in_whatever_pieces_it_comes() {
        let said =
            [FromHome::Open { leg: leg() }, FromHome::Alive, FromHome::Command(MediaCommand::Close { leg: leg() })];
        let bytes: Vec<u8> = said.iter().flat_map(frame).collect();
        for piece in [1, 3, 1000] {
            let mut reader = FrameReader::default();
            let mut heard: Vec<FromHome> = Vec::new();
            for bytes in bytes.chunks(piece) {
                reader.feed(bytes);
                while let Some(message) = reader.cut().unwrap() {
                    heard.push(message);
                }
            }
            assert_eq!(heard, said);
            assert_eq!(reader.bytes, Vec::<u8>::new());
        }
    }

    #[test]
    fn a_message_is_so_long_at_most() {
        let read = |length: usize| {
            let mut reader = FrameReader::default();
            reader.feed(&u32::try_from(length).unwrap().to_be_bytes());
            reader.cut::<FromHome>()
        };
        assert_eq!(read(FRAME_BYTES_MAX), Ok(None));
        assert_eq!(read(FRAME_BYTES_MAX + 1), Err(FrameError::TooLong(16_385)));
        assert_eq!(read(usize::try_from(u32::MAX).unwrap()), Err(FrameError::TooLong(u32::MAX)));
    }

    #[test]
    fn what_is_not_understood_ends_it() {
        let mut reader = FrameReader::default();
        reader.feed(&[0, 0, 0, 4, b'n', b'u', b'l', b'l']);
        assert!(matches!(reader.cut::<FromHome>(), Err(FrameError::NotUnderstood(_))));
    }
}
