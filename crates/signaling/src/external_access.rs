//! The external access policies, asked about every request that crosses the border: whose user, which partner, and what
//! the request is for. The decision itself is `federation`'s.

use conference::id::MeetingAddress;
use federation::admission::{Admitted, Origin, Tier};
use federation::external_access::{Crossing, check_outside, decide};
use federation::flow::Direction;
use federation::modality::{Modalities, Modality, asked_for};
use sip::refusal::Word;
use sip::{Aor, Message, Method, Refusal, Uri};

use crate::agent::AgentKey;
use crate::core::Core;
use crate::route::{Destination, is_from_ours};

impl Core {
    /// Whether a request that was admitted may go where it is to go.
    ///
    /// # Errors
    /// As [`decide`].
    pub(crate) fn check_external_access(
        &self,
        message: &Message,
        admitted: &Admitted,
        destination: &Destination,
    ) -> Result<(), Refusal> {
        match admitted.origin() {
            // A user of ours at home at a provider, by the organisation's policy.
            Origin::Partner { domain, .. } if self.organisation.is_local(domain) && self.is_ours(message) => {
                let sender = message.from().ok().and_then(|from| Aor::from_uri(&from.uri()).ok());
                sender.map_or(Ok(()), |aor| self.check_outbound(message, &aor, destination))
            }
            Origin::Partner { .. } => self.check_inbound(message, admitted, destination),
            Origin::User { aor } => {
                if admitted.remote().is_some() {
                    check_outside(self.partners.access(), aor)?;
                }
                self.check_outbound(message, aor, destination)
            }
            Origin::Remote { .. } => Ok(()),
            // Who of those behind us it is, what is there has seen to.
            Origin::Inside { .. } => match message.from().ok().and_then(|from| Aor::from_uri(&from.uri()).ok()) {
                Some(aor) => self.check_outbound(message, &aor, destination),
                None => Ok(()),
            },
        }
    }

    fn check_inbound(&self, message: &Message, admitted: &Admitted, to: &Destination) -> Result<(), Refusal> {
        let Origin::Partner { domain, source, standing, .. } = admitted.origin() else { return Ok(()) };
        if matches!(to, Destination::Ourselves | Destination::Registrar(_)) {
            return Ok(());
        }
        // Carried by the provider that shares our address space, in its name.
        let carried = || message.from().ok().map(|from| from.uri().host_lowercase().to_string());
        let carried = carried().filter(|_| self.organisation.is_local(domain));
        let domain = carried.as_deref().unwrap_or(domain);
        let in_dialog = is_in_dialog(message);
        let named = message.to().ok().and_then(|to| self.own_user(&to.uri()));
        let user = match to {
            Destination::User(aor) => Some(aor),
            Destination::Agent(AgentKey::Conference(_)) | Destination::Factory => None,
            _ => named.as_ref(),
        };
        let sender = message.from().ok().and_then(|from| Aor::from_uri(&from.uri()).ok());
        let sender = sender.map_or_else(|| domain.to_owned(), |aor| aor.to_string());
        decide(
            &self.partners,
            &Crossing {
                direction: Direction::Inbound,
                user,
                domain,
                modalities: with_meeting(asked_for(message), is_meeting(to)),
                in_dialog,
                unverified_sender: Some(sender.as_str()).filter(|_| !source.is_verified),
            },
        )
        // To whom users are hidden, one who may not be reached is as one who is not there.
        .map_err(|refusal| match (refusal.word, standing) {
            (Word::UserUnknown, Tier::Discovered) => self.nobody(refusal.reason),
            _ => refusal,
        })
    }

    fn check_outbound(&self, message: &Message, aor: &Aor, to: &Destination) -> Result<(), Refusal> {
        let in_dialog = is_in_dialog(message);
        let far = message.to().ok().map(|to| to.uri().host_lowercase().to_string());
        let domain = match to {
            Destination::Partner { domain, .. } => domain.clone(),
            // One between two dialogs carries it on to the partner.
            Destination::Agent(AgentKey::Call { .. }) if in_dialog => far.unwrap_or_default(),
            _ => return Ok(()),
        };
        if domain.is_empty() || self.organisation.is_local(&domain) {
            return Ok(());
        }
        let uri = message.request_uri().and_then(|uri| Uri::parse(uri).ok());
        let calls_meeting = uri.is_some_and(|uri| uri.user().is_some_and(|user| MeetingAddress::read(user).is_some()));
        decide(
            &self.partners,
            &Crossing {
                direction: Direction::Outbound,
                user: Some(aor),
                domain: &domain,
                modalities: with_meeting(asked_for(message), calls_meeting && !in_dialog),
                in_dialog,
                unverified_sender: None,
            },
        )
    }

    /// Whether a meeting of ours may call somebody outside: by the organisation's policy, since it is nobody's user.
    ///
    /// # Errors
    /// As [`decide`].
    pub(crate) fn check_meeting_calls(&self, message: &Message, to: &Destination) -> Result<(), Refusal> {
        match to {
            Destination::Partner { domain, .. }
                if message.method() == Some(Method::Invite) && !is_in_dialog(message) =>
            {
                let modalities = with_meeting(asked_for(message), true);
                let (direction, unverified_sender) = (Direction::Outbound, None);
                decide(
                    &self.partners,
                    &Crossing { direction, user: None, domain, modalities, in_dialog: false, unverified_sender },
                )
            }
            _ => Ok(()),
        }
    }

    fn is_ours(&self, message: &Message) -> bool {
        is_from_ours(message, &self.organisation)
    }

    fn own_user(&self, uri: &Uri<'_>) -> Option<Aor> {
        Aor::from_uri(uri).ok().filter(|aor| self.organisation.is_local(aor.domain()))
    }
}

fn with_meeting(mut modalities: Modalities, is_meeting: bool) -> Modalities {
    if is_meeting {
        modalities.insert(Modality::Meetings);
    }
    modalities
}

fn is_meeting(to: &Destination) -> bool {
    matches!(to, Destination::Agent(AgentKey::Conference(_)) | Destination::Factory)
}

fn is_in_dialog(message: &Message) -> bool {
    message.to().is_ok_and(|to| to.tag().is_some())
}
