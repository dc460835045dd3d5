//! One device of a participant: its dialog with the focus, and its leg of sound.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use sdp::{LocalMedia, MessageStream, Offer, SessionOrigin};
use serde::{Deserialize, Serialize};
use sip::usage::InviteUsage;
use sip::{Aor, Message};

use super::adopting::Adopting;
use super::tries::Tries;
use crate::LegOf;

/// Names an endpoint within its conference, and its leg of sound.
pub(super) type EndpointId = u32;

#[derive(Debug)]
pub(super) struct Endpoint<S> {
    pub participant: Aor,
    pub stage: Stage<S>,
    pub sound: Sound,
    /// The other end of its signalling.
    pub source: Option<IpAddr>,
    /// The INVITE that it waits for an answer to.
    pub waits_for: Option<S>,
    /// How our descriptions name its session; the last of them.
    pub origin: Option<SessionOrigin>,
    pub described: String,
    /// Messages within the dialog are part of its session.
    pub messages: Option<MessageStream>,
    /// It sends messages within the dialog, though nobody agreed on any.
    pub writes_within: bool,
    /// It takes messages outside of a dialog.
    pub allows_messages: bool,
    /// It is being taken over from a call of two.
    pub adopting: Option<Box<Adopting>>,
    /// The INVITE of ours that its dialog began with.
    pub invite: Option<Message>,
    /// The endpoint that it takes the place of, once it is heard itself.
    pub replaces: Option<EndpointId>,
    /// Whether it is heard.
    pub hearing: Hearing,
    /// A `*` was pressed: the next key says what is meant.
    pub is_keying: bool,
    /// When it last showed that it is there, or was asked whether it is.
    pub shown_at: Instant,
}

#[derive(Debug)]
pub(super) enum Stage<S> {
    /// We call it; `invite` as it was sent, `number` its request.
    Calling {
        call: Box<Call>,
    },
    Session(Box<InviteUsage<S>>),
}

#[derive(Debug)]
pub(super) struct Call {
    /// The dialog that it is to take the place of: a value of Replaces (RFC 3891).
    pub replaces: Option<String>,
    /// It is offered messages alone.
    pub is_written: bool,
    pub tries: Tries,
    pub sent: Option<(u64, Message)>,
    /// Who asked for it, and is to be told what became of it.
    pub asked_by: Option<EndpointId>,
}

/// What comes of an endpoint's sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Hearing {
    /// Nothing has come.
    #[default]
    Expected,
    Heard,
    /// Nothing comes any more.
    Silent,
    /// It comes and is not taken: it is protected with another key, or plain and from elsewhere than its signalling.
    Refused {
        from: IpAddr,
    },
}

#[derive(Debug)]
pub(super) enum Sound {
    /// It has none: a device for messages.
    Silent,
    /// Ports are asked for.
    Opening {
        then: Then,
    },
    Open(Box<OpenSound>),
}

/// What is to be done once there are ports.
#[derive(Debug)]
pub(super) enum Then {
    Answer(Box<Offer>),
    /// The peer made no offer, so we do.
    Offer,
    /// We call.
    Call,
    /// We offer within a dialog that was a call of two.
    Reinvite,
    /// We offer other ports than those that were lost.
    Resume,
}

#[derive(Debug)]
pub(super) struct OpenSound {
    pub local: LocalMedia,
    pub is_running: bool,
    /// The phone sends only, or nothing: what it plays to those who wait is not for a meeting.
    pub is_holding: bool,
    /// The phone was heard before, by ports that were lost.
    pub is_resumed: bool,
}

impl<S: Copy> Endpoint<S> {
    pub fn next_timeout(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Session(usage) => usage.next_timeout(),
            Stage::Calling { .. } => None,
        }
    }

    /// When it is to be asked whether it is still there, if nothing comes of it before. Whoever has no sound, or holds, can be gone
    /// without anybody missing anything.
    pub fn check_at(&self, silence: Duration) -> Option<Instant> {
        (self.is_established() && self.adopting.is_none()).then(|| self.shown_at + silence)
    }

    pub fn is_established(&self) -> bool {
        matches!(&self.stage, Stage::Session(usage) if usage.is_established())
    }

    /// Whether what others write goes to it within its dialog.
    pub fn is_written_to_within(&self) -> bool {
        self.is_established() && (self.messages.is_some() || self.writes_within)
    }

    /// Whether it takes this media type within its dialog.
    pub fn takes(&self, media_type: &str) -> bool {
        self.messages.as_ref().map_or(media_type == "text/plain", |messages| messages.takes(media_type))
    }

    pub fn leg_of(&self, is_over: bool) -> Option<LegOf> {
        let call_id = self.call_id()?.to_owned();
        Some(LegOf { who: self.participant.clone(), call_id, is_over })
    }

    pub fn call_id(&self) -> Option<&str> {
        match &self.stage {
            Stage::Session(usage) => Some(&usage.dialog().id().call_id),
            Stage::Calling { call } => call.sent.as_ref().and_then(|(_, invite)| invite.call_id().ok()),
        }
    }

    pub fn has_leg(&self) -> bool {
        !matches!(self.sound, Sound::Silent)
    }
}
