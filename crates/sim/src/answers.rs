//! What the shell would be asked: the store, the DNS, and connections.

use std::net::SocketAddr;
use std::time::Duration;

use federation::discovery::{HostAnswer, HostFailure};
use federation::flow::{ConnectFailure, ConnectStep, Direction, FlowFacts};
use signaling::{Answer, Input, Output, Question, QuestionId};
use sip::{FlowId, Transport};

use crate::fault::FaultKind;
use crate::lanes::{Asker, End, Parcel};
use crate::network::Place;
use crate::organisation::{Site, Stream};
use crate::world::{Condition, World, shared};

impl World {
    pub(crate) fn ask(&mut self, site: usize, worker: u16, id: QuestionId, question: Question) {
        let asker = Asker { site, worker, incarnation: self.sites[site].incarnation(), id };
        if let Question::Connect { remote, .. } | Question::ConnectInside { remote, .. } = question {
            let is_inner = matches!(question, Question::ConnectInside { .. });
            let certificate = if let Question::Connect { certificate, .. } = question { certificate } else { 0 };
            self.dialled.push(remote.ip());
            // One round trip for TCP and one for TLS.
            let travel = self.draw_travel() * 4;
            let dial = Parcel::Dial { asker, remote, is_inner, certificate };
            return self.lanes.put_single(self.now + travel, dial);
        }
        *self.asked.entry((site, kind(&question))).or_default() += 1;
        let ports_late =
            if matches!(question, Question::OpenLeg { .. }) { self.sites[site].sound.late } else { Duration::ZERO };
        let late = self.lateness(&question) + ports_late;
        let answer = self.answer(site, question);
        match &mut self.sites[site].messages.held {
            Some(held) if matches!(answer, Answer::Stored(_)) => held.push((worker, id, answer)),
            _ => self.lanes.put_single(self.now + late, Parcel::Answer { asker, answer }),
        }
    }

    /// An answer reaches whoever asked, if he still lives.
    pub(crate) fn answered(&mut self, asker: Asker, answer: Answer) {
        let Asker { site, worker, incarnation, id } = asker;
        if self.sites[site].incarnation() == incarnation {
            self.input(site, worker, Input::Answer { id, answer });
        } else if let Answer::Connected(Ok(facts)) = answer {
            self.close(site, facts.id);
        }
    }

    pub(crate) fn dial(&mut self, asker: Asker, remote: SocketAddr, is_inner: bool, certificate: u16) {
        match self.reach(asker.site, remote, is_inner) {
            Ok(reached) => {
                let facts = self.connect_sites(asker, remote, &reached, certificate);
                self.answered(asker, Answer::Connected(Ok(facts)));
            }
            Err(Unreached { why, late }) => {
                let answer = Answer::Connected(Err(ConnectFailure { at: ConnectStep::Tcp, what: why.to_owned() }));
                self.lanes.put_single(self.now + late, Parcel::Answer { asker, answer });
            }
        }
    }

    /// The organisation at an address.
    fn reach(&self, from: usize, remote: SocketAddr, is_inner: bool) -> Result<Reached, Unreached> {
        const REFUSED: Unreached = Unreached { why: "connection refused", late: Duration::ZERO };
        let server = self.servers.get(&remote.ip()).filter(|_| !is_inner);
        let condition = server.map_or(Condition::Well, |server| server.condition);
        let listens = |site: &Site| match is_inner {
            true => site.inner.as_ref().is_some_and(|inner| inner.address == remote),
            false => site.address == remote,
        };
        let by_address = || self.sites.iter().position(listens);
        let far = server.map(|server| server.site).or_else(by_address).ok_or(REFUSED)?;
        let places = match is_inner {
            true => (Place::Site(from), Place::Site(far)),
            false => (self.place_outside(from), self.place_outside(far)),
        };
        if self.network.is_cut(places.0, places.1) || self.network.is_cut(places.1, places.0) {
            return Err(Unreached { why: "the connection timed out", late: CONNECT_TIME });
        }
        match condition {
            Condition::Dead => Err(REFUSED),
            Condition::Silent => Err(Unreached { why: "the connection timed out", late: CONNECT_TIME }),
            _ if !self.sites[far].is_up(self.now) => Err(REFUSED),
            _ => Ok(Reached { far, condition, places, is_inner }),
        }
    }

