//! `application/resource-lists+xml`: a list of URIs (RFC 4826), such as those whom a new conference is to invite (RFC 5366).
//!
//! Lists within lists are read as one. `external`, `entry-ref` and copy control (RFC 5364) are skipped: we follow no
//! references, and in a conference nobody is copied blind.

use std::collections::BTreeSet;

use crate::DocumentError;
use crate::bounds::{TEXT_CHARS_MAX, check_chars, push_bounded, read_uri};
use crate::xml::print::{Output, allowed, document, write_text};
use crate::xml::{self, Element, Namespace};

/// One document. What [`ResourceList::parse`] gives, [`ResourceList::print`] prints such that it is read back as the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceList {
    /// Each URI once, in the order in which they were written.
    pub entries: Vec<ResourceEntry>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceEntry {
    pub uri: String,
    pub display_name: Option<String>,
}

impl ResourceList {
    /// Source: RFC 4826 section 3. Only [`crate::pidf::BYTES_MAX`] bytes in UTF-8, without a document type.
    pub fn parse(bytes: &[u8]) -> Result<ResourceList, DocumentError> {
        let root = xml::read(bytes)?;
        if !root.is(Namespace::ResourceLists, "resource-lists") {
            return Err(DocumentError::Root("resource-lists of urn:ietf:params:xml:ns:resource-lists"));
        }
        let mut list = ResourceList::default();
        let mut known = BTreeSet::new();
        for child in root.children.iter().filter(|child| child.is(Namespace::ResourceLists, "list")) {
            list.extend(child, &mut known)?;
        }
        Ok(list)
    }

    /// An XML document of one line, with one list.
    pub fn print(&self) -> String {
        document(|output| {
            let root =
                output.create_element("resource-lists").with_attribute(("xmlns", Namespace::ResourceLists.uri()));
            root.write_inner_content(|output| {
                output.create_element("list").write_inner_content(|output| {
                    self.entries.iter().try_for_each(|entry| write_entry(output, entry))
                })?;
                Ok(())
            })?;
            Ok(())
        })
    }

