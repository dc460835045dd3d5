//! A bounded tree of elements, read from bytes. Names are told apart by namespace, never by prefix.
//!
//! Not kept: comments, processing instructions, and the order of text among children.

pub(crate) mod print;

use std::borrow::Cow;

use quick_xml::escape::{EscapeError, resolve_xml_entity};
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::{Error, NsReader, XmlVersion};

use crate::DocumentError;

/// The namespaces that we read. `Other` also stands for no namespace and for a prefix that nobody declared.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    Pidf,
    DataModel,
    Rpid,
    ConferenceInfo,
    IsComposing,
    ResourceLists,
    Other,
}

impl Namespace {
    const KNOWN: [Namespace; 6] = [
        Namespace::Pidf,
        Namespace::DataModel,
        Namespace::Rpid,
        Namespace::ConferenceInfo,
        Namespace::IsComposing,
        Namespace::ResourceLists,
    ];

    /// Empty for `Other`, which has no one name.
    pub(crate) fn uri(self) -> &'static str {
        match self {
            Namespace::Pidf => "urn:ietf:params:xml:ns:pidf",
            Namespace::DataModel => "urn:ietf:params:xml:ns:pidf:data-model",
            Namespace::Rpid => "urn:ietf:params:xml:ns:pidf:rpid",
            Namespace::ConferenceInfo => "urn:ietf:params:xml:ns:conference-info",
            Namespace::IsComposing => "urn:ietf:params:xml:ns:im-iscomposing",
            Namespace::ResourceLists => "urn:ietf:params:xml:ns:resource-lists",
            Namespace::Other => "",
        }
    }

    fn of(resolved: &ResolveResult<'_>) -> Namespace {
        let ResolveResult::Bound(bound) = resolved else { return Namespace::Other };
        Namespace::KNOWN.into_iter().find(|namespace| namespace.uri() == bound.0).unwrap_or(Namespace::Other)
    }
}

#[derive(Debug)]
pub(crate) struct Element {
    pub namespace: Namespace,
    /// Without the prefix.
    pub name: String,
    /// All text directly inside, references resolved, line ends as `\n`.
    pub text: String,
    pub children: Vec<Element>,
    /// By name as written: what we read of attributes has no prefix, thus no namespace.
    attributes: Vec<(String, String)>,
}

impl Element {
    pub fn is(&self, namespace: Namespace, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    pub fn child(&self, namespace: Namespace, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.is(namespace, name))
    }

    /// The value of an attribute without a prefix, normalised (XML 1.0, 3.3.3).
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn read(start: &BytesStart<'_>, namespace: Namespace, at: usize) -> Result<Element, DocumentError> {
        let mut attributes = Vec::new();
        for (count, attribute) in start.attributes().enumerate() {
            if count == ATTRIBUTES_MAX {
                return Err(DocumentError::TooMany { what: "attributes of an element", max: ATTRIBUTES_MAX });
            }
            let attribute = attribute.map_err(|error| refuse(&error.into(), at))?;
            let value = attribute
                .normalized_value_with(XmlVersion::Explicit1_0, 1, resolve_xml_entity)
                .map_err(|error| refuse(&error, at))?;
            check_characters(&value, at)?;
            attributes.push((attribute.key.0.to_owned(), value.into_owned()));
        }
        let name = start.local_name().as_ref().to_owned();
        Ok(Element { namespace, name, text: String::new(), children: Vec::new(), attributes })
    }
}

/// Reads a whole document; the root is all that is left of it.
pub(crate) fn read(bytes: &[u8]) -> Result<Element, DocumentError> {
    read_within(bytes, ELEMENTS_MAX)
}