    fn connect_sites(&mut self, asker: Asker, remote: SocketAddr, reached: &Reached, certificate: u16) -> FlowFacts {
        let (Asker { site, worker, .. }, Reached { far, condition, places, is_inner }) = (asker, *reached);
        let ours = match certificate {
            0 => self.sites[site].identity_on(is_inner),
            number => self.sites[site].identity_number(number),
        };
        let ours = ours.seen_at(self.unix_secs_at(far));
        let now_unix = self.unix_secs_at(site);
        let theirs = match self.servers.get(&remote.ip()).filter(|_| !is_inner) {
            Some(server) => server.identity.seen_at(now_unix),
            None => self.sites[far].identity_on(is_inner).seen_at(now_unix),
        };
        let workers = self.workers(far);
        let acceptor = self.draw_worker(workers);
        let accepted = self.accept((far, acceptor), Some(ours), (places.1, places.0), is_inner);
        if let End::Site { flow, .. } = accepted
            && let Some(stream) = self.sites[far].streams.get_mut(&flow)
        {
            stream.condition = condition;
        }
        let facts = FlowFacts {
            id: FlowId::Stream { worker, serial: self.next_serial() },
            transport: Transport::Tls,
            local: SocketAddr::from(([192, 0, 2, 99], 50_000)),
            remote,
            direction: Direction::Outbound,
            certificate: shared(Some(theirs)),
            is_inner,
        };
        self.sites[site].streams.insert(facts.id, Stream::new(worker, facts.clone(), places));
        if condition != Condition::Mute {
            self.join_ends(End::Site { site, flow: facts.id }, accepted);
        }
        facts
    }

    fn draw_travel(&mut self) -> Duration {
        let (shortest, longest) = self.weather.travel;
        self.random.duration(shortest, longest)
    }

    fn lateness(&mut self, question: &Question) -> Duration {
        let (lookup, commit) = (self.weather.lookup, self.weather.commit);
        match question {
            Question::Srv { domain: name } | Question::Addresses { host: name } => {
                self.random.duration(lookup.0, lookup.1) + self.zones.lateness(name)
            }
            _ => self.random.duration(commit.0, commit.1),
        }
    }

    fn answer(&mut self, site: usize, question: Question) -> Answer {
        let random = &mut self.random;
        let home = &mut self.sites[site];
        match question {
            Question::Credentials(aor) => Answer::Credentials(home.look_up(|users| users.get(&aor).cloned())),
            Question::User(aor) => Answer::User(home.look_up(|users| users.contains_key(&aor))),
            Question::Store(new) => {
                let is_user = home.users.contains_key(&new.aor);
                home.messages.store(*new, is_user)
            }
            Question::NextStored { aor, after, now_unix_ms } => home.messages.next(&aor, after, now_unix_ms),
            Question::Approach(approach) => {
                let is_user = home.users.contains_key(&approach.aor);
                home.messages.approach(*approach, is_user)
            }
            Question::ConsentAnswer(answer) => home.messages.answer_consent(*answer),
            Question::Agree { aor, sender, now_unix_ms } => home.messages.agree(&aor, &sender, now_unix_ms),
            Question::Settle { id, is_delivered } => home.messages.settle(id, is_delivered),
            Question::Srv { domain } => {
                let edge = self.edge_of(&domain);
                Answer::Srv(self.zones.srv(&domain, edge.as_deref()))
            }
            Question::Addresses { host } => {
                let known = self.zones.addresses(&host).unwrap_or_else(|| self.addresses_named(&host));
                Answer::Addresses(known.map(|addresses| HostAnswer { addresses, ttl: HOST_TTL }))
            }
            Question::OpenLeg { leg } => {
                let keys = std::array::from_fn(|_| random.byte());
                Answer::LegOpened(home.sound.open(leg, home.address.ip(), sdp::Keys::cut(&keys)))
            }
            Question::Connect { .. } | Question::ConnectInside { .. } => {
                unreachable!("it is dialled, not answered")
            }
        }
    }

    /// One output goes wrong, as its kind of fault says.
    pub(crate) fn perform_faultily(&mut self, site: usize, worker: u16, output: Output, kind: FaultKind) {
        let is_silent = kind == FaultKind::Silent;
        self.note(format!("FAULT {} at {}: {}", kind.as_str(), self.sites[site].domain(), in_short(&output)));
        match output {
            Output::Transmit { flow: FlowId::Datagram { .. }, .. } => {}
            Output::Transmit { flow, .. } if is_silent => {
                if let Some(stream) = self.sites[site].streams.get_mut(&flow) {
                    stream.is_mute = true;
                    self.break_stream(End::Site { site, flow }, GIVE_UP);
                }
            }
            Output::Transmit { flow, .. } => self.break_stream(End::Site { site, flow }, Duration::ZERO),
            Output::MoveFlow { flow, .. } => {
                self.break_stream(End::Site { site, flow }, Duration::ZERO);
                self.perform(site, worker, output);
            }
            Output::Handoff { to, handoff } => {
                let late = if is_silent { STALL_LONG } else { STALL };
                self.hand_off((site, worker), to, handoff, late);
            }
            Output::Ask { .. } if is_silent => {}
            Output::Ask { id, question } => {
                let asker = Asker { site, worker, incarnation: self.sites[site].incarnation(), id };
                let answer = failed(&question);
                self.lanes.put_single(self.now, Parcel::Answer { asker, answer });
            }
            Output::CloseFlow { .. }
            | Output::SlowFlow { .. }
            | Output::Media(_)
            | Output::KeepMeeting(_)
            | Output::Decided(_)
            | Output::Record(_)
            | Output::KeepSuspect(_)
            | Output::KeepAnswer(_)
            | Output::LookAlike(_)
            | Output::PartnerReach { .. }
            | Output::PartnerNames { .. } => {
                self.perform(site, worker, output);
            }
        }
    }
}

