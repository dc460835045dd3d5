//! The roster, told to those who subscribed to it (RFC 4575).

use std::time::Instant;

use documents::conference_info::{EndpointStatus, JoiningMethod, Media, MediaStatus};
use sip::notifier::{EventPackage, Notifier, NotifierLimits, NotifierOutput, Subscribe, Subscriber, SubscriptionId};
use sip::{Aor, HeaderName, Refusal, TerminationReason, build};

use super::endpoint::{Endpoint, EndpointId, Stage};
use super::joining::sender;
use super::participant::{Participant, Place};
use super::{Asked, Focus, new_tag};
use crate::policy::roles;
use crate::roster::{Roster, RosterDescription, RosterEndpoint, RosterEntry, RosterMark};
use crate::schedule::Origin;
use crate::{FocusOutput, Incoming, Outcome, Turn};

/// What a focus tells of itself, and whom.
#[derive(Debug)]
pub(super) struct Watching {
    roster: Roster,
    notifier: Notifier<(), (), RosterMark>,
    /// Something changed that the roster does not show yet.
    is_stale: bool,
}

impl Watching {
    pub fn new(uri: String, subject: &str, participants_max: usize) -> Watching {
        let subject = Some(subject.to_owned()).filter(|subject| !subject.is_empty());
        let participants_max = u32::try_from(participants_max).ok();
        Watching {
            roster: Roster::new(uri, RosterDescription { subject, participants_max }),
            notifier: Notifier::new(CONFERENCE, LIMITS),
            is_stale: false,
        }
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        self.notifier.poll_timeout()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.notifier.handle_timeout(now);
    }

    pub fn is_watched(&self) -> bool {
        self.notifier.is_watched(&())
    }

    /// Nobody is in the meeting any more.
    pub fn end(&mut self) {
        self.notifier.end_all(&(), &TerminationReason::Noresource, |_| true);
    }

    /// Somebody may not see who is there any more.
    pub fn end_of(&mut self, who: &Aor) {
        self.notifier.end_all(&(), &TerminationReason::Rejected, |subscriber| subscriber.aor.as_ref() == Some(who));
    }
}

impl<S: Copy + Ord> Focus<S> {
    /// Something that the roster shows has changed.
    pub(super) fn touch(&mut self) {
        self.watching.is_stale = true;
    }

    pub(super) fn handle_subscribe(&mut self, turn: &mut Turn<'_>, incoming: &Incoming<'_, S>) -> Result<(), Refusal> {
        let request = incoming.request;
        let (who, _) = sender(request)?;
        let (tag, contact) = (new_tag(turn), self.us().contact);
        let subscribe = Subscribe {
            resource: &(),
            request,
            // Admission has proven the domain; of a partner's users their home vouches for the rest.
            subscriber: Subscriber { domain: who.domain().to_owned(), aor: Some(who.clone()) },
            permission: self.may_watch(&who),
            local_tag: &tag,
            way: (),
        };
        let subscribed = self.watching.notifier.handle_subscribe(turn.now, subscribe)?;
        let response = build::response(request, 200, None, Some(&tag))
            .header(HeaderName::Contact, contact)
            .header(HeaderName::Expires, subscribed.expires_secs)
            .build();
        if let Some(to) = incoming.to {
            self.outputs.push_back(FocusOutput::Respond { to, status: 200, response });
        }
        Ok(())
    }

    /// Who is in the meeting sees who else is; so do those who were invited, before they come.
    fn may_watch(&self, who: &Aor) -> Result<(), Refusal> {
        let is_invited = matches!(self.conduct.origin(who), Origin::Organiser | Origin::Invited);
        if is_invited { Ok(()) } else { self.check_inside(who) }
    }

    pub(super) fn notified(&mut self, turn: &Turn<'_>, id: SubscriptionId, outcome: &Outcome<'_>) {
        let status = outcome.response.status().filter(|status| *status >= 200);
        // An answer of our own making stands for silence.
        let status = status.filter(|status| outcome.source.is_some() || !NO_ANSWER.contains(status));
        let retry_after = outcome.response.seconds(HeaderName::RetryAfter).ok().flatten();
        self.watching.notifier.handle_notified(turn.now, id, status, retry_after);
    }

    /// The next that watchers are to be told.
    pub(super) fn tell_watchers(&mut self, now: Instant) -> Option<FocusOutput<S>> {
        if std::mem::take(&mut self.watching.is_stale) {
            self.refresh_roster();
        }
        loop {
            let Watching { roster, notifier, .. } = &mut self.watching;
            match notifier.poll_output(now, |occasion| roster.tell(occasion))? {
                // A meeting that nobody is in goes on only for those who watch it.
                NotifierOutput::Unwatched(()) => self.is_over |= self.participants_by_aor.is_empty(),
                NotifierOutput::Notify(notify) => {
                    let request = notify.request.header(HeaderName::Contact, self.us().contact);
                    self.ask(Asked::Notify(notify.id), request);
                    if let Some(output) = self.outputs.pop_front() {
                        return Some(output);
                    }
                }
            }
        }
    }

