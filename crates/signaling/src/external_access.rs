//! The external access policies, asked about every request that crosses the border: whose user, which partner, and what
//! the request is for. The decision itself is `federation`'s.
//!
//! Within a dialog the two are those of whom our own Routes speak: To and From may have been rewritten on the way (RFC 4916),
//! or on purpose. What two dialogs between which we stand pass on is asked about as it goes on; what is for a meeting, by its
//! focus' worker (`meeting_access`). What an answer may offer is `answer_access`'s.

use std::collections::BTreeMap;

use conference::id::MeetingAddress;
use federation::admission::{Admitted, Origin, Tier};
use federation::external_access::{Crossing, Part, check_outside, check_provider, decide};
use federation::flow::Direction;
use federation::modality::{Modalities, Modality, asked_for, is_last_word};
use federation::partner::Provider;
use federation::verification::Rung;
use sip::refusal::Word;
use sip::{Aor, ContactValue, FlowId, HeaderName, Message, Method, Refusal, Uri};

use crate::AdmittedRequest;
use crate::agent::AgentKey;
use crate::core::Core;
use crate::handoff::Ingress;
use crate::route::{Destination, is_from_ours};
use crate::token::Leg;

impl Core {
    /// Whether a request that was admitted may go where it is to go; `exit`: the leg that its Routes name.
    ///
    /// # Errors
    /// As [`decide`], and those of its body.
    pub(crate) fn check_external_access(
        &mut self,
        message: &Message,
        admitted: &Admitted,
        destination: &Destination,
        exit: Option<&Leg>,
    ) -> Result<(), Refusal> {
        self.check_body(message, admitted, destination)?;
        match admitted.origin() {
            // A user of ours at home at a provider, by the organisation's policy.
            Origin::Partner { domain, .. } if self.organisation.is_local(domain) && self.is_ours(message) => {
                let sender = Aor::of_sender(message);
                sender.map_or(Ok(()), |aor| self.check_outbound(message, &aor, destination, exit))
            }
            Origin::Partner { .. } => self.check_inbound(message, admitted, destination, exit),
            Origin::User { aor } => {
                if admitted.remote().is_some() && !is_farewell(message) {
                    check_outside(self.partners.access(), aor)?;
                }
                self.check_outbound(message, aor, destination, exit)
            }
            Origin::Remote { .. } => Ok(()),
            // Who of those behind us it is, what is there has seen to.
            Origin::Inside { .. } => match Aor::of_sender(message) {
                Some(aor) => self.check_outbound(message, &aor, destination, exit),
                None => Ok(()),
            },
        }
    }

    fn check_inbound(
        &mut self,
        message: &Message,
        admitted: &Admitted,
        to: &Destination,
        exit: Option<&Leg>,
    ) -> Result<(), Refusal> {
        let user = match to {
            Destination::Ourselves
            | Destination::Registrar(_)
            | Destination::Agent(AgentKey::Conference(_) | AgentKey::Call { .. }) => return Ok(()),
            Destination::User(aor) => Some(aor.clone()),
            Destination::Factory => None,
            _ => self.called_in_dialog(message, exit),
        };
        let standing = match admitted.origin() {
            Origin::Partner { standing, .. } => *standing,
            _ => return Ok(()),
        };
        let asked =
            self.check_partner(message, admitted, user.as_ref(), (asked_for(message), part(message, exit.is_some())));
        // To whom users are hidden, one who may not be reached is as one who is not there.
        asked.map_err(|refusal| match (refusal.word, standing) {
            (Word::UserUnknown, Tier::Discovered) => self.nobody(refusal.reason),
            _ => refusal,
        })
    }

    /// A partner's request to a user of ours, or, for `None`, to what is nobody's.
    pub(crate) fn check_partner(
        &self,
        message: &Message,
        admitted: &Admitted,
        user: Option<&Aor>,
        (modalities, part): (Modalities, Part),
    ) -> Result<(), Refusal> {
        let Origin::Partner { domain, source, .. } = admitted.origin() else { return Ok(()) };
        // Carried by the provider that shares our address space, in its name.
        let carried = || message.from().ok().map(|from| from.uri().host_lowercase().to_string());
        let carried = carried().filter(|_| self.organisation.is_local(domain));
        let domain = carried.as_deref().unwrap_or(domain);
        let sender = Aor::of_sender(message);
        let sender = sender.map_or_else(|| domain.to_owned(), |aor| aor.to_string());
        let crossing = Crossing {
            direction: Direction::Inbound,
            user,
            domain,
            // Of our own domains, and whom it carries to us, it is not the provider.
            provider: source.provider.as_deref().filter(|_| carried.is_none()),
            modalities,
            part,
            unverified_sender: Some(sender.as_str()).filter(|_| !source.is_verified),
        };
        decide(&self.partners, &crossing)
    }

    fn check_outbound(
        &self,
        message: &Message,
        aor: &Aor,
        to: &Destination,
        exit: Option<&Leg>,
    ) -> Result<(), Refusal> {
        let Destination::Partner { domain, .. } = to else { return Ok(()) };
        if self.organisation.is_local(domain) {
            return Ok(());
        }
        decide(
            &self.partners,
            &Crossing {
                direction: Direction::Outbound,
                user: Some(aor),
                domain,
                // By whose edge it leaves is known there.
                provider: None,
                modalities: asked_of_partner(message),
                part: part(message, exit.is_some()),
                unverified_sender: None,
            },
        )
    }

