//! What all documents print alike.

use std::borrow::Cow;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::is_allowed;

pub(crate) type Output = Writer<Vec<u8>>;

/// A document of one line.
pub(crate) fn document(write_root: impl FnOnce(&mut Output) -> io::Result<()>) -> String {
    let mut output = Writer::new(Vec::new());
    let declared = output.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
    declared.and_then(|()| write_root(&mut output)).expect("a vector takes all that is written");
    String::from_utf8(output.into_inner()).expect("only strings were written")
}

pub(crate) fn write_text(output: &mut Output, name: &str, text: &str) -> io::Result<()> {
    output.create_element(name).write_text_content(BytesText::new(&allowed(text)))?;
    Ok(())
}

/// Escaping helps no character that XML forbids (XML 1.0, 2.2).
pub(crate) fn allowed(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_allowed) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|letter| if is_allowed(letter) { letter } else { char::REPLACEMENT_CHARACTER }).collect()
}
