//! One call that we stand between: requests and answers of either phone passed on to the other, and the two dialogs known well
//! enough to end or to move them.

mod ending;
mod lending;
mod reference;
mod resuming;
mod sound;
mod surplus;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use federation::Admitted;
use federation::admission::vouch;
use federation::modality::{Modalities, Modality, asked_for};
use sip::dialog::DialogError;
use sip::refusal::Word;
use sip::{Aor, Message, Method, ParseError, Refusal, build};

use self::reference::Ended;
pub(super) use self::sound::Run;
use self::sound::{Sound, unacceptable};
use super::dialogs::{Pair, Side};
use super::rewrite;
use crate::acceptor::overloaded;
use crate::anchoring::Ways;
use crate::{AdmittedRequest, Upstream};

/// See the module. After each call [`Call::poll_output`] is called until it gives nothing.
#[derive(Debug)]
pub(super) struct Call {
    /// The INVITE as it came, with our Record-Routes, and as we sent it.
    received: Message,
    sent: Message,
    admitted: Admitted,
    /// The other end of the caller's signalling.
    source: Option<IpAddr>,
    sound: Sound,
    /// The INVITE went out, as it came or with another offer.
    was_sent: bool,
    /// The caller took it back: it is not offered in yet another way.
    is_given_up: bool,
    pairs: Vec<Pair>,
    /// Dialogs whose session has ended.
    ended: Vec<Ended>,
    asked_by_number: BTreeMap<u64, Asked>,
    last_number: u64,
    check_at: Instant,
    check_time: Duration,
    requests_max: usize,
    outputs: VecDeque<CallOutput>,
}

#[derive(Debug)]
pub(super) enum CallOutput {
    /// Complete but for Via; its answers are told by number. `admitted`: who speaks.
    Request {
        number: u64,
        admitted: Admitted,
        request: Message,
    },
    Ack {
        admitted: Admitted,
        request: Message,
    },
    Respond {
        to: Upstream,
        status: u16,
        response: Bytes,
    },
    Refuse {
        to: Upstream,
        request: Message,
        refusal: Refusal,
    },
    Cancel {
        number: u64,
        reason: Option<String>,
    },
    /// Two legs of sound are wanted, after a refusal with this status or at once; [`Call::legs_opened`] is told.
    OpenLegs {
        refused: Option<u16>,
    },
    /// Two others are wanted, in place of those that were lost; the same.
    OpenLegsAgain,
    Run(Run),
    CloseLegs,
    /// Nothing is left of it.
    Ended,
}

/// What a call begins with.
pub(super) struct CallLimits {
    pub requests_max: usize,
    /// How long nothing may be heard before both phones are asked whether they are still in it.
    pub check_time: Duration,
}

/// In which ways the INVITE is offered, one after the other, and what came of it before there was a call.
pub(super) struct Offers<'a> {
    pub ways: Ways,
    pub refusal: Option<&'a Message>,
}

/// What a request of ours was.
#[derive(Debug)]
enum Asked {
    /// One that was passed on, as it came; the tag of its pair, none for the INVITE that began it all.
    Passed(Box<Passed>),
    /// Whether the phone there is still in the call.
    Check { tag: String, side: Side },
    /// The re-INVITE that gives a phone the session back that it had with the other.
    Restore { tag: String, side: Side, is_answered: bool },
    /// The BYE with which we end it.
    Bye,
}

#[derive(Debug)]
struct Passed {
    to: Upstream,
    request: Message,
    pair: Option<(String, Side)>,
    /// A final answer has been passed back; of a 2xx to an INVITE there may be more.
    is_answered: bool,
}

impl Call {
    /// The call that this INVITE begins; `recorded`: with our Record-Routes.
    ///
    /// # Errors
    /// 400, 513.
    pub fn begin(
        now: Instant,
        request: &AdmittedRequest,
        recorded: Message,
        limits: &CallLimits,
        offers: Offers<'_>,
    ) -> Result<Call, Refusal> {
        let sent = rewrite::invite(&request.message, request.routes_taken).map_err(malformed)?;
        let mut call = Call {
            received: recorded,
            sent,
            admitted: request.admitted.clone(),
            source: request.ingress.flow().map(|facts| facts.remote.ip()),
            sound: Sound::Direct { ways: offers.ways },
            was_sent: offers.refusal.is_some(),
            is_given_up: false,
            pairs: Vec::new(),
            ended: Vec::new(),
            asked_by_number: BTreeMap::new(),
            last_number: 0,
            check_at: now + limits.check_time,
            check_time: limits.check_time,
            requests_max: limits.requests_max,
            outputs: VecDeque::new(),
        };
        if let Some(to) = request.upstream {
            let passed = Passed { to, request: call.received.clone(), pair: None, is_answered: false };
            let passed = Box::new(passed);
            if let Err(passed) = call.invite(passed, offers.refusal) {
                call.refuse(&passed, offers.refusal, unacceptable("there is no way to offer its sound"));
            }
        }
        Ok(call)
    }

