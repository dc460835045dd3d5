//! What the devices of one user published, each under its entity-tag until it runs out (RFC 3903 sections 4 and 6).

use std::time::{Duration, Instant};

use documents::pidf::{CONTENT_TYPE, Pidf};
use sip::refusal::Word;
use sip::{HeaderName, Message, Refusal};

use crate::PresenceLimits;
use crate::agent::{PRESENCE, malformed};

/// A PUBLISH that was accepted: what its 200 says in SIP-ETag and Expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub etag: String,
    /// 0 for one that was removed.
    pub expires_secs: u32,
}

/// What a PUBLISH asks for.
pub(crate) struct Publish {
    /// The publication that it refreshes, modifies or removes; `None` for a new one.
    if_match: Option<String>,
    pub expires_secs: u32,
    document: Option<Pidf>,
}

/// The publications of one user, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct EventState {
    publications: Vec<Publication>,
}

#[derive(Debug)]
struct Publication {
    etag: String,
    document: Pidf,
    expires_at: Instant,
}

impl Publish {
    /// # Errors
    /// 489 for another event package, 423 for too short an interval, 413 and 415 for the body, 400 for what does not
    /// parse and for a new publication of nothing.
    pub fn read(request: &Message, limits: &PresenceLimits) -> Result<Publish, Refusal> {
        PRESENCE.check_event(request)?;
        let if_match = request.sip_if_match().map_err(malformed)?.map(str::to_owned);
        let expires_secs = limits.notifier().grant(request.expires().map_err(malformed)?)?;
        let document = match request.body() {
            [] => None,
            body => Some(read_document(request, body, limits)?),
        };
        if if_match.is_none() && document.is_none() {
            return Err(Refusal::new(400, Word::MalformedRequest, "a new publication without a body"));
        }
        Ok(Publish { if_match, expires_secs, document })
    }
}

impl EventState {
    /// Applies a PUBLISH; what it leaves is known by `etag` from now on.
    ///
    /// # Errors
    /// 412 where no live publication has the entity-tag, 503 beyond `publications_per_user_max`.
    pub fn apply(
        &mut self,
        now: Instant,
        publish: Publish,
        etag: &str,
        limits: &PresenceLimits,
    ) -> Result<(), Refusal> {
        let replaced = match &publish.if_match {
            Some(tag) => Some(self.position(tag)?),
            None => None,
        };
        if publish.expires_secs == 0 {
            replaced.map(|index| self.publications.remove(index));
            return Ok(());
        }
        let expires_at = now + Duration::from_secs(u64::from(publish.expires_secs));
        match (replaced, publish.document) {
            (Some(index), document) => {
                let old = &mut self.publications[index];
                old.etag = etag.to_owned();
                old.expires_at = expires_at;
                // Without a body it is a refresh: the document stays.
                old.document = document.unwrap_or_else(|| std::mem::take(&mut old.document));
            }
            (None, Some(document)) => {
                limits.check_publications(self.publications.len())?;
                self.publications.push(Publication { etag: etag.to_owned(), document, expires_at });
            }
            (None, None) => {}
        }
        Ok(())
    }

    pub fn expire(&mut self, now: Instant) {
        self.publications.retain(|publication| publication.expires_at > now);
    }

    /// When the next one runs out.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.publications.iter().map(|publication| publication.expires_at).min()
    }

    pub fn documents(&self) -> Vec<&Pidf> {
        self.publications.iter().map(|publication| &publication.document).collect()
    }

    pub fn len(&self) -> usize {
        self.publications.len()
    }

    fn position(&self, tag: &str) -> Result<usize, Refusal> {
        let found = self.publications.iter().position(|publication| publication.etag == tag);
        found.ok_or_else(|| Refusal::new(412, Word::PublicationUnknown, "no live publication has that entity-tag"))
    }
}

fn read_document(request: &Message, body: &[u8], limits: &PresenceLimits) -> Result<Pidf, Refusal> {
    let media_type = request.header_text(HeaderName::ContentType).unwrap_or_default();
    let is_pidf = media_type.split(';').next().is_some_and(|text| text.trim().eq_ignore_ascii_case(CONTENT_TYPE));
    if !is_pidf {
        return Err(Refusal::new(415, Word::MediaTypeUnsupported, "the body is no presence document")
            .with_header(HeaderName::Accept, CONTENT_TYPE.to_owned()));
    }
    if body.len() > limits.document_bytes_max {
        let reason = format!("{} bytes, at most {}", body.len(), limits.document_bytes_max);
        return Err(Refusal::new(413, Word::MessageTooLarge, reason));
    }
    Pidf::parse(body).map_err(|error| Refusal::new(400, Word::MalformedRequest, format!("the document: {error}")))
}
