//! WebSockets (RFC 6455, 7118): the opening is answered in one way however it comes, frames give the same messages in pieces,
//! and whatever comes, no more is held than a message may have.

use bytes::BytesMut;
use net::web_socket::upgrade::{Verdict, judge};
use net::web_socket::{Origin, Origins, WebSocket};
use sip::{Frame, MessageLimits};

use crate::choices::Choices;

/// The first byte says whether the rest is an opening or frames; of frames, eight more say how they come in pieces.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    if choices.flag() {
        return check_opening(choices.rest());
    }
    let mut pieces = Choices::new(choices.bytes(8));
    let frames = choices.rest();
    let whole = read(std::iter::once(frames));
    let mut rest = frames;
    let in_pieces = read(std::iter::from_fn(|| {
        let (piece, after) = rest.split_at((1 + pieces.below(61)).min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    }));
    assert_eq!(whole, in_pieces);
}

fn check_opening(bytes: &[u8]) {
    let origins = Origins::of_domains(["contoso.example"]);
    match judge(bytes, &origins) {
        Verdict::Incomplete => assert!(bytes.len() < 8192),
        Verdict::Accepted { request_bytes, response } => {
            assert!(request_bytes <= bytes.len() && response.starts_with(b"HTTP/1.1 101 "));
            let head = String::from_utf8_lossy(&bytes[..request_bytes]).to_ascii_lowercase();
            assert!(head.contains("sip") && head.contains("upgrade"), "{head}");
            assert!(!head.contains("\norigin:") || head.contains("contoso.example"), "another's page: {head}");
            assert!(matches!(judge(&bytes[..request_bytes], &origins), Verdict::Accepted { .. }));
        }
        Verdict::Refused(rejection) => {
            let response = rejection.response();
            assert!(response.starts_with(b"HTTP/1.1 4") && response.len() < 512);
        }
    }
    check_origin(bytes);
}

fn check_origin(bytes: &[u8]) {
    let Ok(origin) = Origin::parse(&String::from_utf8_lossy(bytes)) else { return };
    assert_eq!(Origin::parse(&origin.to_string()), Ok(origin));
}

/// The messages, and whether it went wrong.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, bool) {
    let (mut web_socket, mut frames) = (WebSocket::new(MessageLimits::DEFAULT), Vec::new());
    let mut buffer = BytesMut::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match web_socket.cut(&mut buffer) {
                Ok(Some(Frame::Message(message))) => {
                    assert!(message.len() <= MessageLimits::DEFAULT.bytes_max);
                    frames.push(Frame::Message(message));
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
        assert!(buffer.is_empty(), "all of it is taken");
        let answered = web_socket.take_output();
        assert!(answered.len() <= 2 * piece.len() + 140, "{} bytes for {}", answered.len(), piece.len());
        if web_socket.is_over() {
            break;
        }
    }
    (frames, false)
}