    /// Takes a request of one of the phones.
    ///
    /// # Errors
    /// What the request is to be answered with: 481, 500 for an old CSeq, 503 `overloaded`.
    pub fn handle_request(&mut self, now: Instant, request: &AdmittedRequest) -> Result<(), Refusal> {
        let message = &request.message;
        let unknown = || Refusal::new(481, Word::DialogUnknown, "the call has no such dialog");
        let ended = self.ended.iter_mut().map(|ended| &mut ended.pair);
        let ended = ended.filter(|_| message.method() == Some(Method::Notify));
        let found = self.pairs.iter_mut().chain(ended).find_map(|pair| pair.sender(message).map(|side| (pair, side)));
        let (pair, side) = found.ok_or_else(unknown)?;
        self.check_at = now + self.check_time;
        let from = pair.end_mut(side);
        from.dialog.handle_request(message).map_err(out_of_order)?;
        from.offers(message);
        from.source = request.ingress.flow().map(|facts| facts.remote.ip()).or(from.source);
        let method = message.method().unwrap_or(Method::Options);
        if method != Method::Ack && self.asked_by_number.len() >= self.requests_max {
            return Err(overloaded("too many requests within the call wait for an answer"));
        }
        pair.expects_ack &= method != Method::Ack;
        let tag = pair.tag().to_owned();
        let way = pair.end_mut(side.other()).pass(&method, message.cseq().map_err(malformed)?.number);
        let passed = rewrite::request(message, &way).map_err(malformed)?;
        let passed = self.request_with_our_sound(side, message, passed)?;
        self.run_sound(&tag);
        match request.upstream {
            Some(to) => {
                let asked = Asked::passed(to, message.clone(), Some((tag, side)));
                self.ask(asked, request.admitted.clone(), passed);
            }
            None => self.outputs.push_back(CallOutput::Ack { admitted: request.admitted.clone(), request: passed }),
        }
        Ok(())
    }

    /// Whoever sent this gave it up, for this reason (RFC 3326).
    pub fn handle_cancel(&mut self, from: Upstream, reason: Option<String>) {
        if self.cancel_opening(|passed| passed.to == from) {
            return;
        }
        let is_meant = |asked: &Asked| matches!(asked, Asked::Passed(passed) if passed.to == from);
        if let Some((number, asked)) = self.asked_by_number.iter().find(|(_, asked)| is_meant(asked)) {
            self.is_given_up |= matches!(asked, Asked::Passed(passed) if passed.pair.is_none());
            self.outputs.push_back(CallOutput::Cancel { number: *number, reason });
        }
    }

    /// What became of a request of ours, provisional responses included.
    pub fn handle_response(&mut self, now: Instant, number: u64, response: &Message, source: Option<IpAddr>) {
        let is_final = response.status() >= Some(200);
        match self.asked_by_number.remove(&number) {
            // An INVITE was answered, and no further 2xx to it can come.
            Some(Asked::Passed(passed)) if passed.is_answered && response.status() >= Some(300) => {}
            Some(Asked::Passed(passed)) => {
                self.check_at = now + self.check_time;
                if let Some(tag) = self.passed_answered(number, passed, response, source) {
                    self.end_pair(now, &tag);
                }
            }
            Some(Asked::Check { tag, side }) if is_final => {
                if let Some(status) = response.status().filter(|status| OF_THE_GONE.contains(status)) {
                    self.lost(&tag, side, Some((status, Word::FlowFailed)));
                }
            }
            Some(Asked::Restore { is_answered: true, .. }) if response.status() >= Some(300) => {}
            Some(Asked::Restore { tag, side, .. }) if is_final => self.restored(number, tag, side, response),
            Some(Asked::Bye) if is_final => {}
            Some(asked) => drop(self.asked_by_number.insert(number, asked)),
            None => {}
        }
        self.end_if_over();
    }

    pub fn next_timeout(&self) -> Instant {
        self.ended.iter().map(|ended| ended.until).fold(self.check_at, Instant::min)
    }

