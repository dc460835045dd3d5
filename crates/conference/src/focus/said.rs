//! What somebody says in writing: read from how he sent it, put into words for who receives it.

use documents::cpim::{self, CpimAddress, CpimMessage};
use documents::is_composing;
use documents::multipart::Part;
use documents::resource_lists::{self, ResourceList};
use sip::refusal::Word;
use sip::{Aor, HeaderName, Message, Refusal, Uri};

use super::sound::ACCEPT_TYPES;

/// A text, or that somebody is typing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// With its parameters.
    pub content_type: String,
    pub body: Vec<u8>,
    /// His phone speaks `message/cpim`.
    pub knows_cpim: bool,
}

impl Said {
    /// # Errors
    /// 415 with the types that a conference takes, 400 for a `message/cpim` that does not parse.
    pub fn read(request: &Message) -> Result<Said, Refusal> {
        if request.header(HeaderName::ContentEncoding).is_some() {
            return Err(unsupported("an encoded body"));
        }
        let content_type = request.header_text(HeaderName::ContentType).unwrap_or("text/plain").trim();
        let knows_cpim = request.elements(HeaderName::Accept).any(|one| is_cpim(&String::from_utf8_lossy(one)));
        Said::of(content_type, request.body(), knows_cpim)
    }

    fn of(content_type: &str, body: &[u8], knows_cpim: bool) -> Result<Said, Refusal> {
        if !is_cpim(content_type) {
            let said = Said { content_type: content_type.to_owned(), body: body.to_vec(), knows_cpim };
            return said.is_known().then_some(said).ok_or_else(|| unsupported(content_type));
        }
        let malformed = |error| Refusal::new(400, Word::MalformedRequest, format!("message/cpim: {error}"));
        let CpimMessage { content_type, content, .. } = CpimMessage::parse(body).map_err(malformed)?;
        let said = Said { content_type, body: content, knows_cpim: true };
        said.is_known().then_some(said).ok_or_else(|| unsupported("message/cpim with something else than text"))
    }

    pub fn text(words: impl Into<Vec<u8>>) -> Said {
        Said { content_type: "text/plain;charset=UTF-8".to_owned(), body: words.into(), knows_cpim: false }
    }

    /// Without parameters, in lower case.
    pub fn media_type(&self) -> String {
        media_type(&self.content_type)
    }

    pub fn is_typing(&self) -> bool {
        self.media_type() == is_composing::CONTENT_TYPE
    }

    fn is_known(&self) -> bool {
        self.media_type() == "text/plain" || self.is_typing()
    }

    /// With the sender's name in front, since most phones show no other name than the conference's.
    pub fn with_name(&self, name: &str) -> (String, Vec<u8>) {
        let body = match self.is_typing() {
            true => self.body.clone(),
            false => [name.as_bytes(), b": ", &self.body].concat(),
        };
        (self.content_type.clone(), body)
    }

    /// With its sender beside it.
    pub fn with_sender(&self, name: &str, by: &Aor, to: &Aor) -> (String, Vec<u8>) {
        let message = CpimMessage {
            from: Some(CpimAddress { name: Some(name.to_owned()), uri: by.uri() }),
            to: vec![CpimAddress { name: None, uri: to.uri() }],
            date_time: None,
            content_type: self.content_type.clone(),
            content: self.body.clone(),
        };
        (cpim::CONTENT_TYPE.to_owned(), message.print())
    }
}

/// Whom a message to the factory is also for, and the message itself (RFC 5365); without a list it is all message.
///
/// # Errors
/// As [`Said::read`], and 400 for a body whose parts or whose list cannot be read.
pub(super) fn read_with_recipients(request: &Message) -> Result<(Vec<Aor>, Said), Refusal> {
    let malformed = |error| Refusal::new(400, Word::MalformedRequest, format!("a list of recipients: {error}"));
    let content_type = request.header_text(HeaderName::ContentType).unwrap_or_default();
    let Some(parts) = Part::read_all(content_type, request.body()).map_err(malformed)? else {
        return Ok((Vec::new(), Said::read(request)?));
    };
    let is_list = |part: &&Part<'_>| part.media_type() == resource_lists::CONTENT_TYPE;
    let mut recipients = Vec::new();
    for part in parts.iter().filter(is_list) {
        let list = ResourceList::parse(part.body).map_err(malformed)?;
        let addresses = list.entries.iter().map(|entry| Uri::parse(&entry.uri).and_then(|uri| Aor::from_uri(&uri)));
        for address in addresses {
            recipients.push(address.map_err(|error| {
                Refusal::new(400, Word::MalformedRequest, format!("a recipient's address: {error}"))
            })?);
        }
    }
    let text = parts.iter().find(|part| !is_list(part)).ok_or_else(|| unsupported("recipients without a message"))?;
    Ok((recipients, Said::of(text.header("Content-Type").unwrap_or("text/plain"), text.body, false)?))
}

fn unsupported(what: &str) -> Refusal {
    Refusal::new(415, Word::MediaTypeUnsupported, format!("a conference passes on no {what}"))
        .with_header(HeaderName::Accept, ACCEPT_TYPES.join(", "))
}

fn is_cpim(content_type: &str) -> bool {
    media_type(content_type) == cpim::CONTENT_TYPE
}

fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
