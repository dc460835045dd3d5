use super::*;
use crate::testing::{XorShift, mutate};

const TYPE: &str = "multipart/mixed;boundary=\"boundary1\"";
/// In the manner of the example of RFC 5366, with a preamble, a folded header, blanks after a boundary, and an epilogue.
const INVITE: &str = "For old readers\r\n--boundary1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=a\r\n\r\n\
    --boundary1 \t\r\ncontent-type: Application/Resource-Lists+xml;\r\n\tcharset=utf-8\r\n\
    Content-Disposition: recipient-list; handling=optional\r\n\r\n<resource-lists/>\r\n--boundary1--\r\nbye\r\n--boundary1\r\n";

fn read<'a>(content_type: &str, body: &'a str) -> Result<Option<Vec<Part<'a>>>, DocumentError> {
    Part::read_all(content_type, body.as_bytes())
}

fn bodies(content_type: &str, body: &str) -> Result<Vec<String>, DocumentError> {
    let parts = read(content_type, body)?.expect("it is multipart");
    Ok(parts.iter().map(|part| String::from_utf8_lossy(part.body).into_owned()).collect())
}

#[test]
fn an_offer_and_those_to_invite() {
    let parts = read(TYPE, INVITE).expect("is well formed").expect("is multipart");
    assert_eq!(parts.len(), 2);
    assert_eq!((parts[0].media_type().as_str(), parts[0].disposition()), ("application/sdp", None));
    assert_eq!(parts[0].body, b"v=0\r\no=a\r\n", "the line end before a boundary is the boundary's");
    assert_eq!(parts[1].media_type(), "application/resource-lists+xml");
    assert_eq!(parts[1].header("CONTENT-TYPE"), Some("Application/Resource-Lists+xml; charset=utf-8"));
    assert_eq!(parts[1].disposition().as_deref(), Some("recipient-list"));
    assert_eq!(parts[1].body, b"<resource-lists/>");
}

/// Printed and read again it is the same.
#[test]
fn a_continuation_leaves_no_blank_at_an_end() {
    let parts =
        read(TYPE, "--boundary1\r\nX: y\r\n\tz\r\n \r\nY:\r\n w\r\n\r\n\r\n--boundary1--").expect("well formed");
    let parts = parts.expect("is multipart");
    assert_eq!((parts[0].header("X"), parts[0].header("Y")), (Some("y z"), Some("w")));
}

#[test]
fn what_has_no_parts_is_no_error() {
    assert_eq!(read("application/sdp", INVITE), Ok(None));
    assert_eq!(read("", INVITE), Ok(None));
}

#[test]
fn boundaries() {
    let body = "--b\r\n\r\nx\r\n--b--";
    for content_type in ["multipart/mixed; boundary=b", "Multipart/Related;a=\"x;boundary=c\" ; BOUNDARY = \"b\";d=e"] {
        assert_eq!(bodies(content_type, body), Ok(vec!["x".to_owned()]), "{content_type}");
    }
    assert_eq!(bodies("multipart/mixed", body), Err(DocumentError::Missing("boundary")));
    assert_eq!(bodies("multipart/mixed;boundary", body), Err(DocumentError::Missing("boundary")));
    let long = "b".repeat(71);
    for boundary in ["\"\"", "\"b", "\"a\tb\"", "b@c", long.as_str()] {
        let content_type = format!("multipart/mixed;boundary={boundary}");
        assert_eq!(bodies(&content_type, body), Err(DocumentError::Malformed("boundary")), "{boundary}");
    }
}

#[test]
fn what_only_looks_like_a_boundary_is_none() {
    let content_type = "multipart/mixed;boundary=b";
    let body = "--bc\r\n--b\r\n\r\nx --b\r\ny\r\n--bz\r\n\n--b\r\nz\r\n--b--";
    assert_eq!(bodies(content_type, body), Ok(vec!["x --b\r\ny\r\n--bz\r\n\n--b\r\nz".to_owned()]));
}

#[test]
fn empty_parts() {
    let content_type = "multipart/mixed;boundary=b";
    assert_eq!(bodies(content_type, "--b\r\n\r\n\r\n--b--"), Ok(vec![String::new()]));
    let headers_alone = read(content_type, "--b\r\nContent-Type: a/b\r\n--b--").expect("is well formed");
    assert_eq!(headers_alone.expect("is multipart")[0].media_type(), "a/b");
    let nothing = read(content_type, "--b\r\n--b--").expect("is well formed").expect("is multipart");
    assert_eq!((nothing.len(), nothing[0].body, nothing[0].media_type().as_str()), (1, &b""[..], "text/plain"));
    assert_eq!(bodies(content_type, "--b--"), Ok(vec![]));
}

#[test]
fn refusals_and_limits() {
    let content_type = "multipart/mixed;boundary=b";
    for body in ["", "x", "--b", "--b\n\nx\n--b--"] {
        let no_boundary = DocumentError::Malformed("multipart body: it has no boundary");
        assert_eq!(bodies(content_type, body), Err(no_boundary), "{body}");
    }
    let no_end = DocumentError::Malformed("multipart body: it has no end");
    assert_eq!(bodies(content_type, "--b\r\n\r\nx\r\n--b"), Err(no_end.clone()));
    assert_eq!(bodies(content_type, "--b\r\n\r\nx--b--"), Err(no_end));
    for header in ["no colon", " folded: before any", "a: b\0"] {
        let body = format!("--b\r\n{header}\r\n\r\nx\r\n--b--");
        assert_eq!(bodies(content_type, &body), Err(DocumentError::Malformed("header of a part")), "{header}");
    }
    let parts = |count: usize| bodies(content_type, &("--b\r\n\r\nx\r\n".repeat(count) + "--b--")).map(|all| all.len());
    assert_eq!(parts(PARTS_MAX), Ok(PARTS_MAX));
    assert_eq!(parts(PARTS_MAX + 1), Err(DocumentError::TooMany { what: "parts", max: PARTS_MAX }));
    let headers = |count: usize| bodies(content_type, &format!("--b\r\n{}\r\nx\r\n--b--", "a: b\r\n".repeat(count)));
    assert!(headers(HEADERS_MAX).is_ok());
    assert_eq!(headers(HEADERS_MAX + 1), Err(DocumentError::TooMany { what: "headers of a part", max: HEADERS_MAX }));
}

#[test]
fn what_is_printed_is_read_back_as_the_same() {
    let parts = read(TYPE, INVITE).expect("is well formed").expect("is multipart");
    let (content_type, body) = print("mixed", "other", &parts);
    assert_eq!(content_type, "multipart/mixed;boundary=\"other\"");
    assert!(
        body.starts_with(
            b"--other\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=a\r\n\r\n--other\r\ncontent-type: A"
        )
    );
    assert_eq!(Part::read_all(&content_type, &body), Ok(Some(parts)));
}

#[test]
fn mutations_never_panic() {
    let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
    let mut survivors = 0;
    for _ in 0..20_000 {
        let mut bytes = INVITE.as_bytes().to_vec();
        let mut content_type = TYPE.as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            mutate(&mut bytes, &mut random);
        }
        if random.below(4) == 0 {
            mutate(&mut content_type, &mut random);
        }
        let content_type = String::from_utf8_lossy(&content_type);
        survivors += u32::from(Part::read_all(&content_type, &bytes).is_ok_and(|parts| parts.is_some()));
    }
    assert!(survivors > 2_000, "too few mutations were still bodies: {survivors}");
}
