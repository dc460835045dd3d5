//! Content lines: escaped, folded (RFC 5545 sections 3.1 and 3.3.11).

/// Lines as they are collected.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: String,
}

impl Lines {
    /// A property whose value is no TEXT, or needs no escaping. `name` includes the parameters.
    pub(super) fn put(&mut self, name: &str, value: &str) {
        self.fold(&format!("{name}:{value}"));
    }

    /// A property whose value is TEXT.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.fold(&format!("{name}:{}", escaped(value)));
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// No line is longer than 75 bytes, and no character is cut.
    fn fold(&mut self, line: &str) {
        let mut room = LINE_BYTES_MAX;
        for letter in line.chars() {
            if letter.len_utf8() > room {
                self.text.push_str("\r\n ");
                room = LINE_BYTES_MAX - 1;
            }
            room -= letter.len_utf8();
            self.text.push(letter);
        }
        self.text.push_str("\r\n");
    }
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '\\' | ';' | ',' => text.extend(['\\', letter]),
            '\n' => text.push_str("\\n"),
            '\r' => {}
            _ => text.push(letter),
        }
    }
    text
}

const LINE_BYTES_MAX: usize = 75;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_folded_between_characters() {
        let mut lines = Lines::default();
        let subject = "\u{e4}".repeat(100);
        lines.text("SUMMARY", &subject);
        let text = lines.into_text();
        assert!(text.lines().count() > 2 && text.lines().all(|line| line.len() <= 75), "{text}");
        assert_eq!(text.replace("\r\n ", ""), format!("SUMMARY:{subject}\r\n"));
        let mut exact = Lines::default();
        exact.put("X", &"a".repeat(73));
        assert_eq!(exact.into_text().lines().count(), 1);
    }

    #[test]
    fn what_has_a_meaning_of_its_own_is_escaped() {
        let mut lines = Lines::default();
        lines.text("SUMMARY", "A; b, c\\d\r\nEND:VEVENT");
        assert_eq!(lines.into_text(), "SUMMARY:A\\; b\\, c\\\\d\\nEND:VEVENT\r\n");
    }
}
