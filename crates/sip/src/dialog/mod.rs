//! Dialogs (RFC 3261 section 12): what two user agents agree on after a request that forms one.
//!
//! For the places where we are a user agent. A proxy has no dialogs; its Record-Route brings the requests back.

mod route_set;

use crate::build::RequestBuilder;
use crate::error::ParseError;
use crate::header::ContactValue;
use crate::header_name::HeaderName;
use crate::message::Message;
use crate::method::Method;
use crate::proxy::forward::MAX_FORWARDS;

use route_set::RouteSet;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DialogId {
    pub call_id: String,
    pub local_tag: String,
    /// Empty for a peer that knows only RFC 2543.
    pub remote_tag: String,
}

#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum DialogState {
    /// After a provisional response.
    Early,
    /// After a 2xx.
    Confirmed,
}

#[derive(Clone, Debug)]
pub struct Dialog {
    id: DialogId,
    state: DialogState,
    /// Values of From in the requests that we send, and of To, with their tags.
    local: String,
    remote: String,
    local_sequence: u32,
    remote_sequence: Option<u32>,
    remote_target: String,
    route_set: RouteSet,
}

/// Why a request in a dialog is not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DialogError {
    /// An older request came late: answer 500 (RFC 3261 section 12.2.2).
    #[error("CSeq {received} is lower than {expected_min}")]
    OutOfOrder { received: u32, expected_min: u32 },
    /// Answer 400.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

impl Dialog {
    /// The dialog that `response`, 101 to 299, to our `request` makes (RFC 3261 section 12.1.2).
    ///
    /// Errors: a header that the dialog consists of is absent or malformed; Contact is one of them.
    pub fn uac(request: &Message, response: &Message) -> Result<Dialog, ParseError> {
        let is_final = response.status().is_some_and(|status| status >= 200);
        Ok(Dialog {
            id: DialogId {
                call_id: request.call_id()?.to_owned(),
                local_tag: request.from()?.tag().ok_or(ParseError::Malformed(HeaderName::From))?.to_owned(),
                remote_tag: response.to()?.tag().unwrap_or_default().to_owned(),
            },
            state: if is_final { DialogState::Confirmed } else { DialogState::Early },
            local: request.from()?.as_str().to_owned(),
            remote: response.to()?.as_str().to_owned(),
            local_sequence: request.cseq()?.number,
            remote_sequence: None,
            remote_target: contact_uri(response)?.ok_or(ParseError::Missing(HeaderName::Contact))?,
            route_set: RouteSet::of_response(response)?,
        })
    }

    /// The dialog that our response, with `local_tag` in its To, to a received `request` makes (RFC 3261 section
    /// 12.1.1). Early until [`Dialog::confirm`].
    ///
    /// Errors as for [`Dialog::uac`].
    pub fn uas(request: &Message, local_tag: &str) -> Result<Dialog, ParseError> {
        Ok(Dialog {
            id: DialogId {
                call_id: request.call_id()?.to_owned(),
                local_tag: local_tag.to_owned(),
                remote_tag: request.from()?.tag().unwrap_or_default().to_owned(),
            },
            state: DialogState::Early,
            local: format!("{};tag={local_tag}", request.to()?.as_str()),
            remote: request.from()?.as_str().to_owned(),
            local_sequence: 0,
            remote_sequence: Some(request.cseq()?.number),
            remote_target: contact_uri(request)?.ok_or(ParseError::Missing(HeaderName::Contact))?,
            route_set: RouteSet::of_request(request)?,
        })
    }

    pub fn id(&self) -> &DialogId {
        &self.id
    }

    pub fn state(&self) -> DialogState {
        self.state
    }

    /// We sent a 2xx.
    pub fn confirm(&mut self) {
        self.state = DialogState::Confirmed;
    }

    /// The peer's URI, from its last Contact.
    pub fn remote_target(&self) -> &str {
        &self.remote_target
    }

    /// Values of Route, in the order in which we send them.
    pub fn route_set(&self) -> &[String] {
        self.route_set.values()
    }

