//! The conferences of a worker: requests to their focus, and what each focus wants done.
//!
//! What a meeting is, is `conference`'s. Here it is found or begun, its requests go out and their answers come back, and what
//! it wants of the mixer goes to the media thread.

mod beginning;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use conference::policy::admission::Entry;
use conference::schedule::Meetings;
use conference::{
    ConferenceId, Focus, FocusOutput, Incoming, LegPorts, Outcome, ParticipantSummary, SoundCommand, SoundEvent, Tone,
    Turn,
};
use media::{Announcement, BridgeId, BridgeKind, LegId, MediaCommand, MediaEvent};
use sdp::LocalAddresses;
use serde::{Deserialize, Serialize};
use sip::{Aor, Method, Refusal};

use crate::acceptor::overloaded;
use crate::agent::{AgentKey, AgentRequest, AgentResponse, LegUser};
use crate::calls::Engagement;
use crate::core::Core;
use crate::established::Established;
use crate::schedule::Machine;
use crate::shares::Peer;
use crate::waiting::Asker;
use crate::{AdmittedRequest, Answer, Output, Question, Upstream};

/// A meeting under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConferenceStatus {
    pub id: ConferenceId,
    pub uri: String,
    /// Empty: it has none.
    pub subject: String,
    pub organiser: String,
    pub is_scheduled: bool,
    pub is_locked: bool,
    pub participants: Vec<ParticipantSummary>,
}

/// A meeting that is to begin now.
#[derive(Debug, Clone)]
pub struct AdHocMeeting {
    pub id: ConferenceId,
    /// A user of ours, who is called, too.
    pub organiser: Aor,
    pub people: Vec<Aor>,
    /// A conversation in writing: everybody is invited by a message.
    pub is_written: bool,
}

/// The conferences that this worker owns.
#[derive(Debug)]
pub(crate) struct Conferences {
    conferences_by_id: BTreeMap<ConferenceId, Conference>,
    ids_by_serial: BTreeMap<u64, ConferenceId>,
    /// Each INVITE that waits for its answer, so that its CANCEL finds it.
    ids_by_invite: BTreeMap<Upstream, ConferenceId>,
    /// Those that are not scheduled, by whose they are.
    unscheduled: Established,
    serial: u64,
}

#[derive(Debug)]
struct Conference {
    focus: Focus<Upstream>,
    /// Of its bridge, and of its entry in the schedule.
    serial: u64,
    /// Its entry in the schedule, so that not every input adds one.
    wakes_at: Option<Instant>,
    /// Whose it is, where it is not scheduled.
    counts_for: Option<Peer>,
}

impl Conferences {
    pub(crate) fn new(incarnation: u32) -> Conferences {
        let serial = u64::from(incarnation) << 32;
        Conferences {
            conferences_by_id: BTreeMap::new(),
            ids_by_serial: BTreeMap::new(),
            ids_by_invite: BTreeMap::new(),
            unscheduled: Established::default(),
            serial,
        }
    }

    pub(crate) fn is_known(&self, id: &ConferenceId) -> bool {
        self.conferences_by_id.contains_key(id)
    }

    pub(crate) fn is_gathering(&self, id: &ConferenceId) -> bool {
        self.conferences_by_id.get(id).is_some_and(|conference| conference.focus.is_gathering())
    }

    pub(crate) fn len(&self) -> usize {
        self.conferences_by_id.len()
    }

