//! `application/im-iscomposing+xml`: somebody is typing (RFC 3994).

use crate::DocumentError;
use crate::bounds::{read_text, read_uri};
use crate::xml::print::{Output, document, write_text};
use crate::xml::{self, Element, Namespace};

/// One document. What [`IsComposing::parse`] gives, [`IsComposing::print`] prints such that it is read back as the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IsComposing {
    pub state: ComposingState,
    /// As it was written; an RFC 3339 date and time if the sender keeps to the standard.
    pub last_active: Option<String>,
    /// The media type of what is being composed, or a first part of one such as `text`.
    pub content_type: Option<String>,
    /// How long `active` holds where nothing more is said; 120 if there is none. Not 0.
    pub refresh_secs: Option<u32>,
}

/// Another word than these is as good as `idle` (RFC 3994 section 3).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum ComposingState {
    Active,
    #[default]
    Idle,
}

impl IsComposing {
    /// Source: RFC 3994 sections 4 and 6. Only [`crate::pidf::BYTES_MAX`] bytes in UTF-8, without a document type.
    pub fn parse(bytes: &[u8]) -> Result<IsComposing, DocumentError> {
        let root = xml::read(bytes)?;
        if !root.is(Namespace::IsComposing, "isComposing") {
            return Err(DocumentError::Root("isComposing of urn:ietf:params:xml:ns:im-iscomposing"));
        }
        let child = |name| root.child(Namespace::IsComposing, name);
        let state = child("state").ok_or(DocumentError::Missing("state"))?;
        Ok(IsComposing {
            state: ComposingState::read(state),
            last_active: child("lastactive").map(|child| read_text(&child.text, "lastactive")).transpose()?,
            content_type: child("contenttype").map(|child| read_uri(&child.text, "contenttype")).transpose()?,
            refresh_secs: child("refresh").map(read_refresh).transpose()?,
        })
    }

    /// An XML document of one line, in the order of the schema.
    pub fn print(&self) -> String {
        document(|output| {
            let root = output.create_element("isComposing").with_attribute(("xmlns", Namespace::IsComposing.uri()));
            root.write_inner_content(|output| self.write(output))?;
            Ok(())
        })
    }

    fn write(&self, output: &mut Output) -> std::io::Result<()> {
        write_text(output, "state", self.state.as_str())?;
        self.last_active.iter().try_for_each(|when| write_text(output, "lastactive", when))?;
        self.content_type.iter().try_for_each(|media_type| write_text(output, "contenttype", media_type))?;
        self.refresh_secs.iter().try_for_each(|secs| write_text(output, "refresh", &secs.to_string()))
    }
}

impl ComposingState {
    fn read(element: &Element) -> ComposingState {
        match element.text.trim() {
            "active" => ComposingState::Active,
            _ => ComposingState::Idle,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            ComposingState::Active => "active",
            ComposingState::Idle => "idle",
        }
    }
}

fn read_refresh(element: &Element) -> Result<u32, DocumentError> {
    let secs = element.text.trim().parse().ok().filter(|secs| *secs > 0);
    secs.ok_or(DocumentError::Malformed("refresh"))
}

/// For Content-Type and Accept.
pub const CONTENT_TYPE: &str = "application/im-iscomposing+xml";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{XorShift, mutate};

    const ACTIVE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
        <isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>active</state>\
        <lastactive>2026-03-02T09:00:00Z</lastactive><contenttype>text/plain</contenttype><refresh>90</refresh>\
        </isComposing>";

    fn active() -> IsComposing {
        IsComposing {
            state: ComposingState::Active,
            last_active: Some("2026-03-02T09:00:00Z".into()),
            content_type: Some("text/plain".into()),
            refresh_secs: Some(90),
        }
    }

    fn inside(inner: &str) -> Result<IsComposing, DocumentError> {
        let text = format!("<c:isComposing xmlns:c='urn:ietf:params:xml:ns:im-iscomposing'>{inner}</c:isComposing>");
        IsComposing::parse(text.as_bytes())
    }

    #[test]
    fn as_it_is_printed_and_read() {
        assert_eq!(active().print(), ACTIVE);
        assert_eq!(IsComposing::parse(ACTIVE.as_bytes()), Ok(active()));
        let idle = IsComposing::default();
        assert!(idle.print().ends_with("><state>idle</state></isComposing>"));
        assert_eq!(IsComposing::parse(idle.print().as_bytes()), Ok(idle));
    }

    #[test]
    fn another_state_is_idle_and_none_is_refused() {
        assert_eq!(inside("<c:state>\n active </c:state><c:mood/>").map(|read| read.state), Ok(ComposingState::Active));
        for word in ["dreaming", "", "ACTIVE"] {
            assert_eq!(inside(&format!("<c:state>{word}</c:state>")), Ok(IsComposing::default()), "{word}");
        }
        assert_eq!(inside("<state>active</state>"), Err(DocumentError::Missing("state")));
        assert!(matches!(IsComposing::parse(b"<isComposing/>"), Err(DocumentError::Root(_))));
    }

    #[test]
    fn malformed_values() {
        for secs in ["0", "-1", "1.5", "", "4294967296"] {
            let read = inside(&format!("<c:state>active</c:state><c:refresh>{secs}</c:refresh>"));
            assert_eq!(read, Err(DocumentError::Malformed("refresh")), "{secs}");
        }
        let split = inside("<c:state>active</c:state><c:contenttype>text/plain&#13;&#10;X: y</c:contenttype>");
        assert_eq!(split, Err(DocumentError::Malformed("contenttype")));
    }

    /// Whatever comes out, nothing panics, and what was read is read again from print.
    #[test]
    fn mutations_never_panic() {
        let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
        let mut survivors = 0;
        for round in 0..4_000 {
            let mut bytes = ACTIVE.as_bytes().to_vec();
            for _ in 0..=random.below(3) {
                mutate(&mut bytes, &mut random);
            }
            if let Ok(read) = IsComposing::parse(&bytes) {
                survivors += 1;
                assert_eq!(IsComposing::parse(read.print().as_bytes()).as_ref(), Ok(&read), "round {round}");
            }
        }
        assert!(survivors > 200, "too few mutations were still documents: {survivors}");
    }
}
