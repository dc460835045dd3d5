//! What is wrong with a body that is not the document it should be. Never holds the document's own words.

/// The body is no such document. Answer 400, or leave it unread; `at` counts bytes from the document's start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// One of the limits of [`crate::pidf`] or of the reader below it.
    #[error("too many {what}: at most {max}")]
    TooMany { what: &'static str, max: usize },
    #[error("{what} too long: at most {max} characters")]
    TooLong { what: &'static str, max: usize },
    #[error("not UTF-8; documents are read in UTF-8 only")]
    NotUtf8,
    /// XML 1.0, 2.2: a control character or a noncharacter, as it is or as a numeric reference.
    #[error("a character that XML does not allow, at byte {at}")]
    Character { at: usize },
    /// Neither numeric nor one of the five predefined (XML 1.0, 4.6); nothing else is ever expanded.
    #[error("an entity that is not predefined, at byte {at}")]
    Entity { at: usize },
    #[error("a document type declaration at byte {at}; remove it, none is accepted")]
    DocumentType { at: usize },
    #[error("not well-formed XML at byte {at}: {what}")]
    IllFormed { at: usize, what: &'static str },
    /// The root element, by namespace and name, is another one.
    #[error("the root is not {0}")]
    Root(&'static str),
    #[error("no {0}")]
    Missing(&'static str),
    #[error("malformed {0}")]
    Malformed(&'static str),
}
