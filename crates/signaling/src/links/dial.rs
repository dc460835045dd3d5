//! Dialling the addresses of a partner's server: one after the other, but for the two address families, of which the second is
//! tried beside the first when that has not answered soon (RFC 8305 section 5). The first whose certificate proves the domain
//! is the connection; each address that fails is remembered by itself.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use federation::route::NextHopTarget;
use sip::Refusal;

use super::attempt::unconnected;
use super::{Attempt, LinkKey, Links, Stage};
use crate::acceptor::overloaded;
use crate::core::Core;
use crate::schedule::Machine;
use crate::waiting::Asker;
use crate::{Answer, Output, Question};
use federation::refusal;

/// One address that is dialled, for an attempt at this connection.
pub(crate) struct Dial {
    key: LinkKey,
    serial: u64,
    target: NextHopTarget,
    address: IpAddr,
}

impl Links {
    pub(super) fn next_dial(&mut self) -> u64 {
        self.last_dial += 1;
        self.last_dial
    }

    /// The attempt that waits for this very address, taken out of its connection.
    fn take_dialled(&mut self, dial: &Dial) -> Option<Attempt> {
        let link = self.links.get_mut(&dial.key)?;
        match std::mem::replace(&mut link.stage, Stage::Idle) {
            Stage::ExpectConnect { mut attempt }
                if attempt.serial == dial.serial && attempt.dialled.contains(&dial.address) =>
            {
                attempt.dialled.retain(|address| *address != dial.address);
                attempt.address = Some(dial.address);
                Some(attempt)
            }
            other => {
                link.stage = other;
                None
            }
        }
    }

    /// The attempt that still waits for one address alone and has one of the other family left, with that.
    fn take_second(&mut self, serial: u64) -> Option<(LinkKey, Attempt, IpAddr)> {
        let key = self.keys_by_dial.remove(&serial)?;
        let link = self.links.get_mut(&key)?;
        match std::mem::replace(&mut link.stage, Stage::Idle) {
            Stage::ExpectConnect { mut attempt } if attempt.serial == serial && attempt.dialled.len() == 1 => {
                let first = attempt.dialled[0];
                let other = attempt.addresses.iter().position(|address| address.is_ipv4() != first.is_ipv4());
                match other.and_then(|place| attempt.addresses.remove(place)) {
                    Some(address) => Some((key, attempt, address)),
                    None => {
                        link.stage = Stage::ExpectConnect { attempt };
                        None
                    }
                }
            }
            other => {
                link.stage = other;
                None
            }
        }
    }
}

impl Core {
    pub(super) fn dial(&mut self, now: Instant, key: LinkKey, mut attempt: Attempt, address: IpAddr) {
        let serial = attempt.serial;
        let has_other = attempt.addresses.iter().any(|other| other.is_ipv4() != address.is_ipv4());
        if attempt.dialled.is_empty() && has_other {
            self.links.keys_by_dial.insert(serial, key.clone());
            self.schedule.push(now + HEAD_START, Machine::Dial(serial));
        }
        attempt.dialled.push(address);
        let target = attempt.target.clone();
        let question = Question::Connect {
            remote: SocketAddr::new(address, target.port),
            server_name: target.host.clone(),
            certificate: key.connection / self.limits.partner_connections.max(1),
        };
        self.links.stage(&key, Stage::ExpectConnect { attempt });
        let dial = Dial { key: key.clone(), serial, target, address };
        if self.ask(now, question, Asker::Dial(Box::new(dial))).is_err() {
            self.fail_link(now, key, overloaded("too many requests wait for an answer"));
        }
    }

    /// The first address has had its head start.
    pub(crate) fn dial_beside(&mut self, now: Instant, serial: u64) {
        if let Some((key, attempt, address)) = self.links.take_second(serial) {
            self.dial(now, key, attempt, address);
        }
    }

    /// What became of an address; `None`: no answer came in time.
    pub(crate) fn resume_dial(&mut self, now: Instant, dial: Dial, answer: Option<Answer>) {
        let Some(attempt) = self.links.take_dialled(&dial) else { return self.dialled_in_vain(now, &dial, answer) };
        match answer {
            Some(Answer::Connected(Ok(facts))) => self.judge_link(now, dial.key, attempt, facts),
            failed => self.address_failed(now, dial.key, attempt, failure(failed)),
        }
    }

    /// Another address was faster, or nobody waits any more. That it failed is worth knowing all the same.
    fn dialled_in_vain(&mut self, now: Instant, dial: &Dial, answer: Option<Answer>) {
        match answer {
            Some(Answer::Connected(Ok(facts))) => self.put(Output::CloseFlow { flow: facts.id }),
            failed => {
                let why = failure(failed).reason;
                self.place_failed(now, &dial.key.domain, &dial.target, Some(dial.address), &why);
            }
        }
    }
}

fn failure(answer: Option<Answer>) -> Refusal {
    match answer {
        Some(Answer::Connected(Err(error))) => unconnected(error),
        _ => refusal::partner_unreachable("no answer came in time"),
    }
}

/// How long the first address family is tried alone (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);
