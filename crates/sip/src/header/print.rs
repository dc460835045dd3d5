//! Writing: what we put into a message cannot end a line, whoever chose the text.

use std::fmt::{self, Write};

use bytes::{BufMut, BytesMut};

use super::grammar::{is_token_byte, trim_end, trim_start};

/// `Name: value CRLF`; the value's CR and LF become spaces.
pub(crate) fn put_header(out: &mut BytesMut, name: &[u8], value: impl fmt::Display) {
    put_name(out, name);
    put_text(out, value);
    out.put_slice(b"\r\n");
}

/// The value's bytes as they are, but each fold one space.
pub(crate) fn put_unfolded_header(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    put_name(out, name);
    put_unfolded(out, value);
    out.put_slice(b"\r\n");
}

pub(crate) fn put_name(out: &mut BytesMut, name: &[u8]) {
    out.put_slice(name);
    out.put_slice(b": ");
}

/// Text without CR and LF.
pub(crate) fn put_text(out: &mut BytesMut, text: impl fmt::Display) {
    let start = out.len();
    write!(out, "{text}").expect("a growing buffer takes all text");
    neutralise(&mut out[start..]);
}

/// `[*WSP CRLF] 1*WSP` is one space (RFC 3261 25.1, LWS).
pub(crate) fn put_unfolded(out: &mut BytesMut, value: &[u8]) {
    let mut rest = value;
    while let Some(fold) = memchr::memchr(b'\r', rest) {
        out.put_slice(trim_end(&rest[..fold]));
        out.put_u8(b' ');
        rest = trim_start(&rest[fold..]);
    }
    out.put_slice(rest);
}

/// As a word of the start line: no space, no control character.
pub(crate) fn put_word(out: &mut BytesMut, word: &str) {
    let is_clean = word.bytes().all(|byte| byte.is_ascii_graphic());
    debug_assert!(is_clean && !word.is_empty(), "not one word: {word:?}");
    if is_clean {
        return out.put_slice(word.as_bytes());
    }
    for byte in word.bytes() {
        match byte.is_ascii_graphic() {
            true => out.put_u8(byte),
            false => write!(out, "%{byte:02X}").expect("a growing buffer takes all text"),
        }
    }
}

/// A name that is no token would be another header, or the end of them all.
pub(crate) fn is_name(name: &str) -> bool {
    let is_token = !name.is_empty() && name.bytes().all(is_token_byte);
    debug_assert!(is_token, "not a header name: {name:?}");
    is_token
}

/// Folds may come from a peer's value and pass as white space; any other CR or LF is our bug.
pub(crate) fn neutralise(text: &mut [u8]) {
    let mut from = 0;
    while let Some(found) = memchr::memchr2(b'\r', b'\n', &text[from..]).map(|offset| from + offset) {
        let is_fold = matches!(text[found..], [b'\r', b'\n', b' ' | b'\t', ..]);
        debug_assert!(is_fold, "a line break in a header value: {:?}", String::from_utf8_lossy(text));
        text[found] = b' ';
        if is_fold {
            text[found + 1] = b' ';
        }
        from = found + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_become_one_space() {
        let mut out = BytesMut::new();
        put_unfolded(&mut out, b"a \t\r\n\t b  c\r\n d\\");
        assert_eq!(&out[..], b"a b  c d\\");
    }

    #[test]
    fn folds_of_a_peer_are_no_line_breaks_of_ours() {
        let mut text = *b"a\r\n b\r\n\tc";
        neutralise(&mut text);
        assert_eq!(&text, b"a   b  \tc");
    }

    #[test]
    #[cfg_attr(debug_assertions, should_panic(expected = "a line break"))]
    fn a_line_break_is_a_bug_and_harmless() {
        let mut text = *b"a\r\nEvil: b\n";
        neutralise(&mut text);
        assert_eq!(&text, b"a  Evil: b ");
    }

    #[test]
    #[cfg_attr(debug_assertions, should_panic(expected = "not one word"))]
    fn a_space_in_a_uri_is_a_bug_and_harmless() {
        let mut out = BytesMut::new();
        put_word(&mut out, "sip:a SIP/2.0\r\n");
        assert_eq!(&out[..], b"sip:a%20SIP/2.0%0D%0A");
    }
}
