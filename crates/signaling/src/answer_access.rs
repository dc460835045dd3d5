//! What an answer may offer across the border. An INVITE without an offer asks for audio, and is answered with whatever the
//! other phone likes (RFC 3264 section 4): what the policies do not allow of that is declined on its way, so that whoever
//! called never sees it offered. What a meeting offers is likewise, asked or of its own: it describes again what it had.

use std::net::IpAddr;

use bytes::Bytes;
use conference::ConferenceId;
use federation::admission::Origin;
use federation::external_access::allowed;
use federation::modality::{Modalities, declined};
use sip::{Aor, Edits, FlowId, HeaderName, Message, Method};

use crate::AdmittedRequest;
use crate::agent::AgentKey;
use crate::core::Core;
use crate::handoff::Ingress;
use crate::route::{Destination, OwnRoutes};

impl Core {
    /// The response with every stream declined that the policies do not allow; `None`: it may pass as it is. `from`: the flow that
    /// the request went out on.
    pub(crate) fn declined_answer(
        &mut self,
        request: &AdmittedRequest,
        response: &Message,
        from: Option<FlowId>,
    ) -> Option<Message> {
        let may_offer = matches!(request.message.method(), Some(Method::Invite | Method::Update | Method::Prack));
        if !may_offer || response.body().is_empty() || response.status() >= Some(300) {
            return None;
        }
        let allowed = self.allowed_between(request, from)?;
        without_unwelcome(response, allowed)
    }

    /// A response of a meeting's, its first or a repeated one, as it may go to whom it is for.
    pub(crate) fn declined_by_meeting(&self, id: &ConferenceId, status: u16, response: Bytes) -> Bytes {
        if status >= 300 {
            return response;
        }
        let declined = Message::parse(response.clone()).ok().and_then(|message| {
            // Admission has proven of which domain he is, and the dialog keeps it.
            let peer = message.from().ok()?.uri().host_lowercase().into_owned();
            without_unwelcome(&message, self.allowed_in_meeting(id, &peer)?)
        });
        declined.map_or(response, |message| message.as_bytes().clone())
    }

    /// What a meeting says within the dialog of somebody of a partner's; `None`: it may go as it is.
    pub(crate) fn declined_in_meeting(
        &self,
        id: &ConferenceId,
        request: &Message,
        to: &Destination,
    ) -> Option<Message> {
        let Destination::Partner { domain, .. } = to else { return None };
        without_unwelcome(request, self.allowed_in_meeting(id, domain)?)
    }

    /// What people of a domain may do in a meeting; `None`: they are of our organisation.
    fn allowed_in_meeting(&self, id: &ConferenceId, domain: &str) -> Option<Modalities> {
        let is_outside = !self.organisation.is_local(domain);
        is_outside.then(|| allowed(&self.partners, self.organiser_of(id), domain, self.provider_known(domain)))
    }

    /// What the two between whom this request passes may do with each other; `None`: they are of one organisation.
    fn allowed_between(&mut self, request: &AdmittedRequest, to: Option<FlowId>) -> Option<Modalities> {
        let (user, domain) = match (request.admitted.origin(), &request.destination) {
            (Origin::Partner { domain, .. }, _) => (self.called_by_partner(request), domain.clone()),
            (_, Destination::Partner { domain, .. }) => (self.caller_of(request), domain.clone()),
            _ => return None,
        };
        let provider = match request.admitted.origin() {
            Origin::Partner { source, .. } => source.provider.as_deref().and_then(|name| self.partners.provider(name)),
            _ => to.and_then(|flow| self.provider_over(&domain, flow)),
        };
        (!self.organisation.is_local(&domain)).then(|| allowed(&self.partners, user.as_ref(), &domain, provider))
    }

    fn called_by_partner(&mut self, request: &AdmittedRequest) -> Option<Aor> {
        if let Destination::User(aor) = &request.destination {
            return Some(aor.clone());
        }
        let unspecified = IpAddr::from([0, 0, 0, 0]);
        let routes = OwnRoutes::of(&request.message, &self.organisation, unspecified, &self.mint);
        self.called_in_dialog(&request.message, routes.exit())
    }

    fn caller_of(&self, request: &AdmittedRequest) -> Option<Aor> {
        match &request.ingress {
            Ingress::Agent(AgentKey::Conference(id)) => self.organiser_of(id).cloned(),
            _ => request.admitted.aor().cloned().or_else(|| Aor::of_sender(&request.message)),
        }
    }
}

/// The message with each stream declined that is not allowed; `None`: there is none.
fn without_unwelcome(message: &Message, allowed: Modalities) -> Option<Message> {
    let body = declined(message, allowed)?;
    let kind = message.header_text(HeaderName::ContentType)?.to_owned();
    let mut edits = Edits::new();
    edits.set_body(&kind, body.into_bytes());
    Message::parse(edits.apply(message)).ok()
}
