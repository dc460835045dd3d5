//! Messages in a stream: the same whole or in pieces, the same as in a datagram, and never more held than a message may have.

use bytes::{Bytes, BytesMut};
use sip::{Frame, Framer, FramingError, Message, MessageLimits, ParseError, framing};

use crate::choices::Choices;

/// The first eight bytes say how the rest is cut into pieces.
pub fn check(bytes: &[u8]) {
    let (pieces, stream) = bytes.split_at(bytes.len().min(8));
    let whole = Cut::of(std::iter::once(stream));
    let mut choices = Choices::new(pieces);
    let mut rest = stream;
    let in_pieces = Cut::of(std::iter::from_fn(|| {
        let length = 1 + choices.below(97).min(rest.len().saturating_sub(1));
        let (piece, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    }));
    assert_eq!(whole, in_pieces, "the pieces of a stream are not its messages");
    for message in &whole.messages {
        check_message(message);
    }
}

/// What one stream came to.
#[derive(Debug, PartialEq, Eq)]
struct Cut {
    messages: Vec<Bytes>,
    pings: usize,
    error: Option<FramingError>,
    left: usize,
}

impl Cut {
    fn of<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Cut {
        let (mut framer, mut buffer) = (Framer::default(), BytesMut::new());
        let mut cut = Cut { messages: Vec::new(), pings: 0, error: None, left: 0 };
        for piece in pieces {
            buffer.extend_from_slice(piece);
            cut.drain(&mut framer, &mut buffer);
            if cut.error.is_some() {
                return cut;
            }
        }
        cut.left = buffer.len();
        assert_eq!(framer.is_inside_message(&buffer), !buffer.is_empty(), "nothing held, nothing begun");
        cut
    }

    fn drain(&mut self, framer: &mut Framer, buffer: &mut BytesMut) {
        loop {
            match framer.cut(buffer) {
                Ok(Some(Frame::Message(message))) => self.messages.push(message),
                Ok(Some(Frame::Ping)) => self.pings += 1,
                Ok(Some(Frame::Pong)) => {}
                Ok(None) => break,
                Err(error) => return self.error = Some(error),
            }
        }
        // One CR more, whose meaning the next byte tells.
        assert!(buffer.len() <= MessageLimits::DEFAULT.bytes_max + 1, "{} bytes are held", buffer.len());
    }
}

/// All readers see the same borders: also where something follows.
fn check_message(message: &Bytes) {
    let datagram = framing::check_datagram(message.clone()).expect("a message of a stream is one of a datagram");
    assert_eq!(datagram, message);
    let mut followed = BytesMut::from(&message[..]);
    followed.extend_from_slice(b"OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n");
    assert_eq!(framing::check_datagram(followed.freeze()).as_ref(), Ok(message), "what follows belongs to it");
    match Message::parse(message.clone()) {
        Ok(parsed) => assert_eq!(parsed.as_bytes(), message),
        // What the scanner does not judge, since it moves no border: names that may stand once, and the first line.
        Err(ParseError::Duplicate(_) | ParseError::Invalid("start line")) => {}
        Err(error) => panic!("{error}"),
    }
}
