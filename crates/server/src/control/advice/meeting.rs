//! Advice for refusals of meetings and of their sound. A meeting says the same of itself whosever it is.

use sip::refusal::Word;

use super::{Words, words};
use crate::control::answers::Side;

/// Of a meeting, of ours or of a partner's.
pub(super) fn about_meeting(word: Word) -> Option<Words> {
    Some(match word {
        Word::MeetingUnknown => words(
            Side::Sender,
            "there is no such meeting, or it ended long ago",
            "check the address in the invitation; of ours: comity meeting list --all",
        ),
        Word::MeetingNotOpen => words(
            Side::Nobody,
            "the meeting is not open yet; only its organiser comes in now",
            "call again shortly before it begins; when that is: comity meeting show ID",
        ),
        Word::MeetingOver => words(
            Side::Nobody,
            "the meeting has ended for good, or was cancelled",
            "ask its organiser for another; what became of it: comity meeting show ID",
        ),
        Word::MeetingLocked => words(
            Side::Nobody,
            "the meeting is locked: nobody comes in any more but its organiser",
            "ask somebody who presents there to unlock it; of ours: comity meeting unlock ID",
        ),
        Word::MeetingClosed => words(
            Side::Nobody,
            "the meeting takes nobody who comes from there",
            "if it should: comity meeting set ID --lobby DOMAIN=enter",
        ),
        Word::MeetingFull => words(
            Side::Nobody,
            "the meeting is full, or this person is in it with as many devices as are allowed",
            "hang up on devices that are not needed there",
        ),
        Word::TooManyMeetings => words(
            Side::Sender,
            "this organiser has as many unscheduled meetings under way as are allowed",
            "end some that are not needed any more; those under way: comity meeting running; to end one: comity meeting end ID",
        ),
        Word::NotInMeeting => words(
            Side::Sender,
            "this can be done only by, or to, somebody who is in the meeting",
            "come in first; who is there: comity meeting running ID",
        ),
        Word::NotPresenter => words(
            Side::Sender,
            "this can be done only by somebody who presents in the meeting",
            "ask somebody who does; to make one of him: comity meeting role",
        ),
        Word::TooManyMessages => words(
            Side::Sender,
            "more messages were written to the meeting within a second than it passes on",
            "wait a little, then write again",
        ),
        _ => return None,
    })
}

/// Of a session of ours: in a meeting, or where we stand between two phones.
pub(super) fn about_session(word: Word) -> Option<Words> {
    Some(match word {
        Word::DialogUnknown => words(
            Side::Nobody,
            "what was sent belongs to a call that has ended here, or was lost with a restart",
            "call again",
        ),
        Word::OffersCross => words(
            Side::Nobody,
            "both sides wanted to change the call in the same moment",
            "nothing is to be done: the sender's software tries again by itself",
        ),
        Word::ExtensionUnsupported => words(
            Side::Sender,
            "the phone insists on an extension of SIP that this server does not know",
            "the reason above names it; let the phone offer it without demanding it",
        ),
        Word::MediaUnacceptable => words(
            Side::Sender,
            "the phone and we have no sound in common: no codec, or one of us wants it protected and the other cannot",
            "the reason above says what; turn on G.711, G.722 or Opus on the phone, and SRTP with SDES if it has it",
        ),
        Word::NoMedia => words(
            Side::Ours,
            "no port for sound could be opened here",
            "the reason above says why; comity check and the server's log say more, and where sound is at the edges, comity status",
        ),
        _ => return None,
    })
}
