//! `message/cpim`: a message with its sender's name and address (RFC 3862), for where the request is somebody else's, as a
//! conference's are.

use crate::DocumentError;
use crate::bounds::{TEXT_CHARS_MAX, check_chars, push_bounded, read_text, read_uri};
use crate::multipart::Part;

/// One message. What [`CpimMessage::parse`] gives, [`CpimMessage::print`] prints such that it is read back as the same.
///
/// Copies, the subject and headers of other namespaces are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpimMessage {
    /// What the message claims, not who sent it.
    pub from: Option<CpimAddress>,
    pub to: Vec<CpimAddress>,
    /// As it was written; an RFC 3339 date and time if the sender keeps to the standard.
    pub date_time: Option<String>,
    /// With its parameters; `text/plain` where it is not said.
    pub content_type: String,
    pub content: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpimAddress {
    /// Without quotes, escapes and control characters; never empty.
    pub name: Option<String>,
    pub uri: String,
}

impl CpimMessage {
    /// Source: RFC 3862 sections 2 and 3. Only [`BYTES_MAX`] bytes, with CRLF as the end of a line.
    ///
    /// # Errors
    /// `Malformed` also for a message that requires what we do not know (RFC 3862).
    pub fn parse(bytes: &[u8]) -> Result<CpimMessage, DocumentError> {
        if bytes.len() > BYTES_MAX {
            return Err(DocumentError::TooMany { what: "bytes", max: BYTES_MAX });
        }
        let head = Part::read(bytes)?;
        let part = Part::read(head.body)?;
        let content_type = part.header("Content-Type").unwrap_or("text/plain");
        let content_type = read_text(content_type, "Content-Type")?;
        let mut message = CpimMessage { content_type, content: part.body.to_vec(), ..CpimMessage::default() };
        for (name, value) in &head.headers {
            message.read_header(name, value)?;
        }
        Ok(message)
    }

    /// Names are quoted, whatever is in them; control characters in names and values become blanks.
    pub fn print(&self) -> Vec<u8> {
        let lines = [
            self.from.iter().map(|from| line("From", &from.print())).collect(),
            self.to.iter().map(|to| line("To", &to.print())).collect(),
            self.date_time.iter().map(|when| line("DateTime", when)).collect(),
            "\r\n".to_owned(),
            line("Content-Type", &self.content_type),
            "\r\n".to_owned(),
        ];
        let mut bytes = lines.concat().into_bytes();
        bytes.extend_from_slice(&self.content);
        bytes
    }

    /// Names of headers are told apart by case, too (RFC 3862).
    fn read_header(&mut self, name: &str, value: &str) -> Result<(), DocumentError> {
        match name {
            "From" => self.from = Some(CpimAddress::read(value)?),
            "To" => push_bounded(&mut self.to, CpimAddress::read(value)?, "receivers", TO_MAX)?,
            "DateTime" => self.date_time = Some(read_text(value, "DateTime")?),
            "Require" if !value.split(',').all(|required| KNOWN.contains(&required.trim())) => {
                return Err(DocumentError::Malformed("Require: it asks for headers that are not known here"));
            }
            _ => {}
        }
        Ok(())
    }
}

impl CpimAddress {
    /// `Alice <sip:alice@contoso.example>`, `"Alice" <...>` or `<...>` (RFC 3862 section 3).
    fn read(value: &str) -> Result<CpimAddress, DocumentError> {
        let malformed = DocumentError::Malformed("address");
        let (name, uri) = value.rsplit_once('<').ok_or(malformed.clone())?;
        let uri = uri.trim_end().strip_suffix('>').filter(|uri| !uri.contains('>')).ok_or(malformed.clone())?;
        let name = name.trim();
        let name = match name.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"').ok_or(malformed)?,
            None => name,
        };
        let name = unescape(name)?;
        check_chars(&name, "name", TEXT_CHARS_MAX)?;
        let name = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
        Ok(CpimAddress { name, uri: read_uri(uri, "address")? })
    }

    fn print(&self) -> String {
        let uri: String =
            self.uri.chars().filter(|letter| !matches!(letter, '<' | '>') && !letter.is_whitespace()).collect();
        match &self.name {
            Some(name) => format!("\"{}\" <{uri}>", name.replace('\\', "\\\\").replace('"', "\\\"")),
            None => format!("<{uri}>"),
        }
    }
}

