//! Bodies: each document that is read within limits is printed so that the same is read again.

use documents::multipart::{self, Part};
use documents::{ConferenceInfo, CpimMessage, DocumentError, IsComposing, Pidf, ResourceList};

pub fn pidf(bytes: &[u8]) {
    check(bytes, Pidf::parse, |document| document.print().into_bytes());
}

pub fn conference_info(bytes: &[u8]) {
    check(bytes, ConferenceInfo::parse, |document| document.print().into_bytes());
}

pub fn is_composing(bytes: &[u8]) {
    check(bytes, IsComposing::parse, |document| document.print().into_bytes());
}

pub fn resource_lists(bytes: &[u8]) {
    check(bytes, ResourceList::parse, |document| document.print().into_bytes());
}

pub fn cpim(bytes: &[u8]) {
    check(bytes, CpimMessage::parse, CpimMessage::print);
}

/// The first line is the Content-Type of the rest.
pub fn multipart(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let Ok(content_type) = std::str::from_utf8(&bytes[..end]) else { return };
    let body = bytes.get(end + 1..).unwrap_or_default();
    let Ok(Some(parts)) = Part::read_all(content_type, body) else { return };
    assert!(parts.len() <= multipart::PARTS_MAX);
    assert!(parts.iter().all(|part| part.headers.len() <= multipart::HEADERS_MAX));
    let boundary = free_boundary(body);
    let (content_type, body) = multipart::print("mixed", &boundary, &parts);
    if parts.is_empty() {
        return;
    }
    assert_eq!(Part::read_all(&content_type, &body), Ok(Some(parts)));
}

/// One that the body does not hold.
fn free_boundary(body: &[u8]) -> String {
    let is_free = |boundary: &String| !body.windows(boundary.len()).any(|window| window == boundary.as_bytes());
    (0..).map(|number: u64| format!("b{number}")).find(is_free).expect("a body is shorter than all numbers")
}

fn check<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    parse: impl Fn(&[u8]) -> Result<T, DocumentError>,
    print: impl Fn(&T) -> Vec<u8>,
) {
    match parse(bytes) {
        Ok(document) => {
            let printed = print(&document);
            // What is written out in full may pass the limit that what was read kept just within.
            if printed.len() <= 32 * 1024 {
                let again = parse(&printed);
                assert_eq!(again.as_ref(), Ok(&document), "{}", String::from_utf8_lossy(&printed));
                assert_eq!(print(&document), printed);
            }
        }
        // What is told to a peer holds none of his words.
        Err(error) => assert!(error.to_string().len() < 200, "{error}"),
    }
}
