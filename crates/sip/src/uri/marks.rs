//! The one pass over the bytes of a URI: which of them may be there, and where its parts meet (RFC 3261 25.1).

/// Where the parts of a URI meet, found in one pass. Beyond `scheme_end` and `end` they count for SIP's schemes only.
#[derive(Default)]
pub(super) struct Marks {
    pub scheme_end: usize,
    pub end: usize,
    /// The first colon behind the scheme's.
    pub colon: Option<usize>,
    pub bracket: Option<usize>,
    pub at: Option<usize>,
    pub has_two_ats: bool,
    /// This and the next: behind the `@`, if there is one. The user part may have them, too.
    pub semicolon: Option<usize>,
    pub question: Option<usize>,
}

impl Marks {
    /// `None`: no scheme, nothing behind it, or half an escape.
    pub(super) fn find(bytes: &[u8]) -> Option<Marks> {
        let scheme_end = scheme_end(bytes)?;
        let mut marks = Marks { scheme_end, end: bytes.len(), ..Marks::default() };
        let mut at = scheme_end + 1;
        while at < bytes.len() {
            match URI_BYTES[bytes[at] as usize] {
                UriByte::Text => {}
                UriByte::Mark => marks.note(bytes[at], at),
                UriByte::Escape => check_escape(bytes.get(at + 1..at + 3)?)?,
                UriByte::End => {
                    marks.end = at;
                    break;
                }
            }
            at += 1;
        }
        (marks.end > scheme_end + 1).then_some(marks)
    }

    fn note(&mut self, mark: u8, here: usize) {
        let first = match mark {
            b'@' => {
                (self.semicolon, self.question) = (None, None);
                self.has_two_ats |= self.at.is_some();
                &mut self.at
            }
            b';' if self.question.is_some() => return,
            b';' => &mut self.semicolon,
            b'?' => &mut self.question,
            b':' => &mut self.colon,
            _ => &mut self.bracket,
        };
        first.get_or_insert(here);
    }
}

/// Where its colon is: behind letters, digits, `+`, `-` and `.`, of which the first is a letter.
fn scheme_end(bytes: &[u8]) -> Option<usize> {
    let is_within = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let end = bytes.iter().position(|byte| !is_within(byte))?;
    (bytes[end] == b':' && bytes[0].is_ascii_alphabetic()).then_some(end)
}

fn check_escape(digits: &[u8]) -> Option<()> {
    digits.iter().all(u8::is_ascii_hexdigit).then_some(())
}

#[derive(Copy, Clone)]
enum UriByte {
    /// More than RFC 3261 allows: phones send a raw `#`.
    Text,
    Mark,
    Escape,
    /// What could end a URI for somebody else.
    End,
}

static URI_BYTES: [UriByte; 256] = {
    let mut table = [UriByte::End; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'<' | b'>' | b'"' | b'\\' => UriByte::End,
            b'%' => UriByte::Escape,
            b'@' | b';' | b'?' | b':' | b'[' | b']' => UriByte::Mark,
            other if other.is_ascii_graphic() => UriByte::Text,
            _ => UriByte::End,
        };
        byte += 1;
    }
    table
};