    /// No deeper than the reader below lets elements be inside each other.
    fn extend(&mut self, list: &Element, known: &mut BTreeSet<String>) -> Result<(), DocumentError> {
        for child in list.children.iter().filter(|child| child.namespace == Namespace::ResourceLists) {
            match child.name.as_str() {
                "list" => self.extend(child, known)?,
                "entry" => {
                    let entry = ResourceEntry::read(child)?;
                    if known.insert(entry.uri.clone()) {
                        push_bounded(&mut self.entries, entry, "entries", ENTRIES_MAX)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl ResourceEntry {
    fn read(element: &Element) -> Result<ResourceEntry, DocumentError> {
        let uri = element.attribute("uri").ok_or(DocumentError::Missing("uri of an entry"))?;
        let name = element.child(Namespace::ResourceLists, "display-name").map(|child| child.text.clone());
        check_chars(name.as_deref().unwrap_or_default(), "display-name", TEXT_CHARS_MAX)?;
        Ok(ResourceEntry { uri: read_uri(uri, "uri of an entry")?, display_name: name })
    }
}

fn write_entry(output: &mut Output, entry: &ResourceEntry) -> std::io::Result<()> {
    let element = output.create_element("entry").with_attribute(("uri", allowed(&entry.uri)));
    element.write_inner_content(|output| {
        entry.display_name.iter().try_for_each(|name| write_text(output, "display-name", name))
    })?;
    Ok(())
}

/// For Content-Type and Accept.
pub const CONTENT_TYPE: &str = "application/resource-lists+xml";
/// The Content-Disposition of those whom a request is for (RFC 5363).
pub const DISPOSITION: &str = "recipient-list";
/// Different URIs, over all lists.
pub const ENTRIES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{XorShift, mutate};

    /// In the manner of the example of RFC 5366, and with all that is skipped.
    const INVITED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
        <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\">\r\n\
        \x20<list>\r\n  <entry uri=\"sip:bill@example.com\" cp:copyControl=\"to\"/>\r\n\
        \x20 <entry uri=\"sip:randy@example.net\" cp:copyControl=\"bcc\" cp:anonymize=\"true\"><display-name>Randy</display-name>\
        </entry>\r\n  <entry-ref ref=\"resource-lists/users/x\"/><external anchor=\"https://example.com/list\"/>\r\n\
        \x20 <list name=\"more\"><entry uri=\"sip:joe@example.org\"/><entry uri=\"sip:bill@example.com\"/></list>\r\n\
        \x20</list>\r\n</resource-lists>";

    fn uris(list: &ResourceList) -> Vec<&str> {
        list.entries.iter().map(|entry| entry.uri.as_str()).collect()
    }

    fn inside(inner: &str) -> Result<ResourceList, DocumentError> {
        let text = format!("<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'>{inner}</resource-lists>");
        ResourceList::parse(text.as_bytes())
    }

    #[test]
    fn those_who_are_invited_each_once() {
        let list = ResourceList::parse(INVITED.as_bytes()).expect("a list");
        assert_eq!(uris(&list), ["sip:bill@example.com", "sip:randy@example.net", "sip:joe@example.org"]);
        assert_eq!(list.entries[1].display_name.as_deref(), Some("Randy"));
        assert_eq!(inside("<entry uri='sip:outside@a-list'/>"), Ok(ResourceList::default()));
    }

    #[test]
    fn as_it_is_printed() {
        let names = [("sip:a@b", None), ("sip:c@d", Some("C & <D>".to_owned()))];
        let entries = names.map(|(uri, display_name)| ResourceEntry { uri: uri.into(), display_name }).to_vec();
        let list = ResourceList { entries };
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
            <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list><entry uri=\"sip:a@b\"></entry>\
            <entry uri=\"sip:c@d\"><display-name>C &amp; &lt;D&gt;</display-name></entry></list></resource-lists>";
        assert_eq!(list.print(), expected);
        assert_eq!(ResourceList::parse(expected.as_bytes()), Ok(list));
    }

    #[test]
    fn limits_and_refusals() {
        let entries = |count: usize| (0..count).map(|n| format!("<entry uri='sip:u{n}@b'/>")).collect::<String>();
        let list = |count: usize| inside(&format!("<list>{}</list>", entries(count)));
        assert_eq!(list(ENTRIES_MAX).map(|list| list.entries.len()), Ok(ENTRIES_MAX));
        assert_eq!(list(ENTRIES_MAX + 1), Err(DocumentError::TooMany { what: "entries", max: ENTRIES_MAX }));
        let two = format!("<list>{}</list><list><entry uri='sip:one@more'/></list>", entries(ENTRIES_MAX));
        assert_eq!(inside(&two), Err(DocumentError::TooMany { what: "entries", max: ENTRIES_MAX }));
        let nested = |depth: usize| inside(&("<list>".repeat(depth) + &"</list>".repeat(depth)));
        assert!(nested(31).is_ok());
        assert!(matches!(nested(32), Err(DocumentError::TooMany { what: "elements inside each other", .. })));
        assert_eq!(inside("<list><entry/></list>"), Err(DocumentError::Missing("uri of an entry")));
        let split = inside("<list><entry uri='sip:a@b&#13;&#10;X: y'/></list>");
        assert_eq!(split, Err(DocumentError::Malformed("uri of an entry")));
        let long =
            inside(&format!("<list><entry uri='a:b'><display-name>{}</display-name></entry></list>", "x".repeat(513)));
        assert_eq!(long, Err(DocumentError::TooLong { what: "display-name", max: 512 }));
        assert!(matches!(ResourceList::parse(b"<resource-lists/>"), Err(DocumentError::Root(_))));
    }

    /// Whatever comes out, nothing panics, and what was read is read again from print.
    #[test]
    fn mutations_never_panic() {
        let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
        let mut survivors = 0;
        for round in 0..4_000 {
            let mut bytes = INVITED.as_bytes().to_vec();
            for _ in 0..=random.below(3) {
                mutate(&mut bytes, &mut random);
            }
            if let Ok(list) = ResourceList::parse(&bytes) {
                survivors += 1;
                assert_eq!(ResourceList::parse(list.print().as_bytes()).as_ref(), Ok(&list), "round {round}");
            }
        }
        assert!(survivors > 200, "too few mutations were still documents: {survivors}");
    }
}
