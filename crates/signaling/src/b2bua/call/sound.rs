//! The sound of the call: the phones' own affair, until one refuses what the other offers.

use std::net::IpAddr;

use bytes::Bytes;
use conference::LegPorts;
use federation::admission::vouch;
use sdp::AudioSession;
use sip::refusal::Word;
use sip::{HeaderName, Message, Method, Refusal, build};

use super::{Asked, Call, CallOutput, OUR_TAG, Passed};
use crate::anchoring::{Attempt, Ways, is_refusal_of_sound};
use crate::b2bua::anchor::{Anchor, NoAnchor};
use crate::b2bua::dialogs::Side;
use crate::b2bua::rewrite;

/// By which way the two hear each other.
#[derive(Debug)]
pub(super) enum Sound {
    /// They send it to each other. What is still to be tried when the one called refuses that.
    Direct {
        ways: Ways,
    },
    /// Two legs of ours are being opened, and the INVITE waits for them.
    Opening(Box<Opening>),
    Anchored(Box<Anchor>),
}

impl Sound {
    /// They send it to each other, and nothing else is left to be tried.
    fn nothing_else() -> Sound {
        Sound::Direct { ways: Ways::default() }
    }
}

#[derive(Debug)]
pub(super) struct Opening {
    passed: Box<Passed>,
    ways: Ways,
    /// What the one called said to the offer before.
    refusal: Option<Message>,
}

/// A leg that is to send and receive like this from now on.
#[derive(Debug)]
pub(in crate::b2bua) struct Run {
    pub side: Side,
    pub session: AudioSession,
    pub trusted_source: Option<IpAddr>,
}

impl Call {
    /// Sends the INVITE in the next way that there is; gives it back where there is none left. `refusal`: what came of the last.
    pub(super) fn invite(&mut self, passed: Box<Passed>, refusal: Option<&Message>) -> Result<(), Box<Passed>> {
        match &mut self.sound {
            Sound::Direct { ways } => match ways.attempts.pop_front() {
                Some(Attempt::AsItCame) => self.invite_with(passed, None),
                Some(anchored @ (Attempt::Anchored(_) | Attempt::Turned(_))) => {
                    ways.attempts.push_front(anchored);
                    let refused = refusal.and_then(Message::status);
                    let (ways, refusal) = (std::mem::take(ways), refusal.cloned());
                    self.sound = Sound::Opening(Box::new(Opening { passed, ways, refusal }));
                    self.outputs.push_back(CallOutput::OpenLegs { refused });
                    Ok(())
                }
                None => Err(passed),
            },
            Sound::Anchored(_) => self.invite_once_more(passed),
            Sound::Opening(_) => Err(passed),
        }
    }

    /// Of a call whose legs are open.
    fn invite_once_more(&mut self, passed: Box<Passed>) -> Result<(), Box<Passed>> {
        let Sound::Anchored(anchor) = &mut self.sound else { return Err(passed) };
        match anchor.next_attempt() {
            Some(Attempt::Anchored(protection) | Attempt::Turned(protection)) => {
                match anchor.begin(&passed.request.body_bytes(), protection) {
                    Ok(offer) => self.invite_with(passed, Some(offer.into())),
                    Err(_) => Err(passed),
                }
            }
            Some(Attempt::AsItCame) => {
                self.end_sound();
                let offer = passed.request.body_bytes();
                self.invite_with(passed, Some(offer))
            }
            None => Err(passed),
        }
    }

    fn invite_with(&mut self, passed: Box<Passed>, offer: Option<Bytes>) -> Result<(), Box<Passed>> {
        let is_repeated = std::mem::replace(&mut self.was_sent, true);
        if is_repeated || offer.is_some() {
            match rewrite::invite_again(&self.sent, is_repeated, offer) {
                Ok(again) => self.sent = again,
                Err(_) => return Err(passed),
            }
        }
        self.pairs.clear();
        let (admitted, sent) = (self.admitted.clone(), self.sent.clone());
        self.ask(Asked::Passed(passed), admitted, sent);
        Ok(())
    }

