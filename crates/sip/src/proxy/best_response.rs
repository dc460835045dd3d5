//! Which of several final responses goes upstream (RFC 3261 section 16.7, steps 6 and 7).

use super::ContextOutput;
use crate::edit::Edits;
use crate::header_name::HeaderName;
use crate::message::Message;

/// How a branch ended that was not answered.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    Response(Box<Message>),
    /// Nothing came from below; the status that stands for it.
    Status(u16),
}

impl Ending {
    fn status(&self) -> u16 {
        match self {
            Ending::Response(response) => response.status().unwrap_or_default(),
            Ending::Status(status) => *status,
        }
    }

    /// The least is the best.
    fn rank(&self, is_invite: bool) -> (u16, u8) {
        match (self, self.status()) {
            // Nobody may send a 408 to a non-INVITE request (RFC 4320 section 4.2): anything else is of more use.
            (Ending::Status(408), _) if !is_invite => (u16::MAX, 0),
            (_, status @ 600..) => (0, (status - 600).min(99) as u8),
            (_, status) => (status / 100, preference(status)),
        }
    }
}

/// What to send upstream when no branch was answered; None if there are no endings.
pub(super) fn choose(endings: &[&Ending], is_invite: bool) -> Option<ContextOutput> {
    let best = *endings.iter().min_by_key(|ending| ending.rank(is_invite))?;
    Some(match best {
        // Of the next hop a 503 says that it is overloaded; of us it would say that we are.
        Ending::Status(503) => ContextOutput::Generate { status: 500 },
        Ending::Response(response) if best.status() == 503 => ContextOutput::Overloaded(response.clone()),
        Ending::Status(status) => ContextOutput::Generate { status: *status },
        Ending::Response(response) if is_challenge(response) => {
            ContextOutput::Forward(Box::new(with_challenges_of(response, endings)))
        }
        Ending::Response(response) => ContextOutput::Forward(response.clone()),
    })
}

/// Within a class: first what tells the caller how to ask again, last what only says that a branch was given up.
fn preference(status: u16) -> u8 {
    match status {
        401 | 407 => 0,
        415 | 420 | 484 => 1,
        408 | 487 | 503 => 3,
        _ => 2,
    }
}

fn is_challenge(response: &Message) -> bool {
    matches!(response.status(), Some(401 | 407))
}

/// The caller must answer the challenges of all branches at once: `best` takes along those of the others.
fn with_challenges_of(best: &Message, endings: &[&Ending]) -> Message {
    let mut edits = Edits::new();
    for ending in endings {
        let Ending::Response(other) = ending else { continue };
        if is_challenge(other) && other.as_bytes() != best.as_bytes() {
            append_challenges(&mut edits, other);
        }
    }
    // Too many of them may not fit into a message: then the caller asks once more.
    Message::parse(edits.apply(best)).unwrap_or_else(|_| best.clone())
}

fn append_challenges(edits: &mut Edits, response: &Message) {
    for name in [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate] {
        for value in response.header_all(name).filter_map(|value| str::from_utf8(value).ok()) {
            edits.append(name, value);
        }
    }
}
