//! A participant, the devices that he is in with, and their media (RFC 4575 sections 5.6 to 5.8).

use super::{DisconnectionMethod, EndpointStatus, JoiningMethod, MediaStatus, State};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// His URI, and the key by which partial documents mean him.
    pub entity: String,
    pub state: State,
    pub display_text: Option<String>,
    pub roles: Vec<String>,
    pub endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Its URI, mostly; the key among the endpoints of a user. Empty if there was none.
    pub entity: String,
    pub state: State,
    pub display_text: Option<String>,
    pub status: Option<EndpointStatus>,
    pub joining_method: Option<JoiningMethod>,
    pub joining_info: Option<Execution>,
    pub disconnection_method: Option<DisconnectionMethod>,
    pub disconnection_info: Option<Execution>,
    pub media: Vec<Media>,
}

/// When, why and by whom something was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Execution {
    /// As it was written; an RFC 3339 date and time if the sender keeps to the standard.
    pub when: Option<String>,
    pub reason: Option<String>,
    /// A URI.
    pub by: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// The key among the media of an endpoint.
    pub id: String,
    pub display_text: Option<String>,
    /// As SDP has it: `audio`, `video`, `message`.
    pub media_type: Option<String>,
    /// RFC 4574.
    pub label: Option<String>,
    /// The SSRC in decimals.
    pub src_id: Option<String>,
    pub status: Option<MediaStatus>,
}