    /// The one called refuses the sound that he was offered: it is offered in another way. Gives the INVITE back where there
    /// is none, or it was no such refusal.
    pub(super) fn offered_otherwise(&mut self, passed: Box<Passed>, response: &Message) -> Result<(), Box<Passed>> {
        let is_first = passed.pair.is_none() && !passed.is_answered && !self.is_given_up;
        if is_first && is_refusal_of_sound(response) { self.invite(passed, Some(response)) } else { Err(passed) }
    }

    /// The two legs are open, or cannot be had; `session_ids` name our sessions. Says whether they are wanted.
    pub fn legs_opened(&mut self, ports: Result<[LegPorts; 2], String>, session_ids: [u64; 2]) -> bool {
        if matches!(self.sound, Sound::Anchored(_)) {
            return self.moved(ports);
        }
        let Sound::Opening(opening) = std::mem::replace(&mut self.sound, Sound::nothing_else()) else { return false };
        let Opening { passed, ways, refusal } = *opening;
        let is_open = ports.is_ok();
        match ports {
            Ok(ports) => {
                self.sound = Sound::Anchored(Box::new(Anchor::new(ports, session_ids, ways)));
                let Err(passed) = self.invite(passed, refusal.as_ref()) else { return true };
                self.refuse(&passed, refusal.as_ref(), unacceptable("its sound cannot go through this server"));
            }
            Err(why) => {
                let reason = format!("there are no ports for the sound of the call: {why}");
                self.refuse(&passed, refusal.as_ref(), Refusal::new(503, Word::NoMedia, reason));
            }
        }
        self.end_if_over();
        is_open
    }

    /// The caller gave up an INVITE that waits for its legs. Says whether there was one.
    pub(super) fn cancel_opening(&mut self, is_meant: impl Fn(&Passed) -> bool) -> bool {
        let waits = matches!(&self.sound, Sound::Opening(opening) if is_meant(&opening.passed));
        if waits && let Sound::Opening(opening) = std::mem::replace(&mut self.sound, Sound::nothing_else()) {
            let Passed { to, request, .. } = *opening.passed;
            let response = build::response(&request, 487, None, Some(OUR_TAG)).build();
            self.outputs.push_back(CallOutput::Respond { to, status: 487, response });
            self.end_if_over();
        }
        waits
    }

    pub(super) fn is_opening(&self) -> bool {
        matches!(self.sound, Sound::Opening(_))
    }

    /// A request of one phone, as the other gets it: what it says of its session is said of ours instead.
    ///
    /// # Errors
    /// 488: we could not answer that.
    pub(super) fn request_with_our_sound(
        &mut self,
        from: Side,
        received: &Message,
        passed: Message,
    ) -> Result<Message, Refusal> {
        let Sound::Anchored(anchor) = &mut self.sound else { return Ok(passed) };
        let Some(body) = description_of(received) else { return Ok(passed) };
        let described = match received.method() {
            Some(Method::Invite | Method::Update) => anchor.offer(from, &body),
            Some(Method::Ack) => anchor.answer(from, &body),
            Some(Method::Prack) if anchor.is_owed_by(from) => anchor.answer(from, &body),
            Some(Method::Prack) => anchor.offer(from, &body),
            _ => return Ok(passed),
        };
        let described = described.map_err(unacceptable)?;
        rewrite::described(&passed, &described).map_err(super::malformed)
    }

    /// An answer of one phone, as the other gets it.
    ///
    /// # Errors
    /// What it says of its session makes none with us.
    pub(super) fn response_with_our_sound(
        &mut self,
        from: Side,
        request: &Message,
        response: &Message,
    ) -> Result<Message, NoAnchor> {
        let Sound::Anchored(anchor) = &mut self.sound else { return Ok(response.clone()) };
        let carries_sessions = matches!(request.method(), Some(Method::Invite | Method::Update | Method::Prack));
        let has_offer = description_of(request).is_some();
        if !carries_sessions {
            return Ok(response.clone());
        }
        if has_offer && response.status() >= Some(300) {
            anchor.refused();
        }
        let Some(body) = description_of(response).filter(|_| response.status() < Some(300)) else {
            return Ok(response.clone());
        };
        let described = if has_offer { anchor.answer(from, &body) } else { anchor.offer(from, &body) }?;
        rewrite::described(response, &described).map_err(|_| NoAnchor::NothingOffered)
    }

