//! The opening handshake (RFC 6455 section 4.2, RFC 7118 section 4.1): what was asked for, and the answer to it.

use bytes::Bytes;
use sip::refusal::Word;
use tungstenite::error::ProtocolError;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::http::{HeaderValue, StatusCode, header};

use super::Origins;

/// What came so far of a handshake.
pub enum Verdict {
    /// More bytes are needed.
    Incomplete,
    /// The request took this many bytes; the response is to be written.
    Accepted {
        request_bytes: usize,
        response: Bytes,
    },
    Refused(Rejection),
}

/// The answer to who may not, or has not asked for a WebSocket.
#[derive(Debug, Clone)]
pub struct Rejection {
    pub(crate) status: StatusCode,
    /// Where it is our policy that says no.
    pub(crate) word: Option<Word>,
    /// For the log.
    pub(crate) reason: String,
}

/// Judges what a client has sent before anything was answered.
pub fn judge(received: &[u8], origins: &Origins) -> Verdict {
    match Request::try_parse(&received[..received.len().min(HEAD_BYTES_MAX)]) {
        Ok(Some((request_bytes, request))) => match answer(&request, origins) {
            Ok(response) => Verdict::Accepted { request_bytes, response },
            Err(rejection) => Verdict::Refused(rejection),
        },
        Ok(None) if received.len() >= HEAD_BYTES_MAX => Verdict::Refused(Rejection {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            word: None,
            reason: format!("a request of more than {HEAD_BYTES_MAX} bytes"),
        }),
        Ok(None) => Verdict::Incomplete,
        Err(error) => Verdict::Refused(rejected(&error)),
    }
}

fn answer(request: &Request, origins: &Origins) -> Result<Bytes, Rejection> {
    let mut response = create_response(request).map_err(|error| rejected(&error))?;
    check_origin(request, origins)?;
    if !offers_sip(request) {
        return Err(Rejection {
            status: StatusCode::BAD_REQUEST,
            word: None,
            reason: format!("the subprotocol {SUBPROTOCOL} is not offered"),
        });
    }
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let mut bytes = Vec::new();
    write_response(&mut bytes, &response).map_err(|error| rejected(&error))?;
    Ok(bytes.into())
}

/// A page that the organisation does not know must not speak with a user's password, which the browser may remember.
fn check_origin(request: &Request, origins: &Origins) -> Result<(), Rejection> {
    let mut shown = request.headers().get_all(header::ORIGIN).iter();
    let refuse = |reason| Err(Rejection { status: StatusCode::FORBIDDEN, word: Some(Word::OriginNotAllowed), reason });
    match (shown.next().map(HeaderValue::to_str), shown.next()) {
        (None, _) => Ok(()),
        (Some(Ok(origin)), None) if origins.allow(origin) => Ok(()),
        (Some(Ok(origin)), None) => refuse(format!("{:.100}", origin)),
        (Some(_), _) => refuse("more than one origin, or one that cannot be read".to_owned()),
    }
}

/// Subprotocols are tokens, which count by their exact spelling (RFC 6455 section 11.3.4).
fn offers_sip(request: &Request) -> bool {
    let lists = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(',')).any(|name| name.trim() == SUBPROTOCOL)
}