    /// Whether a request may leave for a partner over this flow, where it is a hosting provider's: the one thing that is known only
    /// once its server has shown a certificate.
    ///
    /// # Errors
    /// 403 `modality-not-allowed`.
    pub(crate) fn check_way_out(&self, request: &AdmittedRequest, flow: FlowId) -> Result<(), Refusal> {
        let Destination::Partner { domain, .. } = &request.destination else { return Ok(()) };
        let Some(provider) = self.provider_over(domain, flow) else { return Ok(()) };
        let is_of_meeting = matches!(&request.ingress, Ingress::Agent(AgentKey::Conference(_)));
        let begins = is_of_meeting && !request.message.is_within_dialog();
        check_provider(provider, with_meeting(asked_of_partner(&request.message), begins))
    }

    /// The provider that another organisation's domain is behind, where its requests go over this flow.
    pub(crate) fn provider_over(&self, domain: &str, flow: FlowId) -> Option<&Provider> {
        let state = self.flows.get(flow);
        let facts = state.map(|state| &state.facts).or_else(|| self.aliases.facts(domain, flow))?;
        let certificate =
            facts.secure_certificate().filter(|_| !facts.is_inner && !self.organisation.is_local(domain))?;
        let spoke_last = state.filter(|state| state.partner.as_deref() == Some(domain));
        let rung = spoke_last.and_then(|state| state.rung).unwrap_or(Rung::EdgeFqdn);
        self.partners.provider_behind(domain, rung, certificate)
    }

    /// The user of ours to whom a partner's request within a dialog goes: by our own token, whatever its To says. Nobody who
    /// has terms of his own: the organisation's hold for him.
    pub(crate) fn called_in_dialog(&mut self, message: &Message, exit: Option<&Leg>) -> Option<Aor> {
        let named = message.to().ok().and_then(|to| self.own_user(&to.uri()));
        let Some(Leg::Flow { user, .. } | Leg::Remote { user, .. }) = exit else { return named };
        if named.as_ref().is_some_and(|aor| self.mint.user(aor) == *user) {
            return named;
        }
        let (partners, mint) = (&self.partners, &self.mint);
        let with_terms = self.users_with_terms.get_or_insert_with(|| {
            let users = partners.access().users_with_terms();
            users.map(|aor| (mint.user(aor), aor.clone())).collect::<BTreeMap<_, _>>()
        });
        with_terms.get(user).cloned()
    }

    fn is_ours(&self, message: &Message) -> bool {
        is_from_ours(message, &self.organisation)
    }

    fn own_user(&self, uri: &Uri<'_>) -> Option<Aor> {
        Aor::from_uri(uri).ok().filter(|aor| self.organisation.is_local(aor.domain()))
    }
}

/// What a request to another organisation asks for; some of these are meetings there.
fn asked_of_partner(message: &Message) -> Modalities {
    let uri = message.request_uri().and_then(|uri| Uri::parse(uri).ok());
    let calls_meeting = uri.is_some_and(|uri| uri.user().is_some_and(|user| MeetingAddress::read(user).is_some()));
    with_meeting(asked_for(message), calls_meeting && !message.is_within_dialog())
}

pub(crate) fn with_meeting(mut modalities: Modalities, is_meeting: bool) -> Modalities {
    if is_meeting {
        modalities.insert(Modality::Meetings);
    }
    modalities
}

/// Which part of a dialog it is; that there is one, our own Route has to say, or whoever is in it. A subscription is let in for
/// a while, and each refresh and each NOTIFY is asked about as the first (RFC 6665 section 4.1.2.2).
pub(crate) fn part(message: &Message, has_dialog: bool) -> Part {
    let renews = matches!(message.method(), Some(Method::Subscribe | Method::Notify)) && !asked_for(message).is_empty();
    match has_dialog && message.is_within_dialog() {
        true if is_last_word(message) => Part::Ends,
        true if !renews => Part::GoesOn,
        _ => Part::Begins,
    }
}

/// Who may not speak from outside any more hangs up and signs out all the same (RFC 3261 section 10.2.2).
fn is_farewell(message: &Message) -> bool {
    let by_header = message.expires() == Ok(Some(0));
    let goes = |contact: ContactValue<'_>| {
        contact.address().and_then(|address| address.param("expires")).map_or(by_header, |secs| secs == Some("0"))
    };
    let names_itself = message.method() == Some(Method::Register) && message.header(HeaderName::Contact).is_some();
    is_last_word(message) || (names_itself && message.contacts().all(|contact| contact.is_ok_and(goes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hangs_up_or_signs_out_says_farewell() {
        let says = |method: &str, headers: &str| {
            let text = format!(
                "{method} sip:contoso.example SIP/2.0\r\nVia: SIP/2.0/TLS p.invalid;branch=z9hG4bK1\r\n\
                 From: <sip:a@contoso.example>;tag=f\r\nTo: <sip:a@contoso.example>\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n{headers}\r\n"
            );
            is_farewell(&Message::parse(text.into()).expect("a request"))
        };
        let (one, gone) = ("Contact: <sip:a@p.invalid>\r\n", "Contact: <sip:a@p.invalid>;expires=0\r\n");
        assert!(says("BYE", "") && says("REGISTER", gone));
        assert!(says("REGISTER", &format!("{one}Expires: 0\r\n")) && says("REGISTER", "Contact: *\r\nExpires: 0\r\n"));
        assert!(!says("REGISTER", one) && !says("REGISTER", &format!("{gone}{one}")), "it stays");
        assert!(!says("REGISTER", "Expires: 0\r\n"), "it asks who is there");
        assert!(!says("INFO", "Expires: 0\r\n"));
    }
}