    /// A 2xx with which there is no sound: who asked is refused, and who answered hears that it is over.
    pub(super) fn answered_without_sound(&mut self, passed: Box<Passed>, from: Side, response: &Message) {
        self.refuse(&passed, None, unacceptable("what the one called answers makes no sound with this server"));
        let tag = response.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        let passed_is_first = passed.pair.is_none();
        let tag = passed.pair.map_or(tag, |(tag, _)| tag);
        let Some(pair) = self.pairs.iter().find(|pair| pair.tag() == tag) else { return };
        if passed.request.method() == Some(Method::Invite)
            && let (Some(speaker), Ok(cseq)) = (pair.end(from.other()).party.clone(), response.cseq())
            && let Ok(request) = pair.end(from).dialog.ack(cseq.number).message()
        {
            self.outputs.push_back(CallOutput::Ack { admitted: vouch(&speaker), request });
        }
        if passed_is_first {
            // To the caller it never was a call.
            self.send_within(&tag, from, &Method::Bye, Asked::Bye);
            self.pairs.retain(|pair| pair.tag() != tag);
        } else {
            self.lost(&tag, from.other(), Some((488, Word::MediaUnacceptable)));
        }
    }

    /// The answer of the one called that his sound will not do, or ours where there is none.
    pub(super) fn refuse(&mut self, passed: &Passed, said: Option<&Message>, otherwise: Refusal) {
        match said {
            Some(said) => self.respond(passed, said, true),
            None => self.outputs.push_back(CallOutput::Refuse {
                to: passed.to,
                request: passed.request.clone(),
                refusal: otherwise,
            }),
        }
    }

    /// Both legs go by what was agreed on last, where that is new.
    pub(super) fn run_sound(&mut self, tag: &str) {
        let Sound::Anchored(anchor) = &mut self.sound else { return };
        let Some(pair) = self.pairs.iter().find(|pair| pair.tag() == tag) else { return };
        if !anchor.take_news() {
            return;
        }
        for side in [Side::Caller, Side::Callee] {
            if let Some(session) = anchor.session(side).cloned() {
                let trusted_source = pair.end(side).source;
                self.outputs.push_back(CallOutput::Run(Run { side, session, trusted_source }));
            }
        }
    }

    /// Nobody is there any more to be heard.
    pub(super) fn end_sound(&mut self) {
        if matches!(self.sound, Sound::Anchored(_)) {
            self.sound = Sound::nothing_else();
            self.outputs.push_back(CallOutput::CloseLegs);
        }
    }

    /// What this phone was told last of the session that it is in; `None` where the other phone's word is that.
    pub fn told(&self, side: Side) -> Option<&str> {
        match &self.sound {
            Sound::Anchored(anchor) => anchor.told(side),
            Sound::Direct { .. } | Sound::Opening(_) => None,
        }
    }

    /// The phone got its session back, and answers.
    pub(super) fn sound_restored(&mut self, tag: &str, side: Side, response: &Message) {
        if let Sound::Anchored(anchor) = &mut self.sound {
            // A phone that answers something else is not heard; its next offer may mend that.
            anchor.restored(side, response.body()).ok();
        }
        self.run_sound(tag);
    }
}

fn description_of(message: &Message) -> Option<Bytes> {
    let content_type = message.header_text(HeaderName::ContentType)?;
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/sdp").then(|| message.body_bytes()).filter(|body| !body.is_empty())
}

pub(super) fn unacceptable(reason: impl ToString) -> Refusal {
    Refusal::new(488, Word::MediaUnacceptable, reason.to_string())
}