/// For documents that have many small elements.
pub(crate) fn read_within(bytes: &[u8], elements_max: usize) -> Result<Element, DocumentError> {
    if bytes.len() > BYTES_MAX {
        return Err(DocumentError::TooMany { what: "bytes", max: BYTES_MAX });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| DocumentError::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_characters(text, 0)?;
    let mut reader = NsReader::from_str(text);
    reader.config_mut().enable_all_checks(true);
    reader.config_mut().expand_empty_elements = true;
    reader.resolver_mut().set_max_namespace_bindings(NAMESPACES_MAX);
    let mut tree = Tree { elements_max, ..Tree::default() };
    loop {
        // No larger than BYTES_MAX.
        let at = reader.buffer_position() as usize;
        let (resolved, event) = reader.read_resolved_event().map_err(|error| refuse(&error, at))?;
        if event == Event::Eof {
            return tree.finish(at);
        }
        tree.handle_event(event, Namespace::of(&resolved), at)?;
    }
}

/// What has been read so far.
#[derive(Default)]
struct Tree {
    /// From the root inwards.
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
    elements_max: usize,
    declared: bool,
}

impl Tree {
    fn handle_event(&mut self, event: Event<'_>, namespace: Namespace, at: usize) -> Result<(), DocumentError> {
        match event {
            Event::Start(start) | Event::Empty(start) => self.open(Element::read(&start, namespace, at)?, at),
            Event::End(_) => self.close(at),
            Event::Text(text) => self.add_text(&text.xml10_content(), at),
            Event::CData(text) => self.add_text(&text.xml10_content(), at),
            Event::GeneralRef(reference) => self.add_text(&resolve(&reference, at)?, at),
            Event::Decl(declaration) => self.declare(&declaration, at),
            Event::DocType(_) => Err(DocumentError::DocumentType { at }),
            Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn open(&mut self, element: Element, at: usize) -> Result<(), DocumentError> {
        if self.root.is_some() {
            return Err(DocumentError::IllFormed { at, what: "more than one root" });
        }
        if self.open.len() == DEPTH_MAX {
            return Err(DocumentError::TooMany { what: "elements inside each other", max: DEPTH_MAX });
        }
        if self.elements == self.elements_max {
            return Err(DocumentError::TooMany { what: "elements", max: self.elements_max });
        }
        self.elements += 1;
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self, at: usize) -> Result<(), DocumentError> {
        let element = self.open.pop().ok_or(DocumentError::IllFormed { at, what: "an end without a start" })?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn add_text(&mut self, text: &str, at: usize) -> Result<(), DocumentError> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(DocumentError::IllFormed { at, what: "text outside the root" }),
        }
        Ok(())
    }

    fn declare(&mut self, declaration: &BytesDecl<'_>, at: usize) -> Result<(), DocumentError> {
        if self.declared || self.elements > 0 {
            return Err(DocumentError::IllFormed { at, what: "a declaration that is not at the start" });
        }
        self.declared = true;
        if declaration.version().map_err(|error| refuse(&error, at))? != "1.0" {
            return Err(DocumentError::IllFormed { at, what: "a version other than 1.0" });
        }
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(encoding)) if is_utf8(&encoding) => Ok(()),
            Some(Ok(_)) => Err(DocumentError::NotUtf8),
            Some(Err(error)) => Err(refuse(&error.into(), at)),
        }
    }

    fn finish(self, at: usize) -> Result<Element, DocumentError> {
        match self.root {
            Some(root) => Ok(root),
            None if self.open.is_empty() => Err(DocumentError::IllFormed { at, what: "no root" }),
            None => Err(DocumentError::IllFormed { at, what: "it ends inside an element" }),
        }
    }
}

/// US-ASCII is a part of UTF-8; what a document says but does not keep is found by its bytes.
fn is_utf8(encoding: &str) -> bool {
    encoding.eq_ignore_ascii_case("UTF-8") || encoding.eq_ignore_ascii_case("US-ASCII")
}

