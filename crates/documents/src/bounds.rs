//! Values of documents, read within limits.

use crate::DocumentError;

/// Without blanks around it, and none or control characters in it.
pub(crate) fn read_uri(text: &str, what: &'static str) -> Result<String, DocumentError> {
    let uri = read_text(text, what)?;
    if uri.is_empty() || uri.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(DocumentError::Malformed(what));
    }
    Ok(uri)
}

pub(crate) fn read_text(text: &str, what: &'static str) -> Result<String, DocumentError> {
    check_chars(text.trim(), what, TEXT_CHARS_MAX)?;
    Ok(text.trim().to_owned())
}

pub(crate) fn check_chars(text: &str, what: &'static str, max: usize) -> Result<(), DocumentError> {
    if text.chars().count() > max {
        return Err(DocumentError::TooLong { what, max });
    }
    Ok(())
}

pub(crate) fn push_bounded<T>(
    list: &mut Vec<T>,
    value: T,
    what: &'static str,
    max: usize,
) -> Result<(), DocumentError> {
    if list.len() == max {
        return Err(DocumentError::TooMany { what, max });
    }
    list.push(value);
    Ok(())
}

/// Of a URI, an id or a timestamp.
pub const TEXT_CHARS_MAX: usize = 512;
