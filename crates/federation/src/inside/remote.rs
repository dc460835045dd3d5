//! What an edge tells its home of a request that somebody outside sent in the name of a user of ours: by which connection it
//! came, and nothing about who that is. The home asks him itself.

use serde::{Deserialize, Serialize};
use sip::Transport;

use super::VERSION;

/// A connection between an edge and a phone outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFlow {
    /// What the edge calls the connection, the same in Path and for each request that comes over it.
    pub token: String,
    /// The edge's name and port, as the phone reaches it.
    pub edge: String,
    pub port: u16,
    pub transport: Transport,
}

/// As the value of [`ADMITTED_HEADER`](super::ADMITTED_HEADER).
pub fn remote_value(remote: &RemoteFlow) -> String {
    let RemoteFlow { token, edge, port, transport } = remote;
    format!("{VERSION};remote={token};edge={edge};port={port};transport={}", transport.as_str())
}

/// Reads [`remote_value`]; `None` where it says nothing that this version knows. What follows is for later versions.
pub fn read_remote(value: &str) -> Option<RemoteFlow> {
    let mut parts = value.split(';').map(str::trim);
    let (mut token, mut edge, mut port, mut transport) = (None, None, None, None);
    if parts.next()? != VERSION {
        return None;
    }
    for part in parts {
        match part.split_once('=')? {
            ("partner" | "gone", _) => return None,
            ("remote", text) => token = Some(text.to_owned()).filter(|text| !text.is_empty()),
            ("edge", text) => edge = Some(text.to_owned()),
            ("port", text) => port = Some(text.parse().ok()?),
            ("transport", text) => transport = Some(Transport::parse(text)?),
            _ => {}
        }
    }
    Some(RemoteFlow { token: token?, edge: edge?, port: port?, transport: transport? })
}

/// What an edge tells its home in the same header, and in nobody's name: the connection that it called so has ended.
pub fn gone_value(token: &str) -> String {
    format!("{VERSION};gone={token}")
}

/// Reads [`gone_value`].
pub fn read_gone(value: &str) -> Option<&str> {
    let mut parts = value.strip_prefix(VERSION)?.strip_prefix(";gone=")?.split(';').map(str::trim);
    let token = parts.next().filter(|token| !token.is_empty())?;
    let says_another = |part: &str| part.starts_with("partner=") || part.starts_with("remote=");
    (!parts.any(says_another)).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inside::read_admitted;

    #[test]
    fn a_connection_is_told_and_is_no_partner() {
        for transport in Transport::ALL {
            let (token, edge) = ("f.0.1.2.3.s.0.7.00ff".to_owned(), "sip.contoso.example".to_owned());
            let value = remote_value(&RemoteFlow { token, edge, port: 443, transport });
            assert_eq!(read_remote(&value).map(|remote| remote_value(&remote)), Some(value.clone()));
            assert_eq!(read_admitted(&value), None);
        }
    }

    #[test]
    fn that_a_connection_has_ended_is_told_and_says_nothing_else() {
        let value = gone_value("f.0.1");
        assert_eq!((read_gone(&value), read_remote(&value), read_admitted(&value)), (Some("f.0.1"), None, None));
        assert_eq!(read_gone(&format!("{value};more=less")), Some("f.0.1"));
        for other in ["1;gone=", "2;gone=f.0.1", "1;remote=f.0.1", "", "1;gone=f.0.1; partner=fabrikam.example"] {
            assert_eq!(read_gone(other), None, "{other}");
        }
    }

    #[test]
    fn nothing_is_made_of_what_is_not_whole() {
        let whole = "1;remote=f.1;edge=sip.contoso.example;port=443;transport=TLS";
        assert!(read_remote(whole).is_some());
        assert!(read_remote(&format!("{whole};more=less")).is_some(), "a later version says more");
        for bad in [
            "2;remote=f.1;edge=sip.contoso.example;port=443;transport=TLS",
            "1;remote=;edge=sip.contoso.example;port=443;transport=TLS",
            "1;edge=sip.contoso.example;port=443;transport=TLS",
            "1;remote=f.1;edge=sip.contoso.example;port=443;transport=X25",
            "1;remote=f.1;edge=sip.contoso.example;port=443;transport=TLS;partner=contoso.example",
            "1;remote=f.1;edge=sip.contoso.example;port=443;transport=TLS;gone=f.1",
            "1;partner=fabrikam.example;rung=Domain;tier=Allowed",
        ] {
            assert_eq!(read_remote(bad), None, "{bad}");
        }
    }
}
