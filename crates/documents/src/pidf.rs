//! `application/pidf+xml`: a presentity's presence (RFC 3863), with the person of the data model (RFC 4479) and what the
//! person is doing (RPID, RFC 4480).
//!
//! Elements of other namespaces, and those of RPID but activities, are skipped: they are not kept and not printed.

mod print;
#[cfg(test)]
mod tests;

use crate::DocumentError;
use crate::bounds::{check_chars, push_bounded, read_text, read_uri};
use crate::xml::{self, Element, Namespace};

/// One document. What [`Pidf::parse`] gives, [`Pidf::print`] prints such that it is read back as the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pidf {
    /// Whose presence it is: a URI such as `sip:alice@contoso.example`. What the document claims, not who sent it.
    pub entity: String,
    pub tuples: Vec<Tuple>,
    /// All persons of the document in one, with the first one's id: RFC 4479 3.2 knows one human for a presentity.
    pub person: Option<Person>,
    /// About the presentity as a whole.
    pub notes: Vec<String>,
}

/// A way to reach the presentity, mostly a device (RFC 3863 4.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuple {
    /// Unique in the document, which is not checked.
    pub id: String,
    /// None also for a word other than open and closed.
    pub basic: Option<Basic>,
    pub contact: Option<Contact>,
    pub notes: Vec<String>,
    /// As it was written; an RFC 3339 date and time if the sender keeps to the standard.
    pub timestamp: Option<String>,
}

/// RFC 3863 4.1.4: whether instant messages, and by custom calls, are taken.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Basic {
    Open,
    Closed,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Without blanks or control characters; any scheme.
    pub uri: String,
    /// 0 to 1000; what is written with more than three decimals is cut.
    pub priority_thousandths: Option<u16>,
}

/// The human (RFC 4479 3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Empty if there was none.
    pub id: String,
    /// Each once, in the order in which they were written.
    pub activities: Vec<Activity>,
    /// Those of the person and of the activities.
    pub notes: Vec<String>,
}

/// RFC 4480 3.2. `Unknown` holds the name of any other activity of RPID, such as `vacation`, `other` or `unknown`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activity {
    OnThePhone,
    Meeting,
    Away,
    Busy,
    Unknown(String),
}

impl Pidf {
    /// Source: RFC 3863 4, RFC 4479 5, RFC 4480 5. Only [`BYTES_MAX`] bytes in UTF-8, without a document type.
    pub fn parse(bytes: &[u8]) -> Result<Pidf, DocumentError> {
        let root = xml::read(bytes)?;
        if !root.is(Namespace::Pidf, "presence") {
            return Err(DocumentError::Root("presence of urn:ietf:params:xml:ns:pidf"));
        }
        let entity = root.attribute("entity").ok_or(DocumentError::Missing("entity"))?;
        let mut pidf = Pidf { entity: read_uri(entity, "entity")?, ..Pidf::default() };
        for child in &root.children {
            match (child.namespace, child.name.as_str()) {
                (Namespace::Pidf, "tuple") => {
                    push_bounded(&mut pidf.tuples, Tuple::read(child)?, "tuples", TUPLES_MAX)?;
                }
                (Namespace::Pidf, "note") => push_note(&mut pidf.notes, child)?,
                (Namespace::DataModel, "person") => match &mut pidf.person {
                    Some(person) => person.extend(child)?,
                    None => pidf.person = Some(Person::read(child)?),
                },
                _ => {}
            }
        }
        Ok(pidf)
    }

    /// An XML document of one line, with the prefixes that phones look for. Whatever XML cannot hold, such as a control
    /// character, becomes U+FFFD; an activity whose name could be no element becomes `unknown`.
    pub fn print(&self) -> String {
        print::print(self)
    }
}

impl Tuple {
    fn read(element: &Element) -> Result<Tuple, DocumentError> {
        let id = element.attribute("id").ok_or(DocumentError::Missing("id of a tuple"))?;
        let mut tuple = Tuple { id: read_text(id, "id of a tuple")?, ..Tuple::default() };
        if tuple.id.is_empty() {
            return Err(DocumentError::Malformed("id of a tuple"));
        }
        for child in element.children.iter().filter(|child| child.namespace == Namespace::Pidf) {
            match child.name.as_str() {
                "status" => tuple.basic = child.child(Namespace::Pidf, "basic").and_then(Basic::read),
                "contact" => tuple.contact = Contact::read(child)?,
                "note" => push_note(&mut tuple.notes, child)?,
                "timestamp" => tuple.timestamp = Some(read_text(&child.text, "timestamp")?),
                _ => {}
            }
        }
        Ok(tuple)
    }
}

