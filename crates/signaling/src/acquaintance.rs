//! Which users of ours have turned to partners without an entry: who was written to, called or taken a call from may write and
//! call without asking again. All others are kept to a few tries; the ledgers count those.

use std::time::Instant;

use conference::id::MeetingAddress;
use federation::admission::{Admitted, Origin, Tier};
use federation::ledger::{CertificateId, KeptAnswer};
use federation::partner::Standing;
use sip::{Aor, HeaderName, Message, Method, Refusal, Uri};

use crate::core::Core;
use crate::escalation::is_for_messages;
use crate::route::Destination;
use crate::{AdmittedRequest, Handoff, Output};

impl Core {
    /// A request of a user of ours goes out.
    pub(crate) fn note_sent(&mut self, now: Instant, message: &Message, admitted: &Admitted, to: &Destination) {
        let is_by_person = match message.method() {
            Some(Method::Invite | Method::Subscribe) => true,
            Some(Method::Message) => !is_by_device(message),
            _ => false,
        };
        if !is_by_person || !matches!(to, Destination::Partner { .. } | Destination::Agent(_)) {
            return;
        }
        let user = match admitted.origin() {
            Origin::User { aor } => Some(aor.clone()),
            Origin::Inside { .. } => Aor::of_sender(message),
            Origin::Partner { .. } | Origin::Remote { .. } => None,
        };
        let domain = message.to().ok().map(|to| to.uri().host_lowercase().to_string());
        if let (Some(user), Some(domain)) = (user, domain)
            && self.turned_to(now, &user, &domain)
        {
            self.agrees_by_turning_to(now, &user, message);
        }
    }

    /// A call that a partner began was taken.
    pub(crate) fn note_taken(&mut self, now: Instant, call: &AdmittedRequest) {
        let user = call.message.request_uri().and_then(|uri| self.person_of(uri));
        if let Some(user) = user {
            self.turned_to(now, &user, call.admitted.domain());
        }
    }

    /// Says whether that is a domain without an entry.
    pub(crate) fn turned_to(&mut self, now: Instant, user: &Aor, domain: &str) -> bool {
        if !matches!(self.partners.standing(domain), Standing::Discovered) {
            return false;
        }
        let user = self.mint.user(user);
        if self.ledgers.turned_to(user, domain) {
            let (at_unix_ms, domain) = (self.unix_ms(now), domain.to_owned());
            self.put(Output::KeepAnswer(KeptAnswer::TurnedTo { at_unix_ms, user, domain: domain.clone() }));
            for worker in self.ownership.others() {
                self.hand(worker, Handoff::TurnedTo { user, domain: domain.clone() });
            }
        }
        true
    }

    /// Something was let through that would reach this user; whom he has not turned to is to find it counted after a restart.
    pub(crate) fn note_knock(
        &mut self,
        at_unix_ms: u64,
        reaches: Option<u64>,
        domain: &str,
        certificate: CertificateId,
    ) {
        let Some(user) = reaches.filter(|user| !self.ledgers.has_turned_to(*user, domain)) else { return };
        self.put(Output::KeepAnswer(KeptAnswer::Knock { at_unix_ms, user, domain: domain.to_owned(), certificate }));
    }

    /// What a stranger is told in place of this final response, which no person gave, and which only a device of a user who is
    /// there could give: nobody heard it ring.
    pub(crate) fn told_instead(
        &mut self,
        request: &AdmittedRequest,
        has_rung: bool,
        response: &Message,
    ) -> Option<Refusal> {
        let status = response.status().filter(|status| *status >= 300 && !has_rung)?;
        let is_new = !request.message.is_within_dialog();
        // Or the caller's organisation could not stand between two phones that share no encoding. It tells who is there, for one of the
        // few tries that a stranger has.
        let shares_no_encoding = request.message.method() == Some(Method::Invite)
            && !is_for_messages(&request.message)
            && matches!(status, 488 | 606);
        (is_new && !shares_no_encoding && self.hides_from_stranger(request))
            .then(|| self.nobody(format!("a device of the user answered {status}")))
    }

    /// Whether it is hidden from whoever sent this that the user whom it names is there.
    pub(crate) fn hides_from_stranger(&mut self, request: &AdmittedRequest) -> bool {
        let Destination::User(aor) = &request.destination else { return false };
        let user = self.mint.user(aor);
        self.hides_users_from(request) && !self.ledgers.has_turned_to(user, request.admitted.domain())
    }

    /// The user whom a request of a discovered partner would reach with something that he notices, as a number.
    pub(crate) fn reached_user(&self, request: &AdmittedRequest, in_dialog: bool) -> Option<u64> {
        let message = &request.message;
        let person = match (message.method()?, in_dialog) {
            (Method::Message, true) => self.person_of(message.to().ok()?.uri().as_str()),
            (Method::Message | Method::Invite, false) => self.person_of(message.request_uri()?),
            _ => None,
        };
        person.map(|aor| self.mint.user(&aor))
    }

    /// Nobody is disturbed in a meeting to which he went.
    fn person_of(&self, uri: &str) -> Option<Aor> {
        let aor = Aor::from_uri(&Uri::parse(uri).ok()?).ok()?;
        (self.organisation.is_local(aor.domain()) && MeetingAddress::read(aor.user()).is_none()).then_some(aor)
    }
}

/// Whether a person took a call of a partner without an entry. A session of messages alone may be taken by a program.
pub(crate) fn is_taken(request: &AdmittedRequest, response: &Message) -> bool {
    matches!(request.admitted.origin(), Origin::Partner { standing: Tier::Discovered, .. })
        && request.message.method() == Some(Method::Invite)
        && matches!(response.status(), Some(200..=299))
        && !is_for_messages(&request.message)
}

/// That a message came, or was shown, a device says by itself (RFC 5438).
pub(crate) fn is_by_device(message: &Message) -> bool {
    let is_notification = |bytes: &[u8]| bytes.windows(IMDN.len()).any(|part| part.eq_ignore_ascii_case(IMDN));
    message.header(HeaderName::ContentType).is_some_and(is_notification) || is_notification(message.body())
}

const IMDN: &[u8] = b"message/imdn+xml";