/// Who is at an address, and the places that the way there leads between.
#[derive(Clone, Copy)]
struct Reached {
    far: usize,
    condition: Condition,
    places: (Place, Place),
    is_inner: bool,
}

/// Why there is no connection, and how long it takes to find out.
struct Unreached {
    why: &'static str,
    late: Duration,
}

/// The worst answer to a question.
fn failed(question: &Question) -> Answer {
    let why = "it failed".to_owned();
    match question {
        Question::Credentials(_) => Answer::Credentials(Err(why)),
        Question::User(_) => Answer::User(Err(why)),
        Question::Store(_) => Answer::Stored(Err(messaging::NotStored::Failed(why))),
        Question::NextStored { .. } => Answer::NextStored(Err(why)),
        Question::Settle { .. } => Answer::Settled(Err(why)),
        Question::Approach(_) => Answer::Approached(Err(why)),
        Question::ConsentAnswer(_) => Answer::ConsentAnswered(Err(why)),
        Question::Agree { .. } => Answer::Agreed(Err(why)),
        Question::Srv { .. } => Answer::Srv(Err(federation::discovery::SrvFailure::Timeout)),
        Question::Addresses { .. } => Answer::Addresses(Err(HostFailure::Unanswered(why))),
        Question::OpenLeg { .. } => Answer::LegOpened(Err(why)),
        Question::Connect { .. } | Question::ConnectInside { .. } => {
            Answer::Connected(Err(ConnectFailure { at: ConnectStep::Refused, what: "connection refused".into() }))
        }
    }
}

/// An output as the trace has it.
fn in_short(output: &Output) -> String {
    match output {
        Output::Transmit { flow, bytes } => {
            let text = String::from_utf8_lossy(bytes);
            format!("transmit on {flow:?}: {}", text.lines().next().unwrap_or_default())
        }
        Output::CloseFlow { flow } => format!("close {flow:?}"),
        Output::SlowFlow { flow } => format!("slow {flow:?}"),
        Output::KeepAnswer(_) => "keep an answer".into(),
        Output::MoveFlow { flow, to } => format!("move {flow:?} to worker {to}"),
        Output::Handoff { to, handoff } => {
            let text = format!("{handoff:?}");
            let name: String = text.chars().take_while(|letter| letter.is_alphanumeric()).collect();
            format!("handoff to worker {to}: {name}")
        }
        Output::Ask { question, .. } => {
            let text = format!("{question:?}");
            let name: String = text.chars().take_while(|letter| letter.is_alphanumeric()).collect();
            format!("ask: {name}")
        }
        Output::Media(command) => format!("media: {command:?}"),
        Output::KeepMeeting(meeting) => format!("keep meeting {}", meeting.id),
        Output::Decided(_) => "decided".into(),
        Output::Record(_) => "record".into(),
        Output::PartnerReach { domain, provider, reach, .. } => {
            format!("{domain} or its provider {provider:?} is {reach:?}")
        }
        Output::PartnerNames { domain, is_stale } => format!("the names of {domain} are stale: {is_stale}"),
        Output::LookAlike(look_alike) => format!("look-alike: {look_alike}"),
        Output::KeepSuspect(suspect) => format!("keep suspect {:?}", suspect.domains),
    }
}

/// As of a domain's record.
const HOST_TTL: Duration = Duration::from_secs(60);
/// How long the shell tries to connect to somebody who does not answer.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long a worker that is busy with something else lets a handoff wait.
const STALL: Duration = Duration::from_secs(2);
const STALL_LONG: Duration = Duration::from_secs(45);
/// After which the kernel gives up on a peer that acknowledges nothing.
const GIVE_UP: Duration = Duration::from_secs(60);

fn kind(question: &Question) -> &'static str {
    match question {
        Question::Credentials(_) => "credentials",
        Question::User(_) => "user",
        Question::Store(_) => "store",
        Question::NextStored { .. } => "next-stored",
        Question::Settle { .. } => "settle",
        Question::Approach(_) => "approach",
        Question::ConsentAnswer(_) => "consent-answer",
        Question::Agree { .. } => "agree",
        Question::Srv { .. } => "srv",
        Question::Addresses { .. } => "addresses",
        Question::OpenLeg { .. } => "open-leg",
        Question::Connect { .. } | Question::ConnectInside { .. } => "connect",
    }
}
