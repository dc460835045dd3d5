//! The framing alone, with a client of the same library at the other end.

use tungstenite::protocol::frame::Frame as WebFrame;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use super::*;

/// Both ends; bytes go from one to the other when the test says so.
struct Ends {
    server: WebSocket,
    client: tungstenite::WebSocket<Pipe>,
}

impl Ends {
    fn new() -> Ends {
        let limits = MessageLimits { bytes_max: 1000, ..MessageLimits::default() };
        let client = tungstenite::WebSocket::from_raw_socket(Pipe::default(), Role::Client, None);
        Ends { server: WebSocket::new(limits), client }
    }

    fn send(&mut self, message: Message) -> BytesMut {
        self.client.send(message).expect("a pipe");
        BytesMut::from(&std::mem::take(&mut self.client.get_mut().output)[..])
    }

    fn at_client(&mut self) -> Result<Message, Error> {
        let output = self.server.take_output();
        self.client.get_mut().received.extend_from_slice(&output);
        self.client.read()
    }
}

fn cut(server: &mut WebSocket, mut bytes: BytesMut) -> Option<Frame> {
    server.cut(&mut bytes).expect("within the rules")
}

#[test]
fn one_message_is_one_frame_however_its_bytes_arrive() {
    let mut ends = Ends::new();
    let bytes = ends.send(Message::text("one"));
    let (last, first) = bytes.split_last().expect("bytes");
    for byte in first {
        assert_eq!(cut(&mut ends.server, BytesMut::from(&[*byte][..])), None);
    }
    let message = cut(&mut ends.server, BytesMut::from(&[*last][..]));
    assert_eq!(message, Some(Frame::Message(Bytes::from_static(b"one"))));
}

#[test]
fn several_messages_in_one_read_are_several_frames() {
    let mut ends = Ends::new();
    let mut bytes = ends.send(Message::text("one"));
    bytes.extend(ends.send(Message::binary(&b"two"[..])));
    bytes.extend(ends.send(Message::text("\r\n\r\n")));
    bytes.extend(ends.send(Message::text("\r\n")));
    assert_eq!(cut(&mut ends.server, bytes), Some(Frame::Message(Bytes::from_static(b"one"))));
    let mut next = || cut(&mut ends.server, BytesMut::new());
    assert_eq!(next(), Some(Frame::Message(Bytes::from_static(b"two"))));
    assert_eq!([next(), next(), next()], [Some(Frame::Ping), Some(Frame::Pong), None]);
    assert_eq!(ends.server.protocol.get_ref().received.capacity(), 0, "no buffer stays");
}

#[test]
fn what_is_text_goes_out_as_text_and_all_else_as_binary() {
    let mut ends = Ends::new();
    ends.server.queue(Bytes::from_static("grüße".as_bytes()));
    assert_eq!(ends.at_client().expect("a message"), Message::text("grüße"));
    ends.server.queue(Bytes::from_static(b"\xff\x00"));
    assert_eq!(ends.at_client().expect("a message"), Message::binary(&b"\xff\x00"[..]));
}

#[test]
fn a_message_of_many_pieces_has_the_same_limit() {
    let mut ends = Ends::new();
    let piece = |opcode, is_last| Message::Frame(WebFrame::message(vec![b'a'; 400], OpCode::Data(opcode), is_last));
    for (opcode, is_last) in [(Data::Text, false), (Data::Continue, true)] {
        let bytes = ends.send(piece(opcode, is_last));
        let frame = cut(&mut ends.server, bytes);
        assert_eq!(frame.is_some(), is_last);
    }
    for opcode in [Data::Text, Data::Continue] {
        let bytes = ends.send(piece(opcode, false));
        assert_eq!(cut(&mut ends.server, bytes), None);
    }
    let mut bytes = ends.send(piece(Data::Continue, true));
    assert!(matches!(ends.server.cut(&mut bytes).map_err(|error| *error), Err(Error::Capacity(_))));
    ends.server.say_goodbye();
    let Ok(Message::Close(Some(close))) = ends.at_client() else { panic!("no close") };
    assert_eq!(close.code, CloseCode::Size);
}

#[test]
fn the_end_is_answered_once_and_nothing_follows_it() {
    let mut ends = Ends::new();
    let bytes = ends.send(Message::Close(None));
    assert_eq!(cut(&mut ends.server, bytes), None);
    assert!(ends.server.is_over());
    assert!(matches!(ends.at_client(), Ok(Message::Close(_))));
    ends.server.queue(Bytes::from_static(b"late"));
    ends.server.say_goodbye();
    assert!(ends.server.take_output().is_empty());
}
