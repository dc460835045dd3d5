//! What the user of a phone sees and hears.

use std::fmt;

use sip::{Message, Method};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message, from an address.
    Text { from: String, text: String },
    /// A message that was stored for him comes before he is told that he is signed in.
    Early,
    /// How a request of his own went.
    Told { method: Method, outcome: Outcome },
    /// Somebody calls.
    Rings { from: String, is_focus: bool },
    /// It rings at the other end.
    HearsRinging,
    /// The call stands.
    Talks { with: String, is_focus: bool },
    /// A call is over: the other side hung up, or stopped ringing, or nobody acknowledged it.
    Ends,
    /// What he watches of a user, in one word.
    Sees { user: String, state: String },
    /// A request within a call.
    Inside { method: Method },
    /// A meeting tells what became of a call that was asked of it.
    Reports { status: u16 },
    /// A description of the other side does not fit what was offered.
    Puzzled,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Status { status: u16, word: Option<String> },
    TimedOut,
    LineLost,
}

impl Outcome {
    /// Of a final response.
    pub fn of(response: &Message) -> Outcome {
        let word = response.header_text(sip::HeaderName::Warning).and_then(|warning| warning.split('"').nth(1));
        Outcome::Status { status: response.status().unwrap_or(0), word: word.map(str::to_owned) }
    }

    /// Whether nothing is left of the dialog that it was in (RFC 5057 section 5.1).
    pub fn ends_dialog(&self) -> bool {
        matches!(self, Outcome::Status { status: 404 | 410 | 430 | 481, .. })
    }

    pub fn is_success(&self) -> bool {
        matches!(self, Outcome::Status { status: 200..=299, .. })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Text { from, text } => write!(f, "receives {text:?} from {from}"),
            Event::Told { method, outcome } => write!(f, "is told {outcome} of its {method}"),
            Event::Early => f.write_str("gets a stored message before the answer to its REGISTER"),
            Event::Rings { from, .. } => write!(f, "rings from {from}"),
            Event::HearsRinging => f.write_str("hears ringing"),
            Event::Talks { with, is_focus: true } => write!(f, "is in the meeting {with}"),
            Event::Talks { with, .. } => write!(f, "talks with {with}"),
            Event::Ends => f.write_str("has its call ended"),
            Event::Sees { user, state } => write!(f, "sees {user} {state}"),
            Event::Inside { method } => write!(f, "receives {method} within its call"),
            Event::Reports { status } => write!(f, "hears of a {status} from its meeting"),
            Event::Puzzled => f.write_str("does not understand what is to be heard where"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Status { status, word: Some(word) } => write!(f, "{status} {word}"),
            Outcome::Status { status, word: None } => write!(f, "{status}"),
            Outcome::TimedOut => f.write_str("nothing in time"),
            Outcome::LineLost => f.write_str("that its connection is lost"),
        }
    }
}
