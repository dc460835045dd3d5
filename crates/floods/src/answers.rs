//! What somebody who attacks got back.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

use sip::Message;

#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Requests, connections or other pieces that went out.
    pub sent: u64,
    counts: BTreeMap<String, u64>,
    /// Bytes that went out and that came back, by kind of datagram.
    pub bytes_by_kind: BTreeMap<&'static str, (u64, u64)>,
    pub lasted: Duration,
}

impl Answers {
    pub fn note(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }

    /// How often this was noted.
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// A response by its status, with Retry-After where it has one.
    pub fn note_message(&mut self, message: &Message) {
        let Some(status) = message.status() else { return self.note(&format!("{:?}", message.method())) };
        let waits = message.header_text(sip::HeaderName::RetryAfter).is_some();
        self.note(&format!("{status}{}", if waits { " with Retry-After" } else { "" }));
    }

    pub fn note_error(&mut self, error: &io::Error) {
        self.note(match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "nothing more is read",
            _ => "closed",
        });
    }

    pub fn add(&mut self, other: Answers) {
        self.sent += other.sent;
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
        self.bytes_by_kind.extend(other.bytes_by_kind);
        self.lasted = self.lasted.max(other.lasted);
    }

    /// Bytes that came back beyond those that went out, over all kinds of which more came back; in a second.
    pub fn surplus_per_sec(&self) -> f64 {
        let surplus: u64 = self.bytes_by_kind.values().map(|(out, back)| back.saturating_sub(*out)).sum();
        surplus as f64 / self.lasted.as_secs_f64().max(1.0)
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sent", self.sent)?;
        for (what, count) in &self.counts {
            write!(f, ", {count} x {what}")?;
        }
        let ratio = |(out, back): (u64, u64)| back as f64 / out.max(1) as f64;
        let most =
            self.bytes_by_kind.iter().map(|(kind, bytes)| (ratio(*bytes), kind)).max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((most, kind)) = most else { return Ok(()) };
        let sum = |pick: fn(&(u64, u64)) -> u64| self.bytes_by_kind.values().map(pick).sum();
        let all = ratio((sum(|bytes| bytes.0), sum(|bytes| bytes.1)));
        let kilobytes = self.surplus_per_sec() / 1024.0;
        write!(f, "; bytes back / sent {all:.2}, at most {most:.2} ({kind}), surplus {kilobytes:.0} kB/s")
    }
}
