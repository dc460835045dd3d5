//! Between a session of messages and single messages: one side speaks MESSAGE within an INVITE dialog, the other only outside
//! of any.
//!
//! We answer the session in the place of a user whose devices refuse it. What comes within it goes on as single messages, by
//! the ordinary way to his devices or into the store; what he writes to the other goes into the session while it lasts. Nobody
//! is told that a message has arrived before that is so.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use documents::cpim::{self, CpimAddress, CpimMessage};
use sdp::{MessageStream, Offer, OurStreams, SessionOrigin};
use sip::refusal::Word;
use sip::usage::{InviteUsage, Session, Us, UsageOutput};
use sip::{Aor, HeaderName, Message, Method, ParseError, Refusal, RequestBuilder, Uri, build};

/// One such session. `S` names where a request came from, for the answers to it.
///
/// After each call [`Gateway::poll_output`] is called until it gives nothing.
#[derive(Debug)]
pub struct Gateway<S> {
    /// Whose devices know only single messages.
    user: Aor,
    peer: Aor,
    /// The peer's From, without its tag.
    peer_address: String,
    usage: InviteUsage<S>,
    origin: SessionOrigin,
    /// What the peer takes.
    stream: MessageStream,
    asked_by_number: BTreeMap<u64, Asked<S>>,
    last_number: u64,
    last_said: Instant,
    limits: GatewayLimits,
    is_over: bool,
    outputs: VecDeque<GatewayOutput<S>>,
}

/// Bounds on one session. What is answered beyond each stands with it.
#[derive(Debug, Clone)]
pub struct GatewayLimits {
    /// Messages on their way through it. Beyond it 480 `too-many-messages`.
    pub under_way_max: usize,
    /// A session in which nothing is said for so long is ended.
    pub silent_secs_max: u64,
}

/// What a request of ours was for.
#[derive(Debug)]
enum Asked<S> {
    /// The session itself.
    Session,
    /// A message was carried over, and its sender waits.
    Carried { to: S, message: Box<Message>, is_into_session: bool },
}

#[derive(Debug, Clone)]
pub enum GatewayOutput<S> {
    Respond {
        to: S,
        status: u16,
        response: Bytes,
    },
    /// Send this in the name of the speaker, complete but for Via; its responses are told by
    /// [`Gateway::handle_response`] with the number.
    Request {
        number: u64,
        speaker: Aor,
        request: RequestBuilder,
    },
    /// Send this ACK, complete but for Via.
    Ack(RequestBuilder),
    /// Messages of the user to the peer do not go into the session any more.
    Closed,
    /// Nobody waits for anything of it.
    Ended,
}

impl<S: Copy> Gateway<S> {
    /// Whether an offer is of messages alone, so that a session of them may be answered.
    pub fn is_for(offer: &Offer) -> bool {
        offer.messages().is_some() && !offer.has_audio()
    }

    /// Answers the INVITE that the user's devices refused.
    ///
    /// # Errors
    /// 400 for what cannot be read, 488 for an offer that is not of messages.
    pub fn answer(
        now: Instant,
        invite: &Message,
        to: S,
        user: Aor,
        limits: GatewayLimits,
        random: &mut dyn FnMut() -> u64,
    ) -> Result<Gateway<S>, Refusal> {
        let from = invite.from().map_err(malformed)?;
        let peer = Aor::from_uri(&from.uri()).map_err(malformed)?;
        let name =
            from.display_name().map(|name| format!("\"{}\" ", name.replace(['"', '\\'], "'"))).unwrap_or_default();
        let offer = Offer::parse(invite.body()).ok().filter(Self::is_for);
        let offer = offer.ok_or_else(|| Refusal::new(488, Word::MediaUnacceptable, "no offer of messages"))?;
        let us = Us { contact: format!("<{}>", user.uri()), headers: vec![(HeaderName::Allow, ALLOW.to_owned())] };
        let usage = InviteUsage::incoming(invite, to, &format!("{:016x}", random()), us).map_err(malformed)?;
        let origin = SessionOrigin { host: user.domain().to_owned(), session_id: random() >> 2, version: 0 };
        let mut gateway = Gateway {
            peer_address: format!("{name}<{}>", peer.uri()),
            user,
            peer,
            usage,
            origin,
            stream: MessageStream::default(),
            asked_by_number: BTreeMap::new(),
            last_number: 0,
            last_said: now,
            limits,
            is_over: false,
            outputs: VecDeque::new(),
        };
        gateway.take_offer(now, &offer);
        gateway.drain(now);
        Ok(gateway)
    }

    pub fn user(&self) -> &Aor {
        &self.user
    }

    pub fn peer(&self) -> &Aor {
        &self.peer
    }