/// What is no handshake, from a stray browser to a port scanner.
fn rejected(error: &tungstenite::Error) -> Rejection {
    let status = match error {
        tungstenite::Error::Protocol(ProtocolError::WrongHttpMethod) => StatusCode::METHOD_NOT_ALLOWED,
        tungstenite::Error::Protocol(
            ProtocolError::MissingConnectionUpgradeHeader
            | ProtocolError::MissingUpgradeWebSocketHeader
            | ProtocolError::MissingSecWebSocketVersionHeader,
        ) => StatusCode::UPGRADE_REQUIRED,
        tungstenite::Error::Capacity(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    Rejection { status, word: None, reason: error.to_string() }
}

impl Rejection {
    /// The whole response: the word, or what is served here.
    pub fn response(&self) -> Bytes {
        let extra = match self.status {
            StatusCode::UPGRADE_REQUIRED => "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            StatusCode::METHOD_NOT_ALLOWED => "Allow: GET\r\n",
            _ => "",
        };
        let text = self.word.map_or("SIP over WebSocket is served here, and nothing else.", Word::as_str);
        format!(
            "HTTP/1.1 {}\r\n{extra}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}\n",
            self.status,
            text.len() + 1
        )
        .into()
    }
}

const SUBPROTOCOL: &str = "sip";
/// Of the request, cookies of the page's host included.
const HEAD_BYTES_MAX: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "GET /phones HTTP/1.1\r\nHost: sip.contoso.example:7443\r\nUpgrade: websocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Origin: https://phone.contoso.example\r\nSec-WebSocket-Protocol: chat, sip\r\nSec-WebSocket-Version: 13\r\n\r\n";

    fn verdict(request: &str) -> Verdict {
        judge(request.as_bytes(), &Origins::of_domains(["contoso.example"]))
    }

    fn refused(request: &str) -> String {
        match verdict(request) {
            Verdict::Refused(rejection) => String::from_utf8(rejection.response().to_vec()).expect("text"),
            _ => panic!("not refused: {request}"),
        }
    }

    #[test]
    fn the_request_of_a_browser_is_accepted_as_soon_as_it_is_whole() {
        for length in 0..REQUEST.len() {
            assert!(matches!(verdict(&REQUEST[..length]), Verdict::Incomplete), "{length}");
        }
        let Verdict::Accepted { request_bytes, response } = verdict(&format!("{REQUEST}more")) else {
            panic!("not accepted");
        };
        assert_eq!(request_bytes, REQUEST.len());
        let response = String::from_utf8(response.to_vec()).expect("text").to_ascii_lowercase();
        assert!(response.starts_with("http/1.1 101 switching protocols\r\n"), "{response}");
        // The example of RFC 6455 section 1.3.
        assert!(response.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{response}");
        assert!(response.contains("sec-websocket-protocol: sip\r\n") && response.ends_with("\r\n\r\n"), "{response}");
    }

    #[test]
    fn a_page_from_elsewhere_gets_the_word_and_a_program_needs_no_origin() {
        let foreign = REQUEST.replace("phone.contoso.example\r\n", "evil.example\r\n");
        let response = refused(&foreign);
        assert!(response.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{response}");
        assert!(response.ends_with("\r\n\r\norigin-not-allowed\n"), "{response}");
        let twice = REQUEST.replace("Origin:", "Origin: https://phone.contoso.example\r\nOrigin:");
        assert!(refused(&twice).starts_with("HTTP/1.1 403 "));
        let program = REQUEST.replace("Origin: https://phone.contoso.example\r\n", "");
        assert!(matches!(verdict(&program), Verdict::Accepted { .. }));
    }

    #[test]
    fn the_subprotocol_is_required() {
        for other in ["chat", "SIP", "sips", "msrp"] {
            let response = refused(&REQUEST.replace("chat, sip", other));
            assert!(response.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{response}");
        }
        assert!(refused(&REQUEST.replace("Sec-WebSocket-Protocol: chat, sip\r\n", "")).starts_with("HTTP/1.1 400 "));
    }

    #[test]
    fn what_is_no_handshake_is_told_what_is_missing() {
        for (part, other, status) in [
            ("GET ", "POST ", 405),
            ("HTTP/1.1", "HTTP/1.0", 400),
            ("HTTP/1.1", "SIP/2.0", 400),
            ("Upgrade: websocket\r\n", "", 426),
            ("keep-alive, Upgrade", "keep-alive", 426),
            ("Version: 13", "Version: 8", 426),
            ("dGhlIHNhbXBsZSBub25jZQ==", "short", 400),
            ("GET /phones HTTP/1.1\r\nHost: ", "\u{16}\u{3}\u{1}\r\n", 400),
        ] {
            let response = refused(&REQUEST.replacen(part, other, 1));
            assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{other}: {response}");
        }
    }

    #[test]
    fn a_head_without_an_end_is_not_waited_for() {
        let endless = REQUEST.replacen("\r\n\r\n", &format!("\r\nCookie: {}", "a".repeat(HEAD_BYTES_MAX)), 1);
        assert!(matches!(verdict(&endless[..HEAD_BYTES_MAX - 1]), Verdict::Incomplete));
        assert!(refused(&endless).starts_with("HTTP/1.1 431 "));
        assert!(
            refused(&REQUEST.replacen("\r\n\r\n", &format!("{}\r\n\r\n", "\r\na: b".repeat(130)), 1))
                .starts_with("HTTP/1.1 4")
        );
    }
}