fn line(name: &str, value: &str) -> String {
    let value: String = value.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    format!("{name}: {value}\r\n")
}

/// RFC 3862 section 2. What stands for a control character becomes a blank.
fn unescape(text: &str) -> Result<String, DocumentError> {
    let malformed = DocumentError::Malformed("escape in a name");
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let letter = match letter {
            '\\' => match letters.next() {
                Some('u') => {
                    let digits: String = letters.by_ref().take(4).collect();
                    let is_hex = digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                    let code = u32::from_str_radix(&digits, 16).ok().filter(|_| is_hex);
                    code.and_then(char::from_u32).ok_or(malformed.clone())?
                }
                Some('b' | 't' | 'n' | 'r') => ' ',
                Some(letter) => letter,
                None => return Err(malformed),
            },
            letter => letter,
        };
        plain.push(if letter.is_control() { ' ' } else { letter });
    }
    Ok(plain)
}

/// For Content-Type and Accept.
pub const CONTENT_TYPE: &str = "message/cpim";
pub const BYTES_MAX: usize = 64 * 1024;
/// Of one message; also bounded by the headers that a part may have.
pub const TO_MAX: usize = 16;
/// All headers of RFC 3862 itself.
const KNOWN: [&str; 7] = ["From", "To", "cc", "DateTime", "Subject", "NS", "Require"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{XorShift, mutate};

    /// In the manner of the examples of RFC 3862.
    const SAMPLE: &str = "From: MR SANDERS <im:piglet@100akerwood.com>\r\nTo: Depressed Donkey <im:eeyore@100akerwood.com>\r\n\
        DateTime: 2000-12-13T13:40:00-08:00\r\nSubject:;lang=fr Le temps\r\nNS: X <mid:x@id.foo.com>\r\n\
        Require: From, DateTime\r\nX.WackyMessageOption: Use-silly-font\r\n\r\nContent-type: text/xml; charset=utf-8\r\n\
        Content-ID: <1234567890@foo.com>\r\n\r\n<body>\r\n\r\nHere is the text\r\n</body>\r\n";

    fn address(name: Option<&str>, uri: &str) -> CpimAddress {
        CpimAddress { name: name.map(str::to_owned), uri: uri.to_owned() }
    }

    fn from(value: &str) -> Result<CpimAddress, DocumentError> {
        let message = CpimMessage::parse(format!("From: {value}\r\n\r\n\r\nx").as_bytes())?;
        Ok(message.from.expect("is there"))
    }

    #[test]
    fn as_another_writes_it() {
        let message = CpimMessage::parse(SAMPLE.as_bytes()).expect("a message");
        assert_eq!(message.from, Some(address(Some("MR SANDERS"), "im:piglet@100akerwood.com")));
        assert_eq!(message.to, [address(Some("Depressed Donkey"), "im:eeyore@100akerwood.com")]);
        assert_eq!(message.date_time.as_deref(), Some("2000-12-13T13:40:00-08:00"));
        assert_eq!(message.content_type, "text/xml; charset=utf-8");
        assert_eq!(message.content, b"<body>\r\n\r\nHere is the text\r\n</body>\r\n");
    }

    #[test]
    fn as_it_is_printed() {
        let message = CpimMessage {
            from: Some(address(Some("Bob \"B\" \\ <x>"), "sip:bob@fabrikam.example")),
            to: vec![address(None, "sip:meet-ab2@contoso.example")],
            date_time: Some("2026-03-02T09:00:00Z".into()),
            content_type: "text/plain;charset=utf-8".into(),
            content: "Gr\u{fc}\u{df}e\r\n\r\n".into(),
        };
        let expected = "From: \"Bob \\\"B\\\" \\\\ <x>\" <sip:bob@fabrikam.example>\r\n\
            To: <sip:meet-ab2@contoso.example>\r\nDateTime: 2026-03-02T09:00:00Z\r\n\r\n\
            Content-Type: text/plain;charset=utf-8\r\n\r\nGr\u{fc}\u{df}e\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&message.print()), expected);
        assert_eq!(CpimMessage::parse(expected.as_bytes()), Ok(message));
    }

    #[test]
    fn nobody_adds_a_header_by_his_name() {
        let evil = address(Some("a\r\nTo: <sip:x@y>\r\n\r\n"), "sip:a@b>\r\nTo: <sip:x@y");
        let evil = CpimMessage { from: Some(evil), content_type: "a/b\r\nX: y".into(), ..CpimMessage::default() };
        let text = String::from_utf8(evil.print()).expect("is text");
        assert_eq!(text, "From: \"a  To: <sip:x@y>    \" <sip:a@bTo:sip:x@y>\r\n\r\nContent-Type: a/b  X: y\r\n\r\n");
    }

    #[test]
    fn names() {
        assert_eq!(from("<sip:a@b>"), Ok(address(None, "sip:a@b")));
        assert_eq!(from("\"\" <sip:a@b>"), Ok(address(None, "sip:a@b")));
        assert_eq!(from("\"A\\u00e9\\tB\\r\\n\\\"C\" <sip:a@b>"), Ok(address(Some("A\u{e9} B  \"C"), "sip:a@b")));
        let names = ["sip:a@b", "<sip:a@b", "<>", "<sip:a b>", "<sip:a@b> x", "\"A <sip:a@b>", "<sip:a@b>>", ""];
        for value in names {
            assert_eq!(from(value), Err(DocumentError::Malformed("address")), "{value}");
        }
        for value in ["\\", "\\u12", "\\ud800", "\\u+123"] {
            assert_eq!(
                from(&format!("{value}<sip:a@b>")),
                Err(DocumentError::Malformed("escape in a name")),
                "{value}"
            );
        }
        let long = from(&format!("{} <sip:a@b>", "x".repeat(513)));
        assert_eq!(long, Err(DocumentError::TooLong { what: "name", max: 512 }));
    }

    #[test]
    fn what_is_required_must_be_known() {
        let required = SAMPLE.replace("Require: From, DateTime", "Require: X.WackyMessageOption");
        assert!(matches!(CpimMessage::parse(required.as_bytes()), Err(DocumentError::Malformed(_))));
        let other_case = CpimMessage::parse(SAMPLE.replace("From:", "FROM:").as_bytes()).expect("a message");
        assert_eq!(other_case.from, None);
    }

    #[test]
    fn limits() {
        let long = |bytes: usize| CpimMessage::parse(format!("\r\n\r\n{}", "x".repeat(bytes - 4)).as_bytes());
        assert_eq!(long(BYTES_MAX).map(|message| message.content_type), Ok("text/plain".to_owned()));
        assert_eq!(long(BYTES_MAX + 1), Err(DocumentError::TooMany { what: "bytes", max: BYTES_MAX }));
        let to = |count: usize| CpimMessage::parse(format!("{}\r\n\r\nx", "To: <a:b>\r\n".repeat(count)).as_bytes());
        assert_eq!(to(TO_MAX).map(|message| message.to.len()), Ok(TO_MAX));
        assert!(matches!(to(TO_MAX + 1), Err(DocumentError::TooMany { .. })));
    }

    /// Whatever comes out, nothing panics, and what was read is read again from print.
    #[test]
    fn mutations_never_panic() {
        let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
        let mut survivors = 0;
        for round in 0..10_000 {
            let mut bytes = SAMPLE.as_bytes().to_vec();
            for _ in 0..=random.below(3) {
                mutate(&mut bytes, &mut random);
            }
            if let Ok(message) = CpimMessage::parse(&bytes) {
                survivors += 1;
                assert_eq!(CpimMessage::parse(&message.print()).as_ref(), Ok(&message), "round {round}");
            }
        }
        assert!(survivors > 1_000, "too few mutations were still messages: {survivors}");
    }
}