    /// Takes a request of the peer within the session, or a single message of the user to him.
    ///
    /// # Errors
    /// What the request is to be answered with.
    pub fn handle_request(
        &mut self,
        now: Instant,
        to: Option<S>,
        request: &Message,
        random: &mut dyn FnMut() -> u64,
    ) -> Result<(), Refusal> {
        if request.to().map_err(malformed)?.tag().is_none() {
            return self.carry_into_session(now, to, request);
        }
        let is_taken = self.usage.handle_request(now, to, request);
        self.drain(now);
        match (is_taken?, request.method()) {
            (true, _) => Ok(()),
            (false, Some(Method::Message)) => self.carry_out(now, to, request, random),
            // Whoever passes the session on asks so whether it is still there.
            (false, Some(Method::Options)) => {
                to.into_iter().for_each(|to| self.respond(to, request, 200));
                Ok(())
            }
            _ => Err(Refusal::new(405, Word::MethodNotAllowed, "not within a session of messages")
                .with_header(HeaderName::Allow, ALLOW.to_owned())),
        }
    }

    /// What became of a request of ours.
    pub fn handle_response(&mut self, now: Instant, number: u64, response: &Message, jitter: u64) {
        let Some(status) = response.status().filter(|status| *status >= 200) else { return };
        let Some(asked) = self.asked_by_number.remove(&number) else { return };
        match asked {
            Asked::Session => self.usage.handle_response(now, response, jitter),
            Asked::Carried { to, message, is_into_session } => {
                if is_into_session {
                    self.usage.handle_response(now, response, jitter);
                }
                self.respond(to, &message, told(status));
            }
        }
        self.drain(now);
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        let silent = (!self.is_over).then(|| self.silent_at());
        self.usage.next_timeout().into_iter().chain(silent).min()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.usage.handle_timeout(now);
        if self.silent_at() <= now {
            self.usage.hang_up(now);
        }
        self.drain(now);
    }

    pub fn poll_output(&mut self) -> Option<GatewayOutput<S>> {
        self.outputs.pop_front()
    }

    fn silent_at(&self) -> Instant {
        self.last_said + Duration::from_secs(self.limits.silent_secs_max)
    }

    /// What the peer says goes to the user as a message of its own.
    fn carry_out(
        &mut self,
        now: Instant,
        to: Option<S>,
        request: &Message,
        random: &mut dyn FnMut() -> u64,
    ) -> Result<(), Refusal> {
        let Some(to) = to else { return Ok(()) };
        let (content_type, body) = plain(request, &self.peer)?;
        let uri = self.user.uri();
        let page = RequestBuilder::new(&Method::Message, &uri)
            .header(HeaderName::MaxForwards, "70")
            .header(HeaderName::From, format!("{};tag={:016x}", self.peer_address, random()))
            .header(HeaderName::To, format!("<{uri}>"))
            .header(HeaderName::CallId, format!("{:016x}@{}", random(), self.user.domain()))
            .header(HeaderName::CSeq, "1 MESSAGE")
            .body(&content_type, body);
        self.carry(now, request, Asked::carried(to, request, false), self.peer.clone(), page)
    }

    /// What the user says to the peer goes into the session.
    fn carry_into_session(&mut self, now: Instant, to: Option<S>, request: &Message) -> Result<(), Refusal> {
        let Some(to) = to else { return Ok(()) };
        if !self.usage.is_established() {
            return Err(Refusal::new(480, Word::UserOffline, "the session of messages with him has just ended"));
        }
        let content_type = request.header_text(HeaderName::ContentType).unwrap_or("text/plain");
        if !self.stream.takes(&media_type(content_type)) {
            let refusal = Refusal::new(415, Word::MediaTypeUnsupported, format!("his session takes no {content_type}"));
            let takes = match self.stream.accept_types.is_empty() {
                true => "text/plain".to_owned(),
                false => self.stream.accept_types.join(", "),
            };
            return Err(refusal.with_header(HeaderName::Accept, takes));
        }
        let within = self.usage.request(&Method::Message).body(content_type, request.body());
        self.carry(now, request, Asked::carried(to, request, true), self.user.clone(), within)
    }

    fn carry(
        &mut self,
        now: Instant,
        request: &Message,
        asked: Asked<S>,
        speaker: Aor,
        carried: RequestBuilder,
    ) -> Result<(), Refusal> {
        if self.asked_by_number.len() >= self.limits.under_way_max {
            let reason = format!("{} bytes more, and as many messages are under way as may be", request.body().len());
            let refusal = Refusal::new(480, Word::TooManyMessages, reason);
            return Err(refusal.with_header(HeaderName::RetryAfter, "1".to_owned()));
        }
        self.last_said = now;
        self.ask(asked, speaker, carried);
        Ok(())
    }

