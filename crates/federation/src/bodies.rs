//! Bodies that cross the border: which types pass, by one table and by what the organisation takes.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::flow::Direction;

/// A row of the table; what is in no row passes.
#[derive(Debug)]
pub struct Rule {
    /// In lower case.
    pub media_type: &'static str,
    pub inward: bool,
    pub outward: bool,
    pub reason: &'static str,
}

/// The table, in the order of the documentation.
pub const RULES: &[Rule] = &[
    Rule {
        media_type: "message/external-body",
        inward: false,
        outward: true,
        reason: "phones fetch what it names, wherever that is (RFC 4483 section 8)",
    },
    Rule {
        media_type: "application/isup",
        inward: false,
        outward: false,
        reason: "signalling of telephone networks, among servers that trust each other (RFC 3204 section 5)",
    },
    Rule { media_type: "application/qsig", inward: false, outward: false, reason: "the same" },
];

/// Media types that an organisation takes: `text/plain`, `text/*` or `*/*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRange {
    main: String,
    /// `None`: any.
    sub: Option<String>,
}

/// Why a text is no media range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no media type, such as \"text/plain\", \"text/*\" or \"*/*\"")]
pub struct MediaRangeError(String);

impl MediaRange {
    /// A media type without parameters, in lower case.
    fn contains(&self, media_type: &str) -> bool {
        let (main, sub) = media_type.split_once('/').unwrap_or((media_type, ""));
        (self.main == "*" || self.main == main) && self.sub.as_ref().is_none_or(|wanted| wanted == sub)
    }
}

impl FromStr for MediaRange {
    type Err = MediaRangeError;

    fn from_str(text: &str) -> Result<MediaRange, MediaRangeError> {
        let lower = text.trim().to_ascii_lowercase();
        let is_token = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.!%_+'`~".contains(&byte))
        };
        match lower.split_once('/') {
            Some(("*", "*")) => Ok(MediaRange { main: "*".to_owned(), sub: None }),
            Some((main, "*")) if is_token(main) => Ok(MediaRange { main: main.to_owned(), sub: None }),
            Some((main, sub)) if is_token(main) && is_token(sub) => {
                Ok(MediaRange { main: main.to_owned(), sub: Some(sub.to_owned()) })
            }
            _ => Err(MediaRangeError(text.to_owned())),
        }
    }
}

impl fmt::Display for MediaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.main, self.sub.as_deref().unwrap_or("*"))
    }
}

/// What an organisation lets pass, besides the table. Multipart bodies are judged by their parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "Vec<String>")]
pub struct BodyTypes(Vec<MediaRange>);

impl Default for BodyTypes {
    fn default() -> BodyTypes {
        BodyTypes(vec![MediaRange { main: "*".to_owned(), sub: None }])
    }
}

impl From<BodyTypes> for Vec<String> {
    fn from(types: BodyTypes) -> Vec<String> {
        types.written()
    }
}

impl BodyTypes {
    pub fn new(ranges: Vec<MediaRange>) -> BodyTypes {
        BodyTypes(ranges)
    }

    /// Why a body of this type, which is in lower case and without parameters, does not pass; `None`: it does.
    pub fn refuse(&self, media_type: &str, direction: Direction) -> Option<&'static str> {
        let rule = RULES.iter().find(|rule| rule.media_type == media_type);
        let passes = rule.is_none_or(|rule| match direction {
            Direction::Inbound => rule.inward,
            Direction::Outbound => rule.outward,
        });
        match rule {
            Some(rule) if !passes => Some(rule.reason),
            _ if self.0.iter().any(|range| range.contains(media_type)) => None,
            _ => Some("it is not among the body_types of [federation]"),
        }
    }

    /// Each as it is written in a configuration.
    pub fn written(&self) -> Vec<String> {
        self.0.iter().map(MediaRange::to_string).collect()
    }

    /// The value of Accept in a refusal (RFC 3261 section 21.4.13).
    pub fn accept(&self) -> String {
        self.written().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(ranges: &[&str]) -> BodyTypes {
        BodyTypes::new(ranges.iter().map(|range| range.parse().expect("is a range")).collect())
    }

    #[test]
    fn by_default_everything_passes_that_no_row_names() {
        let all = BodyTypes::default();
        for media_type in ["text/plain", "application/sdp", "application/vnd.unheard-of+xml", "x"] {
            assert_eq!(all.refuse(media_type, Direction::Inbound), None, "{media_type}");
        }
        for (media_type, inward, outward) in [
            ("application/isup", false, false),
            ("application/qsig", false, false),
            ("message/external-body", false, true),
        ] {
            assert_eq!(all.refuse(media_type, Direction::Inbound).is_none(), inward, "{media_type}");
            assert_eq!(all.refuse(media_type, Direction::Outbound).is_none(), outward, "{media_type}");
        }
        assert_eq!(all.accept(), "*/*");
    }

    #[test]
    fn what_an_organisation_does_not_take_is_refused_both_ways() {
        let few = types(&["Text/*", "application/sdp"]);
        for (media_type, passes) in
            [("text/plain", true), ("text/html", true), ("application/sdp", true), ("application/pidf+xml", false)]
        {
            for direction in [Direction::Inbound, Direction::Outbound] {
                assert_eq!(few.refuse(media_type, direction).is_none(), passes, "{media_type}");
            }
        }
        assert_eq!(few.accept(), "text/*, application/sdp");
    }

    #[test]
    fn a_range_is_a_type_or_all_of_a_kind() {
        for text in ["", "text", "text/", "/plain", "*/plain", "text/pl ain", "text/plain;charset=utf-8", "te*/x"] {
            assert!(text.parse::<MediaRange>().is_err(), "{text}");
        }
    }
}