impl Basic {
    // COMPAT(baresip 1.0): says "?" or "unknown" as long as its user has said nothing.
    fn read(element: &Element) -> Option<Basic> {
        match element.text.trim() {
            "open" => Some(Basic::Open),
            "closed" => Some(Basic::Closed),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Basic::Open => "open",
            Basic::Closed => "closed",
        }
    }
}

impl Contact {
    /// None if it is empty, which RFC 3863 allows and which says nothing.
    fn read(element: &Element) -> Result<Option<Contact>, DocumentError> {
        if element.text.trim().is_empty() {
            return Ok(None);
        }
        let uri = read_uri(&element.text, "contact")?;
        let priority_thousandths = element.attribute("priority").map(read_thousandths).transpose()?;
        Ok(Some(Contact { uri, priority_thousandths }))
    }
}

impl Person {
    // COMPAT(Asterisk 12): writes no id, which RFC 4479 demands.
    fn read(element: &Element) -> Result<Person, DocumentError> {
        let id = read_text(element.attribute("id").unwrap_or_default(), "id of a person")?;
        let mut person = Person { id, ..Person::default() };
        person.extend(element)?;
        Ok(person)
    }

    fn extend(&mut self, element: &Element) -> Result<(), DocumentError> {
        for child in &element.children {
            match (child.namespace, child.name.as_str()) {
                (Namespace::Rpid, "activities") => self.extend_activities(child)?,
                (Namespace::DataModel | Namespace::Pidf, "note") => push_note(&mut self.notes, child)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn extend_activities(&mut self, element: &Element) -> Result<(), DocumentError> {
        for child in element.children.iter().filter(|child| child.namespace == Namespace::Rpid) {
            if child.name == "note" {
                push_note(&mut self.notes, child)?;
            } else if let Some(activity) = Activity::read(&child.name)
                && !self.activities.contains(&activity)
            {
                push_bounded(&mut self.activities, activity, "activities", ACTIVITIES_MAX)?;
            }
        }
        Ok(())
    }
}

impl Activity {
    /// None for a name that RPID, and what extends it, would not use.
    fn read(name: &str) -> Option<Activity> {
        match name {
            "on-the-phone" => Some(Activity::OnThePhone),
            "meeting" => Some(Activity::Meeting),
            "away" => Some(Activity::Away),
            "busy" => Some(Activity::Busy),
            name => is_activity_name(name).then(|| Activity::Unknown(name.to_owned())),
        }
    }

    /// The name of its element in RPID.
    pub fn as_str(&self) -> &str {
        match self {
            Activity::OnThePhone => "on-the-phone",
            Activity::Meeting => "meeting",
            Activity::Away => "away",
            Activity::Busy => "busy",
            Activity::Unknown(name) if is_activity_name(name) => name,
            Activity::Unknown(_) => "unknown",
        }
    }
}

/// A name in ASCII that needs no escape, and is not the note among the activities.
fn is_activity_name(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name.len() <= TEXT_CHARS_MAX
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
        && name != "note"
}

/// A decimal from 0 to 1.
fn read_thousandths(text: &str) -> Result<u16, DocumentError> {
    let malformed = DocumentError::Malformed("priority of a contact");
    let (whole, decimals) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    if !decimals.bytes().all(|digit| digit.is_ascii_digit()) || decimals.is_empty() {
        return Err(malformed);
    }
    let digits = decimals.bytes().chain(*b"00").take(3);
    let below_one = digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match whole {
        "0" => Ok(below_one),
        "1" if decimals.bytes().all(|digit| digit == b'0') => Ok(1000),
        _ => Err(malformed),
    }
}

/// A note is kept with its blanks: it is for people.
fn push_note(notes: &mut Vec<String>, element: &Element) -> Result<(), DocumentError> {
    check_chars(&element.text, "note", NOTE_CHARS_MAX)?;
    push_bounded(notes, element.text.clone(), "notes", NOTES_MAX)
}

/// For Content-Type and Accept; without parameters, since a document is UTF-8 unless it says otherwise.
pub const CONTENT_TYPE: &str = "application/pidf+xml";
/// Of a document, as [`Pidf::parse`] takes it.
pub const BYTES_MAX: usize = xml::BYTES_MAX;
pub const TUPLES_MAX: usize = 32;
/// Of each that has notes: the presentity, a tuple, the person.
pub const NOTES_MAX: usize = 16;
pub const NOTE_CHARS_MAX: usize = 1024;
pub const ACTIVITIES_MAX: usize = 16;
/// Of a URI, an id or a timestamp.
pub use crate::bounds::TEXT_CHARS_MAX;
