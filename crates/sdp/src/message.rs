//! `m=message PORT sip ...`: messages that go as MESSAGE within the dialog, the way of Lync and of gateways to it.
//!
//! MSRP (RFC 4975) writes `m=message PORT TCP/MSRP *`, which is another thing: it is not read here.

use sdp_types::Media;

/// One stream of messages, as its sender wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageStream {
    /// Media types that its sender takes, in lower case and without parameters; none: he does not say.
    pub accept_types: Vec<String>,
}

impl MessageStream {
    /// `None` for what is no such stream, or is switched off.
    pub(crate) fn read(media: &Media) -> Option<Self> {
        let is_ours = media.media.eq_ignore_ascii_case("message") && media.proto.eq_ignore_ascii_case("sip");
        if !is_ours || media.port == 0 {
            return None;
        }
        let said = media.get_first_attribute_value("accept-types").flatten().unwrap_or_default();
        let types = said.split_ascii_whitespace().take(ACCEPT_TYPES_MAX);
        let accept_types = types.map(|one| one.split(';').next().unwrap_or_default().to_ascii_lowercase()).collect();
        Some(Self { accept_types })
    }

    /// Whether its sender takes this media type, given without parameters. Who says nothing takes plain text.
    pub fn takes(&self, media_type: &str) -> bool {
        let takes = |pattern: &str| match pattern.strip_suffix('*') {
            Some(first) => media_type.starts_with(first),
            None => pattern == media_type,
        };
        match self.accept_types.is_empty() {
            true => media_type == "text/plain",
            false => self.accept_types.iter().any(|pattern| takes(pattern)),
        }
    }

    /// Whether its sender names this media type, so that it surely knows it.
    pub fn names(&self, media_type: &str) -> bool {
        self.accept_types.iter().any(|one| one == media_type)
    }
}

const ACCEPT_TYPES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use crate::Offer;

    use super::*;

    fn read(media: &str) -> Option<MessageStream> {
        Offer::parse(format!("v=0\r\nc=IN IP4 192.0.2.1\r\n{media}\r\n").as_bytes()).unwrap().messages()
    }

    #[test]
    fn any_format_after_sip_is_a_stream_and_msrp_is_none() {
        for line in ["5060 sip null", "5060 sip sip:alice@contoso.example", "9 SIP *"] {
            assert!(read(&format!("m=message {line}")).is_some(), "{line}");
        }
        for line in ["m=message 2855 TCP/MSRP *", "m=message 2855 TCP/TLS/MSRP *", "m=message 0 sip null"] {
            assert_eq!(read(line), None, "{line}");
        }
        assert_eq!(read("m=audio 4000 RTP/AVP 0"), None);
    }

    #[test]
    fn what_it_takes_is_what_it_says() {
        let lync = read("m=message 5060 sip null\r\na=accept-types:text/plain Text/HTML;x=y image/*").unwrap();
        let takes = ["text/plain", "text/html", "image/gif", "message/cpim", "text/rtf"].map(|one| lync.takes(one));
        assert_eq!(takes, [true, true, true, false, false]);
        let all = read("m=message 5060 sip null\r\na=accept-types:*").unwrap();
        assert_eq!((all.takes("message/cpim"), all.names("message/cpim")), (true, false));
        let silent = read("m=message 5060 sip null").unwrap();
        assert_eq!((silent.takes("text/plain"), silent.takes("text/html")), (true, false));
    }
}
