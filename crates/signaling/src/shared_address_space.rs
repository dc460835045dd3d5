//! Users of our domains who are not here: at home at the hosting provider that shares our address space, or nowhere.

use std::time::Instant;

use federation::admission::{Admitted, Origin};
use sip::refusal::Word;
use sip::{Aor, Message, Refusal};

use crate::AdmittedRequest;
use crate::core::Core;
use crate::ownership::partner_connection_of;
use crate::route::Destination;

impl Core {
    /// There is no such account: on to the provider where such users may be at home, if there is one.
    pub(crate) fn user_missing(&mut self, now: Instant, aor: &Aor, request: AdmittedRequest) {
        let Some(upstream) = request.upstream else { return };
        let message = &request.message;
        let Some(provider) = self.home_of_missing(aor, &request) else {
            self.missed(now, &request);
            let refusal = match self.hides_users_from(&request) {
                true => self.nobody("there is no such account"),
                false => Refusal::new(404, Word::UserUnknown, "there is no such account"),
            };
            return self.refuse_owned(now, upstream, message, &refusal.naming_nobody());
        };
        self.record_routed(now, message, &format!("{provider}, who hosts users of {}", aor.domain()));
        let connection = partner_connection_of(message, &self.organisation, self.limits.partner_connections);
        let destination = Destination::to_partner(aor.domain(), connection);
        let next = AdmittedRequest { destination, ..request };
        self.send_elsewhere(now, upstream, next);
    }

    /// The name of the provider that has to be asked; never one who has asked us.
    pub(crate) fn home_of_missing(&self, aor: &Aor, request: &AdmittedRequest) -> Option<String> {
        let provider = self.partners.shared_address_space().filter(|provider| provider.takes_missing_users())?;
        let is_asking = matches!(request.admitted.origin(),
            Origin::Partner { source, .. } if source.provider.as_ref() == Some(&provider.name));
        if is_asking || self.partners.standing(aor.domain()).check(aor.domain()).is_err() {
            return None;
        }
        Some(provider.name.clone())
    }

    /// Where an edge's home sends a request for a user of ours whom it does not have.
    pub(crate) fn to_sharer(&self, message: &Message, admitted: &Admitted) -> Option<Destination> {
        let Origin::Inside { .. } = admitted.origin() else { return None };
        self.partners.shared_address_space().filter(|provider| provider.takes_missing_users())?;
        let uri = message.request_uri().and_then(|uri| sip::Uri::parse(uri).ok())?;
        let aor = Aor::from_uri(&uri).ok().filter(|aor| self.organisation.is_local(aor.domain()))?;
        let connection = partner_connection_of(message, &self.organisation, self.limits.partner_connections);
        Some(Destination::to_partner(aor.domain(), connection))
    }
}
