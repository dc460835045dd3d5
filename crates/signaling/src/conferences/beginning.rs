//! Conferences begin, and are forgotten.

use std::time::Instant;

use conference::id::MeetingAddress;
use conference::{Conduct, ConferenceId, Focus, FocusConfig, Turn};
use federation::admission::Origin;
use sip::refusal::Word;
use sip::{HeaderName, Message, Method, Refusal, Uri};

use super::{AdHocMeeting, Conference};
use crate::acceptor::overloaded;
use crate::core::Core;
use crate::shares::Peer;
use crate::{AdmittedRequest, Upstream};

impl Core {
    /// The name of a conference that is about to begin.
    pub(crate) fn new_conference(&mut self) -> ConferenceId {
        ConferenceId::new(self.with_random(|random| random()))
    }

    /// The conference goes on, is scheduled, or begins with this request.
    pub(super) fn find_conference(&mut self, id: &ConferenceId, request: &AdmittedRequest) -> Result<(), Refusal> {
        if self.conferences.conferences_by_id.contains_key(id) {
            return Ok(());
        }
        let unknown = |reason: &str| Refusal::new(404, Word::MeetingUnknown, reason.to_owned());
        if !begins_conference(&request.message) {
            return Err(Refusal::new(481, Word::DialogUnknown, "the conference is over, or was lost with its server"));
        }
        let own_domains = self.organisation.domains.clone();
        let (conduct, domain) = match request_user(&request.message) {
            Some((MeetingAddress::Factory, domain)) => match request.admitted.origin() {
                Origin::User { aor } => (Conduct::ad_hoc(aor.clone(), own_domains), domain),
                Origin::Partner { .. } | Origin::Remote { .. } | Origin::Inside { .. } => {
                    return Err(unknown("only our own users begin meetings here"));
                }
            },
            _ => match self.meetings.get(id) {
                Some(meeting) => {
                    let domain = meeting.domain().to_owned();
                    (Conduct::scheduled(meeting.clone(), own_domains), domain)
                }
                None => return Err(unknown("no meeting has that name")),
            },
        };
        self.begin_conference(id, &domain, conduct)
    }

    pub(crate) fn begin_conference(
        &mut self,
        id: &ConferenceId,
        domain: &str,
        conduct: Conduct,
    ) -> Result<(), Refusal> {
        if self.conferences.len() >= self.limits.conferences_max {
            self.counts.hit("conferences_max");
            return Err(overloaded("too many conferences"));
        }
        let counts_for = conduct.meeting.is_none().then(|| Peer::User(conduct.organiser.clone()));
        if counts_for.as_ref().is_some_and(|organiser| {
            self.conferences.unscheduled.of(organiser) >= self.limits.meetings_per_organiser_max
        }) {
            self.counts.hit("meetings_per_organiser_max");
            return Err(too_many_meetings(self.limits.meetings_per_organiser_max));
        }
        let focus = Focus::new(FocusConfig {
            id: id.clone(),
            aor: id.aor(domain),
            conduct,
            capabilities: sdp::Capabilities::default(),
            limits: self.limits.conference.clone(),
        });
        let serial = self.conferences.next_bridge();
        self.conferences.ids_by_serial.insert(serial, id.clone());
        self.conferences
            .conferences_by_id
            .insert(id.clone(), Conference { focus, serial, wakes_at: None, counts_for: counts_for.clone() });
        counts_for.into_iter().for_each(|organiser| self.conferences.unscheduled.take(organiser));
        Ok(())
    }

    /// A conference that nobody came into, because its first request was refused or only asked.
    pub(super) fn forget_unused(&mut self, id: &ConferenceId) {
        if self.conferences.conferences_by_id.get(id).is_some_and(|conference| conference.focus.is_unused()) {
            self.end_conference(id);
        }
    }

    pub(crate) fn end_conference(&mut self, id: &ConferenceId) {
        if let Some(conference) = self.conferences.conferences_by_id.remove(id) {
            self.conferences.ids_by_serial.remove(&conference.serial);
            self.conferences.ids_by_invite.retain(|_, of| of != id);
            conference.counts_for.into_iter().for_each(|organiser| self.conferences.unscheduled.give_back(organiser));
        }
    }

    /// Begins a meeting in the name of a user of ours, and calls him and these people into it; `None`: another worker owns
    /// it.
    ///
    /// # Errors
    /// 503 `overloaded`, and those of [`Focus::invite`].
    pub fn start_conference(&mut self, now: Instant, new: &AdHocMeeting) -> Option<Result<(), Refusal>> {
        let AdHocMeeting { id, organiser, people, is_written } = new;
        if !self.ownership.is_ours(self.ownership.of_conference(id)) {
            return None;
        }
        let conduct = Conduct::ad_hoc(organiser.clone(), self.organisation.domains.clone());
        let begun = self.begin_conference(id, organiser.domain(), conduct).and_then(|()| {
            let call = |focus: &mut Focus<Upstream>, turn: &mut Turn<'_>| match is_written {
                true => focus.begin_in_writing(turn, people),
                false => std::iter::once(organiser).chain(people).try_for_each(|who| focus.invite(turn, who, None)),
            };
            self.with_focus(now, id, call).unwrap_or(Ok(()))
        });
        self.settle(now);
        Some(begun)
    }
}

/// Not 503: the meetings that he has go on, and others begin theirs.
fn too_many_meetings(under_way: usize) -> Refusal {
    let reason = format!("{under_way} meetings of the organiser are under way on this worker");
    Refusal::new(480, Word::TooManyMeetings, reason).with_header(HeaderName::RetryAfter, RETRY_AFTER_SECS.to_string())
}

/// Whether a request can begin a conference, or bring somebody into one that is to begin.
fn begins_conference(request: &Message) -> bool {
    let is_outside = !request.is_within_dialog();
    is_outside && request.method() != Some(Method::Ack)
}

/// What the user part of the Request-URI stands for, and its domain.
fn request_user(request: &Message) -> Option<(MeetingAddress, String)> {
    let uri = Uri::parse(request.request_uri()?).ok()?;
    Some((MeetingAddress::read(uri.user()?)?, uri.host_lowercase().into()))
}

const RETRY_AFTER_SECS: u32 = 30;
