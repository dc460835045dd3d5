//! What an answer may offer across the border. An INVITE without an offer asks for audio, and is answered with whatever the
//! other phone likes (RFC 3264 section 4): what the policies do not allow of that is declined on its way, so that whoever
//! called never sees it offered.

use std::net::IpAddr;

use federation::admission::Origin;
use federation::external_access::allowed;
use federation::modality::{Modalities, declined};
use sip::{Aor, Edits, HeaderName, Message, Method};

use crate::AdmittedRequest;
use crate::agent::AgentKey;
use crate::core::Core;
use crate::handoff::Ingress;
use crate::route::{Destination, OwnRoutes};

impl Core {
    /// The response with every stream declined that the policies do not allow; `None`: it may pass as it is.
    pub(crate) fn declined_answer(&mut self, request: &AdmittedRequest, response: &Message) -> Option<Message> {
        let may_offer = matches!(request.message.method(), Some(Method::Invite | Method::Update | Method::Prack));
        if !may_offer || response.body().is_empty() || response.status() >= Some(300) {
            return None;
        }
        let allowed = self.allowed_between(request)?;
        let body = declined(response, allowed)?;
        let kind = response.header_text(HeaderName::ContentType)?.to_owned();
        let mut edits = Edits::new();
        edits.set_body(&kind, body.into_bytes());
        Message::parse(edits.apply(response)).ok()
    }

    /// What the two between whom this request passes may do with each other; `None`: they are of one organisation.
    fn allowed_between(&mut self, request: &AdmittedRequest) -> Option<Modalities> {
        let (user, domain) = match (request.admitted.origin(), &request.destination) {
            (Origin::Partner { domain, .. }, _) => (self.called_by_partner(request), domain.clone()),
            (_, Destination::Partner { domain, .. }) => (self.caller_of(request), domain.clone()),
            _ => return None,
        };
        (!self.organisation.is_local(&domain)).then(|| allowed(&self.partners, user.as_ref(), &domain))
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
