//! `application/conference-info+xml`: who is in a conference, and how (RFC 4575).
//!
//! Neither kept nor printed: sidebars, keywords, service URIs, languages, call-info, elements of other namespaces.

mod print;
mod read;
#[cfg(test)]
mod tests;
mod user;
mod word;

pub use user::{Endpoint, Execution, Media, User};
pub use word::{DisconnectionMethod, EndpointStatus, JoiningMethod, MediaStatus, State};

use crate::DocumentError;

/// One document. What [`ConferenceInfo::parse`] gives, [`ConferenceInfo::print`] prints such that it is read back as the
/// same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConferenceInfo {
    /// The conference's URI. What the document claims, not who sent it.
    pub entity: String,
    pub state: State,
    /// One more with each document of a subscription (RFC 4575 section 4): who misses one asks for all.
    pub version: Option<u32>,
    pub description: Option<ConferenceDescription>,
    pub host_info: Option<HostInfo>,
    pub conference_state: Option<ConferenceState>,
    pub users: Option<Users>,
}

/// RFC 4575 section 5.3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConferenceDescription {
    pub display_text: Option<String>,
    pub subject: Option<String>,
    pub free_text: Option<String>,
    pub conf_uris: Vec<UriEntry>,
    pub maximum_user_count: Option<u32>,
}

/// Who hosts the conference (RFC 4575 section 5.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostInfo {
    pub display_text: Option<String>,
    pub web_page: Option<String>,
    pub uris: Vec<UriEntry>,
}

/// RFC 4575 section 5.5.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConferenceState {
    pub user_count: Option<u32>,
    pub active: Option<bool>,
    pub locked: Option<bool>,
}

/// An entry of a list of URIs (RFC 4575 section 5.3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UriEntry {
    pub uri: String,
    pub display_text: Option<String>,
    /// Such as `participation`.
    pub purpose: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// Partial: those who are not listed are as they were.
    pub state: State,
    pub users: Vec<User>,
}

impl ConferenceInfo {
    /// Source: RFC 4575 sections 5 and 6. Only [`BYTES_MAX`] bytes in UTF-8, without a document type.
    ///
    /// A word that the schema does not have is taken as absent, but for `state`: it says what becomes of the rest.
    pub fn parse(bytes: &[u8]) -> Result<ConferenceInfo, DocumentError> {
        read::read(bytes)
    }

    /// An XML document of one line, in the order of the schema. Whatever XML cannot hold, such as a control character,
    /// becomes U+FFFD.
    pub fn print(&self) -> String {
        print::print(self)
    }
}

/// For Content-Type and Accept.
pub const CONTENT_TYPE: &str = "application/conference-info+xml";
/// Of a document, as [`ConferenceInfo::parse`] takes it.
pub const BYTES_MAX: usize = crate::xml::BYTES_MAX;
pub const USERS_MAX: usize = 500;
/// Of a user.
pub const ENDPOINTS_MAX: usize = 16;
/// Of a user.
pub const ROLES_MAX: usize = 16;
/// Of an endpoint.
pub const MEDIA_MAX: usize = 16;
/// Of one list.
pub const URIS_MAX: usize = 32;
/// A user who sends and hears has about fifteen.
const ELEMENTS_MAX: usize = 8 * 1024;