    /// A number for a bridge, of a conference or a call, that this worker has not given before.
    pub(crate) fn next_bridge(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

impl Core {
    /// A request for a conference that this worker owns.
    pub(crate) fn serve_conference(&mut self, now: Instant, id: &ConferenceId, request: AdmittedRequest) {
        let may_come = self.check_comes_into_meeting(id, &request);
        if let Err(refusal) = may_come.and_then(|()| self.find_conference(id, &request)) {
            if let Some(upstream) = request.upstream {
                self.refuse_owned(now, upstream, &request.message, &refusal);
            }
            return;
        }
        let source = request.ingress.flow().map(|facts| facts.remote.ip());
        let AdmittedRequest { message, admitted, upstream, .. } = &request;
        if let Some(upstream) = upstream.filter(|_| message.method() == Some(Method::Invite)) {
            self.conferences.ids_by_invite.insert(upstream, id.clone());
        }
        let incoming = Incoming { request: message, admitted, to: *upstream, source };
        let taken = self.with_focus(now, id, |focus, turn| focus.handle_request(turn, incoming));
        if let (Some(Err(refusal)), Some(upstream)) = (taken, request.upstream) {
            self.conferences.ids_by_invite.remove(&upstream);
            self.refuse_owned(now, upstream, &request.message, &refusal);
        }
        self.forget_unused(id);
    }

    /// Gives the focus an input and does what it wants done then; `None`: there is no such conference.
    pub(crate) fn with_focus<T>(
        &mut self,
        now: Instant,
        id: &ConferenceId,
        act: impl FnOnce(&mut Focus<Upstream>, &mut Turn<'_>) -> T,
    ) -> Option<T> {
        let unix_secs = i64::try_from(self.unix_ms(now) / 1000).unwrap_or(i64::MAX);
        let Core { conferences: Conferences { conferences_by_id, .. }, mint, unguessable, .. } = self;
        let conference = conferences_by_id.get_mut(id)?;
        let mut random = || {
            *unguessable += 1;
            mint.unguessable(*unguessable)
        };
        let done = act(&mut conference.focus, &mut Turn { now, unix_secs, random: &mut random });
        self.settle_conference(now, id);
        Some(done)
    }

    fn settle_conference(&mut self, now: Instant, id: &ConferenceId) {
        while let Some(conference) = self.conferences.conferences_by_id.get_mut(id) {
            let Some(output) = conference.focus.poll_output(now) else {
                let next = conference.focus.next_timeout();
                if let Some(at) = next.filter(|at| conference.wakes_at.is_none_or(|set| *at < set || set <= now)) {
                    conference.wakes_at = Some(at);
                    let machine = Machine::Conference(conference.serial);
                    self.schedule.push(at, machine);
                }
                return;
            };
            let (aor, serial) = (conference.focus.aor().clone(), conference.serial);
            self.perform_for(now, id, aor, serial, output);
        }
    }

    fn perform_for(&mut self, now: Instant, id: &ConferenceId, aor: Aor, serial: u64, output: FocusOutput<Upstream>) {
        let agent = AgentKey::Conference(id.clone());
        match output {
            FocusOutput::Respond { to, status, response } => {
                if status >= 200 {
                    self.conferences.ids_by_invite.remove(&to);
                }
                let response = self.declined_by_meeting(id, status, response);
                self.respond(now, to, status, response);
            }
            FocusOutput::Request { number, request } => {
                self.send_for_agent(now, AgentRequest { agent, aor, number: Some(number), request });
            }
            FocusOutput::TooMany { number, request } => {
                self.counts.hit("requests_max");
                let refusal = overloaded("too many requests of the meeting wait for an answer");
                self.refuse_for_agent(now, AgentRequest { agent, aor, number: Some(number), request }, refusal);
            }
            FocusOutput::Ack(request) => self.send_for_agent(now, AgentRequest { agent, aor, number: None, request }),
            FocusOutput::Cancel { number } => self.cancel_for_agent(now, &agent, number, None),
            FocusOutput::Sound(command) => self.want_sound(now, id, serial, command),
            FocusOutput::Attendance { aor, is_attending } => self.attendance_changed(now, aor, id, is_attending),
            FocusOutput::Keep(meeting) => self.put(Output::KeepMeeting(meeting)),
            FocusOutput::LimitHit(limit) => self.counts.hit(limit),
            FocusOutput::NoSound { who, call_id, why } => self.record_soundless(now, &aor, &who, call_id, &why),
            FocusOutput::NobodyCame { reason } => self.nobody_came(id, reason),
            FocusOutput::Adopted { leg, outcome } => self.end_moved(now, id, leg, outcome),
            FocusOutput::Ended => self.end_conference(id),
        }
    }

    fn want_sound(&mut self, now: Instant, id: &ConferenceId, serial: u64, command: SoundCommand) {
        let bridge = BridgeId { worker: self.ownership.worker, serial };
        let leg_of = |serial| LegId { bridge, serial };
        let command = match command {
            SoundCommand::Open { leg } => return self.open_leg(now, LegUser::Conference(id.clone()), leg_of(leg)),
            SoundCommand::Run { leg, session, trusted_source } => {
                MediaCommand::Run { leg: leg_of(leg), kind: BridgeKind::Conference, session, trusted_source }
            }
            SoundCommand::Mute { leg, is_muted } => MediaCommand::Mute { leg: leg_of(leg), is_muted },
            SoundCommand::Hold { leg, is_held } => MediaCommand::Hold { leg: leg_of(leg), is_held },
            SoundCommand::Announce { to, tone } => {
                MediaCommand::Announce { bridge, to: to.map(leg_of), announcement: announcement(tone) }
            }
            SoundCommand::Close { leg, of } => {
                if let Some(of) = of {
                    self.leg_closes(now, leg_of(leg), of);
                }
                MediaCommand::Close { leg: leg_of(leg) }
            }
        };
        self.put(Output::Media(command));
    }

    /// Asks for the ports of a leg.
    pub(crate) fn open_leg(&mut self, now: Instant, user: LegUser, leg: LegId) {
        // Whoever wants one that he cannot have is told once he has said all that he wanted.
        if let Err(why) = self.take_leg(&user, leg) {
            return self.asked.leg_refused(user, leg, why);
        }
        let asker = Asker::Leg { user: user.clone(), leg };
        if self.ask(now, Question::OpenLeg { leg }, asker).is_err() {
            self.asked.leg_refused(user, leg, "too much waits for an answer".to_owned());
        }
    }

    pub(crate) fn resume_leg(&mut self, now: Instant, user: &LegUser, leg: LegId, answer: Option<Answer>) {
        let is_late = answer.is_none();
        let ports = match answer {
            Some(Answer::LegOpened(Ok(opened))) => Ok(LegPorts {
                addresses: LocalAddresses { first: opened.rtp.ip(), other: opened.other_address },
                rtp_port: opened.rtp.port(),
                rtcp_port: opened.rtcp.port(),
                keys: opened.keys,
            }),
            Some(Answer::LegOpened(Err(why))) => {
                self.leg_shares.give_back(leg);
                Err(why)
            }
            _ => Err("no answer came in time".to_owned()),
        };
        let is_open = ports.is_ok();
        let is_wanted = match user {
            LegUser::Conference(id) => {
                self.with_focus(now, id, |focus, turn| focus.handle_leg_opened(turn, leg.serial, ports)).is_some()
            }
            LegUser::Call(serial) => self.call_leg_opened(now, *serial, leg, ports),
        };
        // Where no answer came in time, one may come yet.
        if (!is_wanted && is_open) || is_late {
            self.put(Output::Media(MediaCommand::Close { leg }));
        }
    }

    /// An administrator's command, or one in the name of somebody in the meeting; `None`: this worker has no such meeting.
    ///
    /// # Errors
    /// What the meeting says to it.
    pub fn command_conference(
        &mut self,
        now: Instant,
        id: &ConferenceId,
        by: Option<&Aor>,
        command: &conference::Command,
    ) -> Option<Result<(), Refusal>> {
        let done = self.with_focus(now, id, |focus, turn| focus.handle_command(turn, by, command));
        self.settle(now);
        done
    }

    /// Ends every meeting of this worker: the server is about to end, and nobody would hear anything any more.
    pub fn end_conferences(&mut self, now: Instant) {
        let ids: Vec<ConferenceId> = self.conferences.conferences_by_id.keys().cloned().collect();
        for id in ids {
            self.with_focus(now, &id, |focus, turn| focus.handle_command(turn, None, &conference::Command::End));
        }
        self.settle(now);
    }

    /// The meetings of this worker that have people in them, by id.
    pub fn conference_statuses(&self) -> Vec<ConferenceStatus> {
        let status = |focus: &Focus<Upstream>| ConferenceStatus {
            id: focus.id().clone(),
            uri: focus.aor().uri(),
            subject: focus.conduct().subject.clone(),
            organiser: focus.conduct().organiser.to_string(),
            is_scheduled: focus.conduct().meeting.is_some(),
            is_locked: focus.conduct().settings.is_locked,
            participants: focus.participants(),
        };
        self.conferences.conferences_by_id.values().map(|conference| status(&conference.focus)).collect()
    }

    /// The table of scheduled meetings was replaced: those that have people in them now learn what concerns them.
    pub(crate) fn replace_meetings(&mut self, now: Instant, meetings: Arc<Meetings>) {
        let old = std::mem::replace(&mut self.meetings, meetings);
        for id in self.conferences.conferences_by_id.keys().cloned().collect::<Vec<_>>() {
            let Some(meeting) = self.meetings.get(&id).cloned() else { continue };
            if old.get(&id) != Some(&meeting) {
                self.with_focus(now, &id, |focus, turn| focus.reschedule(turn, &meeting));
            }
        }
    }

    /// What the mixer says of a leg of ours.
    pub(crate) fn handle_media(&mut self, now: Instant, event: MediaEvent) {
        let (leg, said) = match event.clone() {
            MediaEvent::Dtmf { leg, key } => (leg, SoundEvent::Dtmf(key)),
            MediaEvent::Talking { leg, is_talking } => (leg, SoundEvent::Talking(is_talking)),
            MediaEvent::Silent { leg } => (leg, SoundEvent::Silent),
            MediaEvent::Heard { leg } => (leg, SoundEvent::Heard),
            MediaEvent::SourceRefused { leg, source } => (leg, SoundEvent::SourceRefused(source)),
            MediaEvent::Lost { leg } => (leg, SoundEvent::Lost),
            MediaEvent::Closed { leg, report } => return self.record_leg(now, leg, report),
        };
        match self.conferences.ids_by_serial.get(&leg.bridge.serial).cloned() {
            Some(id) => drop(self.with_focus(now, &id, |focus, turn| focus.handle_sound(turn, leg.serial, said))),
            None => self.call_sounds(now, &event),
        }
    }

    pub(crate) fn conference_answered(&mut self, now: Instant, id: &ConferenceId, answered: &AgentResponse) {
        let outcome = Outcome { response: &answered.response, source: answered.source };
        self.with_focus(now, id, |focus, turn| focus.handle_response(turn, answered.number, &outcome));
    }

    pub(crate) fn wake_conference(&mut self, now: Instant, serial: u64) {
        if let Some(id) = self.conferences.ids_by_serial.get(&serial).cloned() {
            self.with_focus(now, &id, |focus, turn| focus.handle_timeout(turn));
        }
    }

    /// The caller gave up an INVITE that may wait in a conference.
    pub(crate) fn cancel_in_conference(&mut self, now: Instant, upstream: Upstream) {
        if let Some(id) = self.conferences.ids_by_invite.get(&upstream).cloned() {
            self.with_focus(now, &id, |focus, turn| focus.handle_cancel(turn, upstream));
        }
    }

    /// Whether a meeting that is under way on this worker would let somebody in, if he came now; `None`: no such one is.
    pub fn entry_into_meeting(&mut self, now: Instant, id: &ConferenceId, who: &Aor) -> Option<Result<Entry, Refusal>> {
        self.with_focus(now, id, |focus, turn| focus.admit(turn, who))
    }

    /// Whose meeting it is, where it is known.
    pub fn organiser_of(&self, id: &ConferenceId) -> Option<&Aor> {
        let running = self.conferences.conferences_by_id.get(id);
        let running = running.map(|conference| &conference.focus.conduct().organiser);
        running.or_else(|| self.meetings.get(id).map(|meeting| &meeting.organiser))
    }

    /// Removes whoever may not be spoken to any more from every conference of this worker; asked with the meeting's organiser.
    pub(crate) fn remove_from_conferences(
        &mut self,
        now: Instant,
        check: impl Fn(&Core, &Aor, &Aor) -> Result<(), Refusal>,
    ) {
        let mut unwelcome = Vec::new();
        for (id, conference) in &self.conferences.conferences_by_id {
            let organiser = &conference.focus.conduct().organiser;
            let refusal = |who: &Aor| check(self, who, organiser).err();
            let refused = conference.focus.addresses().filter_map(|who| Some((who.clone(), refusal(who)?)));
            unwelcome.extend(refused.map(|(who, refusal)| (id.clone(), who, refusal)));
        }
        for (id, who, refusal) in unwelcome {
            let call_ids = self.with_focus(now, &id, |focus, turn| focus.expel(turn, &who, &refusal));
            for call_id in call_ids.unwrap_or_default() {
                self.record_removed(now, &call_id, &who, &refusal);
            }
        }
    }

    fn attendance_changed(&mut self, now: Instant, aor: Aor, id: &ConferenceId, is_attending: bool) {
        self.engagement_changed(now, aor, Engagement::Meeting(id.clone()), is_attending);
    }
}

fn announcement(tone: Tone) -> Announcement {
    match tone {
        Tone::Joined => Announcement::Joined,
        Tone::Left => Announcement::Left,
        Tone::Muted => Announcement::Muted,
        Tone::Unmuted => Announcement::Unmuted,
        Tone::Count(count) => Announcement::Count(count),
    }
}