    /// CSeq of the last request that we sent in it; 0 for none.
    pub fn local_sequence(&self) -> u32 {
        self.local_sequence
    }

    /// CSeq of the last request that we received in it.
    pub fn remote_sequence(&self) -> Option<u32> {
        self.remote_sequence
    }

    /// The next request (RFC 3261 section 12.2.1.1), complete but for Via, Contact and body. Not for ACK and CANCEL,
    /// which count with their INVITE.
    pub fn request(&mut self, method: &Method) -> RequestBuilder {
        self.local_sequence += 1;
        self.request_numbered(method, self.local_sequence)
    }

    /// The CSeq number of a request that is passed on from another dialog, and had `number` there: the same where it is
    /// still free here.
    pub fn pass(&mut self, number: u32) -> u32 {
        self.local_sequence = number.max(self.local_sequence.saturating_add(1));
        self.local_sequence
    }

    /// Request-URI and values of Route for the next request.
    pub fn way(&self) -> (String, Vec<String>) {
        self.route_set.apply(&self.remote_target)
    }

    /// The ACK for a 2xx to our INVITE with that CSeq number (RFC 3261 section 13.2.2.4), complete but for Via.
    pub fn ack(&self, invite_sequence: u32) -> RequestBuilder {
        self.request_numbered(&Method::Ack, invite_sequence)
    }

    /// Checks the order of a received request, and takes the peer's new Contact from it (RFC 3261 section 12.2.2).
    pub fn handle_request(&mut self, request: &Message) -> Result<(), DialogError> {
        let sequence = request.cseq()?;
        // Both have the number of their INVITE, which may be lower than that of a request sent since.
        if matches!(sequence.method, Method::Ack | Method::Cancel) {
            return Ok(());
        }
        if let Some(expected_min) = self.remote_sequence.filter(|last| sequence.number < *last) {
            return Err(DialogError::OutOfOrder { received: sequence.number, expected_min });
        }
        let target = contact_uri(request)?;
        self.remote_sequence = Some(sequence.number);
        self.refresh_target(&sequence.method, target);
        Ok(())
    }

    /// Takes what a response to one of our requests in it changes: a 2xx confirms an early dialog and brings its final
    /// route set (RFC 3261 section 13.2.2.4), and refreshes the peer's Contact (section 12.2.1.2).
    pub fn handle_response(&mut self, response: &Message) -> Result<(), ParseError> {
        if !matches!(response.status(), Some(200..=299)) {
            return Ok(());
        }
        let method = response.cseq()?.method;
        let target = contact_uri(response)?;
        if self.state == DialogState::Early && method == Method::Invite {
            self.route_set = RouteSet::of_response(response)?;
            self.state = DialogState::Confirmed;
        }
        self.refresh_target(&method, target);
        Ok(())
    }

    fn refresh_target(&mut self, method: &Method, target: Option<String>) {
        if refreshes_target(method)
            && let Some(target) = target
        {
            self.remote_target = target;
        }
    }

    fn request_numbered(&self, method: &Method, sequence: u32) -> RequestBuilder {
        let (uri, routes) = self.route_set.apply(&self.remote_target);
        let mut builder = RequestBuilder::new(method, &uri).header(HeaderName::MaxForwards, MAX_FORWARDS.to_string());
        for route in routes {
            builder = builder.header(HeaderName::Route, route);
        }
        builder
            .header(HeaderName::From, self.local.as_str())
            .header(HeaderName::To, self.remote.as_str())
            .header(HeaderName::CallId, self.id.call_id.as_str())
            .header(HeaderName::CSeq, format!("{sequence} {method}"))
    }
}

/// Requests whose Contact replaces the remote target: INVITE, and by RFC 3311, 6665 and 3515 the others.
fn refreshes_target(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer)
}

/// The URI of the first Contact, if there is one.
fn contact_uri(message: &Message) -> Result<Option<String>, ParseError> {
    match message.contacts().next().transpose()? {
        Some(ContactValue::Address(address)) => Ok(Some(address.uri().as_str().to_owned())),
        Some(ContactValue::Star) => Err(ParseError::Malformed(HeaderName::Contact)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