    /// Nothing was heard for long: a phone that is gone does not say so.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.ended.retain(|ended| now < ended.until);
        if self.check_at <= now {
            self.check(now);
        }
        self.end_if_over();
    }

    fn check(&mut self, now: Instant) {
        self.check_at = now + self.check_time;
        let tags: Vec<String> =
            self.pairs.iter().filter(|pair| pair.is_confirmed).map(|pair| pair.tag().to_owned()).collect();
        for tag in tags {
            for side in [Side::Caller, Side::Callee] {
                self.send_within(&tag, side, &Method::Options, Asked::Check { tag: tag.clone(), side });
            }
        }
    }

    pub fn poll_output(&mut self) -> Option<CallOutput> {
        self.outputs.pop_front()
    }

    /// The tag of the pair whose session ends with this answer.
    fn passed_answered(
        &mut self,
        number: u64,
        mut passed: Box<Passed>,
        response: &Message,
        source: Option<IpAddr>,
    ) -> Option<String> {
        passed = match self.offered_otherwise(passed, response) {
            Ok(()) => return None,
            Err(passed) => passed,
        };
        let status = response.status().unwrap_or_default();
        if self.is_surplus(&passed, response) {
            self.let_go(response);
            self.asked_by_number.insert(number, Asked::Passed(passed));
            return None;
        }
        let is_understood = self.learn(&passed, response, source).is_ok();
        passed.is_answered |= status >= 200;
        let answerer = passed.pair.as_ref().map_or(Side::Callee, |(_, side)| side.other());
        match self.response_with_our_sound(answerer, &passed.request, response) {
            Ok(response) => self.respond(&passed, &response, is_understood),
            // Sound may come without it, and the last answer says it again.
            Err(_) if status < 200 => {}
            Err(_) => {
                self.answered_without_sound(passed, answerer, response);
                return None;
            }
        }
        self.count_references(&passed, response);
        if let Ok(tag) = response.to().map(|to| to.tag().unwrap_or_default().to_owned()) {
            self.run_sound(passed.pair.as_ref().map_or(tag.as_str(), |(tag, _)| tag));
        }
        let over = match (&passed.pair, status) {
            (None, 300..) => {
                self.pairs.clear();
                None
            }
            (Some((tag, _)), 200..) if is_over(&passed.request, status) => Some(tag.clone()),
            _ => None,
        };
        // Each repeat of a 2xx to an INVITE is passed on, as each ACK is.
        if status < 200 || (status < 300 && passed.request.method() == Some(Method::Invite)) {
            self.asked_by_number.insert(number, Asked::Passed(passed));
        }
        over
    }

    /// What an answer says of the dialog with whoever gave it.
    fn learn(&mut self, passed: &Passed, response: &Message, source: Option<IpAddr>) -> Result<(), ParseError> {
        let status = response.status().unwrap_or_default();
        let (pair, side) = match &passed.pair {
            Some((tag, side)) => (self.pairs.iter_mut().find(|pair| pair.tag() == tag), side.other()),
            None if (101..300).contains(&status) => (self.pair_of(response)?, Side::Callee),
            None => return Ok(()),
        };
        let Some(pair) = pair else { return Ok(()) };
        let end = pair.end_mut(side);
        end.source = source.or(end.source);
        pair.answered(side.other(), &passed.request, response);
        match passed.pair {
            None if status >= 200 => pair.confirm(response),
            _ => pair.end_mut(side).dialog.handle_response(response),
        }
    }

    /// The pair that an answer to the INVITE is of; the first that is heard of it makes it.
    fn pair_of(&mut self, response: &Message) -> Result<Option<&mut Pair>, ParseError> {
        let tag = response.to()?.tag().unwrap_or_default().to_owned();
        if !self.pairs.iter().any(|pair| pair.tag() == tag) && self.make_room_for(response) {
            match Pair::new(&self.received, &self.sent, response) {
                Ok(mut pair) => {
                    pair.end_mut(Side::Caller).source = self.source;
                    self.pairs.push(pair);
                }
                // A provisional response may lack what a dialog needs.
                Err(_) if response.status() < Some(200) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.pairs.iter_mut().find(|pair| pair.tag() == tag))
    }

    /// The INVITE as it came.
    pub fn received(&self) -> &Message {
        &self.received
    }

    /// Who is there, by the INVITE.
    pub fn party(&self, side: Side) -> Option<Aor> {
        let address = match side {
            Side::Caller => self.received.from(),
            Side::Callee => self.received.to(),
        };
        Aor::from_uri(&address.ok()?.uri()).ok()
    }

    /// Sound or messages, whichever its INVITE asked for: without them there is no call, without a picture there is.
    pub fn began_as(&self) -> Modalities {
        let asked = asked_for(&self.received);
        [Modality::Audio, Modality::Messages].into_iter().filter(|modality| asked.contains(*modality)).collect()
    }

    pub fn call_id(&self) -> &str {
        self.received.call_id().unwrap_or_default()
    }

    /// The phone there is in the call no more: the other one is told, and why, where it has not left by itself.
    fn lost(&mut self, tag: &str, side: Side, why: Option<(u16, Word)>) {
        for side in [side.other(), side] {
            match why {
                Some((cause, word)) => self.hang_up(tag, side, cause, word),
                None => self.send_within(tag, side, &Method::Bye, Asked::Bye),
            }
        }
        self.pairs.retain(|pair| pair.tag() != tag);
    }

    /// A request of our own, in the name of the other phone.
    fn send_within(&mut self, tag: &str, side: Side, method: &Method, asked: Asked) {
        let Some(pair) = self.pairs.iter_mut().find(|pair| pair.tag() == tag) else { return };
        let Some(speaker) = pair.end(side.other()).party.clone() else { return };
        let Ok(request) = pair.end_mut(side).dialog.request(method).message() else { return };
        self.ask(asked, vouch(&speaker), request);
    }

    fn ask(&mut self, asked: Asked, admitted: Admitted, request: Message) {
        self.last_number += 1;
        let number = self.last_number;
        self.asked_by_number.insert(number, asked);
        self.outputs.push_back(CallOutput::Request { number, admitted, request });
    }

    /// What is not understood of a 2xx makes no dialog: the caller is told 502.
    fn respond(&mut self, passed: &Passed, response: &Message, is_understood: bool) {
        let status = response.status().unwrap_or(500);
        let rewritten = if is_understood { rewrite::response(response, &passed.request).ok() } else { None };
        let (status, response) = match rewritten {
            Some(response) => (status, response),
            None => (502, build::response(&passed.request, 502, None, Some(OUR_TAG)).build()),
        };
        self.outputs.push_back(CallOutput::Respond { to: passed.to, status, response });
    }

    fn end_if_over(&mut self) {
        let is_invite = |asked: &Asked| matches!(asked, Asked::Passed(passed) if passed.pair.is_none());
        if !self.asked_by_number.values().any(|asked| is_invite(asked) && asked.is_owed())
            && !self.pairs.iter().any(|pair| pair.is_confirmed)
        {
            // Other devices rang as well; nothing more comes of them.
            self.pairs.clear();
        }
        if !self.pairs.is_empty() || self.is_opening() || self.asked_by_number.values().any(Asked::is_owed) {
            return;
        }
        self.end_sound();
        if self.ended.is_empty() {
            self.outputs.push_back(CallOutput::Ended);
        }
    }
}