fn resolve(reference: &BytesRef<'_>, at: usize) -> Result<Cow<'static, str>, DocumentError> {
    match reference.resolve_char_ref().map_err(|error| refuse(&error, at))? {
        Some(letter) if is_allowed(letter) => Ok(letter.to_string().into()),
        Some(_) => Err(DocumentError::Character { at }),
        None => resolve_xml_entity(reference).map(Cow::Borrowed).ok_or(DocumentError::Entity { at }),
    }
}

fn check_characters(text: &str, at: usize) -> Result<(), DocumentError> {
    match text.char_indices().find(|(_, letter)| !is_allowed(*letter)) {
        Some((offset, _)) => Err(DocumentError::Character { at: at + offset }),
        None => Ok(()),
    }
}

/// `Char` of XML 1.0, 2.2.
pub(crate) fn is_allowed(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// Without the reader's own words: they may quote the document.
fn refuse(error: &Error, at: usize) -> DocumentError {
    let what = match error {
        Error::Escape(EscapeError::InvalidCharRef(_)) => return DocumentError::Character { at },
        Error::Escape(EscapeError::UnrecognizedEntity(..)) => return DocumentError::Entity { at },
        Error::Escape(_) => "an entity without an end",
        Error::Syntax(_) => "a tag, comment, section or instruction without an end",
        Error::InvalidAttr(_) => "malformed or repeated attributes",
        Error::Namespace(_) => "namespaces that may not be bound so, or too many",
        Error::IllFormed(_) => "tags that do not match, or a malformed declaration or comment",
        Error::Encoding(_) => return DocumentError::NotUtf8,
        Error::Io(_) => "it cannot be read",
    };
    DocumentError::IllFormed { at, what }
}

/// Of a whole document.
pub(crate) const BYTES_MAX: usize = 64 * 1024;
/// Elements inside each other, the root counted.
pub(crate) const DEPTH_MAX: usize = 32;
pub(crate) const ELEMENTS_MAX: usize = 1024;
/// Of one element; the reader compares each with those before it.
pub(crate) const ATTRIBUTES_MAX: usize = 32;
/// Bound at one place; each prefix is looked up among them.
pub(crate) const NAMESPACES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> DocumentError {
        read(text.as_bytes()).expect_err(text)
    }

    fn ill_formed(text: &str) -> bool {
        matches!(refused(text), DocumentError::IllFormed { .. })
    }

    #[test]
    fn text_and_attributes_are_resolved() {
        let root = read(b"<a b='&lt;&#65;&#x42;&quot;\n' c:d='e'>1&amp;&#9731;\r\n<![CDATA[<&gt;]]><!-- --><?x?> </a>");
        let root = root.expect("well-formed");
        assert_eq!((root.attribute("b"), root.attribute("d")), (Some("<AB\" "), None));
        assert_eq!(root.text, "1&\u{2603}\n<&gt; ");
    }

    #[test]
    fn nothing_but_the_predefined_is_expanded() {
        assert_eq!(refused("<a>&bomb;</a>"), DocumentError::Entity { at: 3 });
        assert_eq!(refused("<a b='&bomb;'/>"), DocumentError::Entity { at: 0 });
        assert_eq!(refused("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), DocumentError::DocumentType { at: 0 });
        assert!(ill_formed("<a>& b</a>") && ill_formed("<a b='&lt'/>"));
    }

    #[test]
    fn characters_that_xml_does_not_allow() {
        for text in ["<a>\0</a>", "<a>\u{1b}</a>", "<a>\u{fffe}</a>", "<a>&#0;</a>", "<a>&#8;</a>", "<a>&#xD800;</a>"] {
            assert_eq!(refused(text), DocumentError::Character { at: 3 });
        }
        assert_eq!(refused("<a b='&#1;'/>"), DocumentError::Character { at: 0 });
        assert!(read("<a>\t\u{7f}\u{fffd}\u{10ffff}</a>".as_bytes()).is_ok());
    }

    #[test]
    fn one_encoding() {
        assert!(read(b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?><a/>").is_ok());
        assert!(read(b"\r\n<?xml version=\"1.0\"?>\r\n<a/>\r\n").is_ok());
        assert_eq!(refused("<?xml version='1.0' encoding='ISO-8859-1'?><a/>"), DocumentError::NotUtf8);
        assert_eq!(read(b"<a>\xe9</a>").expect_err("Latin-1"), DocumentError::NotUtf8);
        assert!(
            ill_formed("<?xml version='1.1'?><a/>") && ill_formed("<?xml version='1.0'?><?xml version='1.0'?><a/>")
        );
    }

    #[test]
    fn what_is_no_document() {
        for text in ["", " ", "a", "<a>", "</a>", "<a/><b/>", "<a/>b", "<a></b>", "<a b='1' b='2'/>", "<a><b></a></b>"]
        {
            assert!(ill_formed(text), "{text}");
        }
    }

    #[test]
    fn limits() {
        let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(read(nested(DEPTH_MAX).as_bytes()).is_ok());
        assert!(matches!(refused(&nested(DEPTH_MAX + 1)), DocumentError::TooMany { max: DEPTH_MAX, .. }));

        let wide = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count - 1));
        assert!(read(wide(ELEMENTS_MAX).as_bytes()).is_ok());
        assert!(matches!(refused(&wide(ELEMENTS_MAX + 1)), DocumentError::TooMany { max: ELEMENTS_MAX, .. }));

        let long = |bytes: usize| format!("<a>{}</a>", "x".repeat(bytes - 7));
        assert!(read(long(BYTES_MAX).as_bytes()).is_ok());
        assert!(matches!(refused(&long(BYTES_MAX + 1)), DocumentError::TooMany { max: BYTES_MAX, .. }));

        let attributes = |count: usize| format!("<a{}/>", (0..count).map(|n| format!(" b{n}=''")).collect::<String>());
        assert!(read(attributes(ATTRIBUTES_MAX).as_bytes()).is_ok());
        assert!(matches!(refused(&attributes(ATTRIBUTES_MAX + 1)), DocumentError::TooMany { max: ATTRIBUTES_MAX, .. }));

        let bound =
            |count: usize| format!("<a{}/>", (0..count).map(|n| format!(" xmlns:b{n}='c'")).collect::<String>());
        assert!(ill_formed(&bound(NAMESPACES_MAX + 1)));
    }
}
