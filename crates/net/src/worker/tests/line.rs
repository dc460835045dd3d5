//! A phone's connection: TLS, or a WebSocket over TLS as a browser opens it; or datagrams.

use bytes::BytesMut;
use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use sip::{Framer, MessageLimits};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{HandshakeError, WebSocket};

use super::*;

pub(super) type TlsStream = StreamOwned<ClientConnection, StdStream>;

pub(super) enum Line {
    Tls {
        stream: Box<TlsStream>,
        received: BytesMut,
        framer: Framer,
    },
    WebSocket(Box<WebSocket<TlsStream>>),
    /// Connected: nothing is heard from any other address, as behind a NAT.
    Datagrams(StdUdpSocket),
}

impl Line {
    pub(super) fn tls(server: &TestServer) -> Line {
        let stream = Box::new(encrypted(server.tls, server.domain));
        Line::Tls { stream, received: BytesMut::new(), framer: Framer::new(MessageLimits::default()) }
    }

    /// The same, with a certificate to show.
    pub(super) fn tls_of(server: &TestServer, client: Arc<ClientConfig>) -> Line {
        let name = ServerName::try_from(server.domain).expect("a name");
        let connection = ClientConnection::new(client, name).expect("a client");
        let stream = Box::new(StreamOwned::new(connection, plain(server.tls)));
        Line::Tls { stream, received: BytesMut::new(), framer: Framer::new(MessageLimits::default()) }
    }

    pub(super) fn wss(server: &TestServer, origin: Option<&str>) -> Result<Line, tungstenite::Error> {
        let stream = encrypted(server.wss, server.domain);
        open(stream, origin, "sip").map(|web_socket| Line::WebSocket(Box::new(web_socket)))
    }

    pub(super) fn udp(server: SocketAddr) -> Line {
        let socket = StdUdpSocket::bind((IpAddr::from([127, 0, 0, 1]), 0)).expect("a free port");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        socket.connect(server).expect("a server");
        Line::Datagrams(socket)
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        match self {
            Line::Tls { stream, .. } => stream.write_all(bytes).expect("a connection"),
            Line::WebSocket(web_socket) => {
                let text = std::str::from_utf8(bytes).expect("text");
                web_socket.send(tungstenite::Message::text(text)).expect("a connection");
            }
            Line::Datagrams(socket) => assert_eq!(socket.send(bytes).expect("a server"), bytes.len()),
        }
    }

    /// `None` at the end of the connection.
    pub(super) fn next_frame(&mut self) -> Option<Frame> {
        match self {
            Line::Tls { stream, received, framer } => loop {
                if let Some(frame) = framer.cut(received).expect("well framed") {
                    return Some(frame);
                }
                let mut bytes = [0; 4096];
                match stream.read(&mut bytes).expect("an answer in time") {
                    0 => return None,
                    count => received.extend_from_slice(&bytes[..count]),
                }
            },
            Line::WebSocket(web_socket) => loop {
                match web_socket.read().expect("an answer in time") {
                    tungstenite::Message::Text(text) if text.as_str() == "\r\n" => return Some(Frame::Pong),
                    tungstenite::Message::Text(text) => return Some(Frame::Message(text.into())),
                    tungstenite::Message::Close(_) => return None,
                    _ => {}
                }
            },
            Line::Datagrams(socket) => {
                let mut bytes = [0; 4096];
                let count = socket.recv(&mut bytes).expect("an answer in time");
                Some(Frame::Message(Bytes::copy_from_slice(&bytes[..count])))
            }
        }
    }
}

pub(super) fn plain(address: SocketAddr) -> StdStream {
    let stream = StdStream::connect(address).expect("a server");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    stream.set_nodelay(true).expect("a socket");
    stream
}

pub(super) fn encrypted(address: SocketAddr, domain: &str) -> TlsStream {
    let name = ServerName::try_from(domain.to_owned()).expect("a name");
    StreamOwned::new(ClientConnection::new(anonymous(), name).expect("a client"), plain(address))
}

/// Asks for a WebSocket as a page of this origin does, or a program of none.
pub(super) fn open<S: Read + Write>(
    stream: S,
    origin: Option<&str>,
    subprotocol: &str,
) -> Result<WebSocket<S>, tungstenite::Error> {
    let mut request = "wss://contoso.example/".into_client_request().expect("a URL");
    let value = |text: &str| HeaderValue::from_str(text).expect("ASCII");
    request.headers_mut().insert("Sec-WebSocket-Protocol", value(subprotocol));
    if let Some(origin) = origin {
        request.headers_mut().insert("Origin", value(origin));
    }
    match tungstenite::client(request, stream) {
        Ok((web_socket, _)) => Ok(web_socket),
        Err(HandshakeError::Failure(error)) => Err(error),
        Err(HandshakeError::Interrupted(_)) => panic!("no answer in time"),
    }
}