impl Asked {
    /// Whether an answer is waited for.
    fn is_owed(&self) -> bool {
        match self {
            Asked::Passed(passed) => !passed.is_answered,
            Asked::Restore { is_answered, .. } => !is_answered,
            Asked::Check { .. } | Asked::Bye => true,
        }
    }

    fn passed(to: Upstream, request: Message, pair: Option<(String, Side)>) -> Asked {
        Asked::Passed(Box::new(Passed { to, request, pair, is_answered: false }))
    }
}

/// Whether the answer to this request is the last of its dialogs: that to a BYE, unless it only asks for a password.
fn is_over(request: &Message, status: u16) -> bool {
    request.method() == Some(Method::Bye) && !matches!(status, 401 | 407)
}

fn out_of_order(error: DialogError) -> Refusal {
    match error {
        DialogError::OutOfOrder { .. } => Refusal::new(500, Word::OutOfOrder, error.to_string()),
        DialogError::Parse(error) => malformed(error),
    }
}

fn malformed(error: ParseError) -> Refusal {
    Refusal::new(400, Word::MalformedRequest, error.to_string())
}

/// How a phone that is in the call no more answers, or its server in its place; whoever is hung up on hears it as the reason.
pub(crate) const OF_THE_GONE: [u16; 3] = [408, 430, 481];
/// Of what we answer in place of a phone.
const OUR_TAG: &str = "between";
/// Devices that may answer one INVITE, each in dialogs of its own.
const PAIRS_MAX: usize = 16;
