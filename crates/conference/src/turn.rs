//! What a focus is given with each input, and what it wants done.

use std::net::IpAddr;
use std::time::Instant;

use bytes::Bytes;
use federation::Admitted;
use sdp::{AudioSession, Keys, LocalAddresses};
use sip::{Aor, Message, RequestBuilder};

use crate::schedule::Meeting;

/// The moment of an input, and randomness.
pub struct Turn<'a> {
    pub now: Instant,
    /// Seconds since 1970, for those who are told when somebody came.
    pub unix_secs: i64,
    /// Numbers that nobody can guess, each another.
    pub random: &'a mut dyn FnMut() -> u64,
}

/// A request for the conference, and what is known of it.
pub struct Incoming<'a, S> {
    pub request: &'a Message,
    pub admitted: &'a Admitted,
    /// Where answers go; `None` for an ACK.
    pub to: Option<S>,
    /// The other end of its flow.
    pub source: Option<IpAddr>,
}

/// What became of a request of ours.
pub struct Outcome<'a> {
    pub response: &'a Message,
    /// The other end of the flow over which it came; `None` for one of our own making.
    pub source: Option<IpAddr>,
}

/// The number of a leg of sound in its conference: the endpoint's.
pub type LegNumber = u32;

/// The ports of a leg, and its keys.
#[derive(Debug, Clone)]
pub struct LegPorts {
    pub addresses: LocalAddresses,
    pub rtp_port: u16,
    pub rtcp_port: u16,
    pub keys: Keys,
}

#[derive(Debug, Clone)]
pub enum FocusOutput<S> {
    Respond {
        to: S,
        status: u16,
        response: Bytes,
    },
    /// Send this, complete but for Via; its responses are told by [`crate::Focus::handle_response`] with the number.
    Request {
        number: u64,
        request: RequestBuilder,
    },
    /// Too many requests are under way: answer this one with 503 as if it had gone out.
    TooMany {
        number: u64,
        request: RequestBuilder,
    },
    /// Send this ACK, complete but for Via.
    Ack(RequestBuilder),
    /// Take back the INVITE of that number.
    Cancel {
        number: u64,
    },
    Sound(SoundCommand),
    /// One of our own users takes part, or does not any more: his presence says so.
    Attendance {
        aor: Aor,
        is_attending: bool,
    },
    /// A meeting that has no time of its own is to be kept so, in case the server ends in the middle of it.
    Keep(Box<Meeting>),
    /// A limit of [`crate::ConferenceLimits`] was hit, by its name there.
    LimitHit(&'static str),
    /// Somebody gets no sound here, so that he cannot come in or stay, or his meeting cannot call him (no Call-ID yet).
    NoSound {
        who: Aor,
        call_id: Option<String>,
        why: String,
    },
    /// Of a call that was to become this meeting, see [`crate::Focus::gather`].
    NobodyCame {
        reason: String,
    },
    /// What became of a phone that was taken over ([`crate::Focus::adopt`]).
    Adopted {
        leg: LegNumber,
        outcome: Adopted,
    },
    /// Nobody is left.
    Ended,
}

/// What became of a phone that was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopted {
    Inside,
    /// It goes on as it was; its dialog can be given back.
    Refused {
        status: u16,
    },
    /// It hung up.
    Left,
}

/// Whose a leg was.
#[derive(Debug, Clone)]
pub struct LegOf {
    pub who: Aor,
    pub call_id: String,
    /// His dialog is over, too.
    pub is_over: bool,
}

/// What is wanted of the mixer.
#[derive(Debug, Clone)]
pub enum SoundCommand {
    /// Answered by [`crate::Focus::handle_leg_opened`].
    Open {
        leg: LegNumber,
    },
    Run {
        leg: LegNumber,
        session: AudioSession,
        trusted_source: Option<IpAddr>,
    },
    Mute {
        leg: LegNumber,
        is_muted: bool,
    },
    Hold {
        leg: LegNumber,
        is_held: bool,
    },
    Announce {
        to: Option<LegNumber>,
        tone: Tone,
    },
    Close {
        leg: LegNumber,
        /// Absent where there never was a dialog.
        of: Option<LegOf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Joined,
    Left,
    Muted,
    Unmuted,
    Count(u8),
}

/// What the mixer says of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoundEvent {
    /// Something was received that counts.
    Heard,
    /// What came is not taken: SRTP that does not authenticate, or plain RTP from elsewhere than where its signalling is.
    SourceRefused(IpAddr),
    Dtmf(char),
    Talking(bool),
    /// Nothing comes any more, though it should.
    Silent,
    /// It is gone with the media node that had it.
    Lost,
}