    fn ask(&mut self, asked: Asked<S>, speaker: Aor, request: RequestBuilder) {
        self.last_number += 1;
        self.asked_by_number.insert(self.last_number, asked);
        self.outputs.push_back(GatewayOutput::Request { number: self.last_number, speaker, request });
    }

    fn respond(&mut self, to: S, request: &Message, status: u16) {
        let tag = request.to().ok().and_then(|to| to.tag().map(str::to_owned));
        let tag = tag.unwrap_or_else(|| self.usage.dialog().id().local_tag.clone());
        let response = build::response(request, status, None, Some(&tag)).build();
        self.outputs.push_back(GatewayOutput::Respond { to, status, response });
    }

    fn take_offer(&mut self, now: Instant, offer: &Offer) {
        let ours = OurStreams { origin: &self.origin, audio: None, accept_types: ACCEPT_TYPES };
        match sdp::answer_streams(offer, &ours) {
            Ok(agreed) => {
                self.stream = agreed.messages.unwrap_or_default();
                self.origin.version += 1;
                self.usage.accept(now, Some(Session::sdp(agreed.description)));
            }
            Err(_) => self.usage.refuse(488),
        }
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.usage.poll_output() {
            match output {
                UsageOutput::Request { request, .. } => self.ask(Asked::Session, self.user.clone(), request),
                UsageOutput::Ack(ack) => self.outputs.push_back(GatewayOutput::Ack(ack)),
                UsageOutput::Respond { to, status, response } => {
                    self.outputs.push_back(GatewayOutput::Respond { to, status, response });
                }
                UsageOutput::Offered { offer } => match offer.as_deref().map(Offer::parse) {
                    Some(Ok(offer)) => self.take_offer(now, &offer),
                    _ => self.usage.refuse(488),
                },
                UsageOutput::Answered { .. } | UsageOutput::OfferRefused { .. } => {}
                UsageOutput::Ended { .. } => {
                    self.is_over = true;
                    self.outputs.push_back(GatewayOutput::Closed);
                }
            }
        }
        if self.is_over && self.asked_by_number.is_empty() {
            self.outputs.push_back(GatewayOutput::Ended);
        }
    }
}

impl<S> Asked<S> {
    fn carried(to: S, request: &Message, is_into_session: bool) -> Asked<S> {
        Asked::Carried { to, message: Box::new(request.clone()), is_into_session }
    }
}

impl Default for GatewayLimits {
    fn default() -> GatewayLimits {
        GatewayLimits { under_way_max: 100, silent_secs_max: 24 * 3600 }
    }
}

/// A text that has its sender beside it goes without: the message of its own says who sent it. Where that is not the peer, as
/// in a conversation of many that the session has become, the text says it itself.
fn plain(request: &Message, peer: &Aor) -> Result<(String, Vec<u8>), Refusal> {
    let content_type = request.header_text(HeaderName::ContentType).unwrap_or("text/plain");
    if media_type(content_type) != cpim::CONTENT_TYPE {
        return Ok((content_type.to_owned(), request.body().to_vec()));
    }
    let message = CpimMessage::parse(request.body());
    let message =
        message.map_err(|error| Refusal::new(400, Word::MalformedRequest, format!("message/cpim: {error}")))?;
    let CpimMessage { from, content_type, content, .. } = message;
    let other = from.filter(|from| media_type(&content_type) == "text/plain" && !is_of(from, peer));
    let content = match other.map(|from| name(&from)).filter(|name| !name.is_empty()) {
        Some(name) => [name.as_bytes(), b": ", &content].concat(),
        None => content,
    };
    Ok((content_type, content))
}

fn is_of(address: &CpimAddress, peer: &Aor) -> bool {
    Uri::parse(&address.uri).is_ok_and(|uri| Aor::from_uri(&uri).is_ok_and(|aor| aor == *peer))
}

fn name(address: &CpimAddress) -> String {
    let address_alone = || address.uri.strip_prefix("sip:").unwrap_or(&address.uri).to_owned();
    address.name.clone().unwrap_or_else(address_alone)
}

/// What the one side is told of the other's answer: nothing that would end its own dialog, or speak of the other's.
fn told(status: u16) -> u16 {
    match status {
        200..=299 | 400..=403 | 405..=407 | 411..=415 | 486..=489 | 603 | 606 => status,
        _ => 480,
    }
}

fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn malformed(error: ParseError) -> Refusal {
    Refusal::new(400, Word::MalformedRequest, error.to_string())
}

const ACCEPT_TYPES: &[&str] = &["text/plain", "message/cpim", "application/im-iscomposing+xml"];
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, UPDATE";