    fn refresh_roster(&mut self) {
        let entries: Vec<(String, RosterEntry)> =
            self.participants_by_aor.iter().map(|(aor, who)| (aor.uri(), self.entry(aor, who))).collect();
        let Watching { roster, notifier, .. } = &mut self.watching;
        let mut is_changed = roster.set_locked(self.conduct.settings.is_locked);
        for uri in std::mem::take(&mut self.left) {
            is_changed |= roster.remove(&uri);
        }
        for (uri, entry) in entries {
            is_changed |= roster.put(&uri, entry);
        }
        if is_changed {
            notifier.handle_change(&());
        }
    }

    fn entry(&self, aor: &Aor, participant: &Participant) -> RosterEntry {
        let role = format!("{:?}", roles::role(&self.conduct, aor)).to_lowercase();
        let endpoints = participant.endpoints.iter().filter_map(|id| {
            let endpoint = self.endpoints_by_id.get(id)?;
            Some(self.roster_endpoint(aor, participant, *id, endpoint))
        });
        let is_paged = participant.is_paged && self.written_sessions(aor).is_empty();
        let paged = is_paged.then(|| paged_endpoint(aor, participant));
        RosterEntry { display: participant.display.clone(), role, endpoints: endpoints.chain(paged).collect() }
    }

    fn roster_endpoint(&self, aor: &Aor, who: &Participant, id: EndpointId, endpoint: &Endpoint<S>) -> RosterEndpoint {
        let status = match (&endpoint.stage, who.place) {
            (Stage::Calling { .. }, _) => EndpointStatus::DialingOut,
            (_, Place::Lobby) => EndpointStatus::OnHold,
            (_, Place::Called) => EndpointStatus::Pending,
            (_, Place::Inside) if self.mutes.is_muted(aor) => EndpointStatus::MutedViaFocus,
            (_, Place::Inside) => EndpointStatus::Connected,
        };
        let is_dialed_out = endpoint.invite.is_some() || matches!(endpoint.stage, Stage::Calling { .. });
        RosterEndpoint {
            entity: format!("{};endpoint={id}", aor.uri()),
            status,
            joining_method: if is_dialed_out { JoiningMethod::DialedOut } else { JoiningMethod::DialedIn },
            joined_unix: Some(who.since_unix),
            media: self.roster_media(aor, endpoint),
        }
    }

    fn roster_media(&self, aor: &Aor, endpoint: &Endpoint<S>) -> Vec<Media> {
        let direction = if self.mutes.is_muted(aor) { MediaStatus::Recvonly } else { MediaStatus::Sendrecv };
        let audio = endpoint.has_leg().then(|| stream("1", "audio", direction));
        let messages = endpoint.is_written_to_within().then(|| stream("2", "message", MediaStatus::Sendrecv));
        audio.into_iter().chain(messages).collect()
    }
}

/// Of somebody who takes part by messages outside of any dialog: as far as is known he is one device, at his address.
fn paged_endpoint(aor: &Aor, who: &Participant) -> RosterEndpoint {
    RosterEndpoint {
        entity: aor.uri(),
        status: match who.place {
            Place::Called => EndpointStatus::Pending,
            Place::Lobby => EndpointStatus::OnHold,
            Place::Inside => EndpointStatus::Connected,
        },
        joining_method: if who.is_written_to_first { JoiningMethod::DialedOut } else { JoiningMethod::DialedIn },
        joined_unix: Some(who.since_unix),
        media: vec![stream("2", "message", MediaStatus::Sendrecv)],
    }
}

fn stream(id: &str, kind: &str, status: MediaStatus) -> Media {
    Media { id: id.to_owned(), media_type: Some(kind.to_owned()), status: Some(status), ..Media::default() }
}

const CONFERENCE: EventPackage =
    EventPackage { name: "conference", content_type: documents::conference_info::CONTENT_TYPE };

/// Each participant may watch with several devices, and all of them may be of one partner.
const LIMITS: NotifierLimits = NotifierLimits {
    subscriptions_per_resource_max: WATCHERS_MAX,
    resource_per_user_max: WATCHES_PER_USER_MAX,
    resource_per_partner_max: WATCHERS_MAX,
    subscriptions_per_user_max: WATCHES_PER_USER_MAX,
    subscriptions_per_partner_max: WATCHERS_MAX,
    subscriptions_max: WATCHERS_MAX,
    expires_secs_min: 60,
    expires_secs_default: 3600,
    expires_secs_max: 7200,
};

/// Of one meeting.
const WATCHERS_MAX: usize = 1000;
const WATCHES_PER_USER_MAX: usize = 32;

/// What our side says for a watcher who said nothing, or who could not be reached.
const NO_ANSWER: [u16; 3] = [408, 480, 504];
