//! Replaces (RFC 3891): the dialog that an INVITE takes the place of, as its receiver knows it.

use super::grammar::{check_params, is_token, params, trim};
use crate::dialog::DialogId;
use crate::error::ParseError;
use crate::header_name::HeaderName;
use crate::message::Message;

/// A value of Replaces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaces {
    pub dialog: DialogId,
    /// Only while that dialog is early.
    pub early_only: bool,
}

impl Replaces {
    /// # Errors
    /// No Call-ID, or one of the tags is missing or no token.
    pub fn parse(value: &str) -> Result<Replaces, ParseError> {
        let malformed = ParseError::Malformed(HeaderName::Replaces);
        let value = trim(value);
        let (call_id, rest) = value.split_at(value.find(';').unwrap_or(value.len()));
        let call_id = call_id.trim_end();
        if call_id.is_empty() || !check_params(rest, &["to-tag", "from-tag"]) {
            return Err(malformed);
        }
        let parameters = params(rest);
        let tag = |name: &str| {
            parameters.clone().get(name).flatten().filter(|tag| is_token(tag.as_bytes())).map(str::to_owned)
        };
        // The tags are named as in the requests of whoever sends it: his To is here.
        let (Some(local_tag), Some(remote_tag)) = (tag("to-tag"), tag("from-tag")) else { return Err(malformed) };
        let early_only = parameters.clone().get("early-only").is_some();
        Ok(Replaces { dialog: DialogId { call_id: call_id.to_owned(), local_tag, remote_tag }, early_only })
    }
}

impl Message {
    /// `None`: no such header.
    pub fn replaces(&self) -> Result<Option<Replaces>, ParseError> {
        let malformed = ParseError::Malformed(HeaderName::Replaces);
        match self.header(HeaderName::Replaces) {
            None => Ok(None),
            Some(value) => Replaces::parse(std::str::from_utf8(value).map_err(|_| malformed)?).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_the_receiver_has_them() {
        let read = Replaces::parse("98732@sip.example ;from-tag=r33th4x0r; to-tag=ff87ff").expect("it is one");
        let dialog = DialogId {
            call_id: "98732@sip.example".into(),
            local_tag: "ff87ff".into(),
            remote_tag: "r33th4x0r".into(),
        };
        assert_eq!(read, Replaces { dialog: dialog.clone(), early_only: false });
        let early =
            Replaces::parse("98732@sip.example;to-tag=ff87ff;from-tag=r33th4x0r;early-only").expect("it is one");
        assert_eq!(early, Replaces { dialog, early_only: true });
    }

    #[test]
    fn without_both_tags_it_names_no_dialog() {
        for bad in [
            "",
            ";to-tag=a;from-tag=b",
            "c;to-tag=a;from-tag=b\x0c",
            "c;to-tag=a",
            "c;from-tag=b",
            "c;to-tag;from-tag=b",
            "c;to-tag=a;from-tag=\"\"",
            "c;to-tag=\"a,b\";from-tag=c",
            "c;to-tag=a;to-tag=b",
        ] {
            assert_eq!(Replaces::parse(bad), Err(ParseError::Malformed(HeaderName::Replaces)), "{bad}");
        }
    }
}
