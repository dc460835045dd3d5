//! What a partner's `ms-diagnostics` means where it refused us: on whose side it is, and what to do.
//!
//! Pure. The ids are those of MS-OCER; the partner's server speaks, so what to it is the previous hop are we.

use sip::Diagnostics;
use sip::diagnostics::{KNOWN, reason_of};

use super::{Words, words};
use crate::control::answers::{Advice, Side, Sure};

/// What the partner's server says, as a sentence.
pub(in super::super) fn said(diagnostics: &Diagnostics) -> String {
    let Diagnostics { id, reason, source } = diagnostics;
    let reason = match reason.is_empty() {
        true => reason_of(*id).map(|known| format!(" ({known})")).unwrap_or_default(),
        false => format!(" ({reason})"),
    };
    let source = source.as_ref().map(|source| format!("{source} of ")).unwrap_or_default();
    format!("{source}the partner says: {id}{reason}")
}

/// Each id that we know more of than the partner's sentence, with what it means.
pub fn told_by_partner(partner: &str) -> Vec<(u32, &'static str, Advice)> {
    let known = KNOWN.iter().filter_map(|known| {
        let (side, verdict, next) = by_id(known.id, partner)?;
        Some((known.id, known.reason, Advice { verdict, next, side, sure: Sure::Told }))
    });
    known.collect()
}

/// `None`: it says no more than the status does.
pub(super) fn by_id(id: u32, partner: &str) -> Option<Words> {
    about_us(id, partner).or_else(|| about_their_users(id, partner)).or_else(|| about_their_servers(id, partner))
}

/// Our names, our certificate, our clock.
fn about_us(id: u32, partner: &str) -> Option<Words> {
    Some(match id {
        1008 => words(
            Side::Ours,
            format!("{partner} looked for the SRV record of our domain, _sipfederationtls._tcp, and got none"),
            "see whether the world finds it: comity route with our own domain; publish what comity plan lists",
        ),
        1009 => words(
            Side::Ours,
            format!("the server that our SRV record names is not within our SIP domain, and {partner} insists on that"),
            "let _sipfederationtls._tcp lead to a name directly below the SIP domain, such as sip.DOMAIN, which the certificate \
             names: comity plan shows it; or ask the partner to enter our edge by its name",
        ),
        1010 => words(
            Side::Ours,
            format!(
                "{partner} does not trust our certificate, or it does not name the server that our SRV record names"
            ),
            "see what ours proves and what it does not: comity check; see the way to us: comity route with our own domain",
        ),
        1011 => words(
            Side::Ours,
            format!("{partner} misses a header in what we sent"),
            "tell whoever makes this software; the partner's log names the header",
        ),
        1013 => words(
            Side::Ours,
            format!("by {partner}'s clock, ours is far off"),
            "see whether the command date shows the right time here; if it does, the clock is wrong there",
        ),
        1014 => words(
            Side::Ours,
            format!("{partner} found no address (A record) for the server that our SRV record names"),
            "publish the A records that comity plan lists; see them: comity route with our own domain",
        ),
        1018 => words(
            Side::Sender,
            format!("{partner} could not read the request"),
            "it is for whoever makes the sender's software, or this one; the partner's log says where the reading ended",
        ),
        _ => return None,
    })
}

/// Who may speak with whom there.
fn about_their_users(id: u32, partner: &str) -> Option<Words> {
    Some(match id {
        1001 | 1002 | 1012 | 4003 => words(
            Side::Partner,
            format!("{partner} does not let this user of theirs speak with other organisations"),
            format!("the user has to ask {partner}'s administrator for external access (federation)"),
        ),
        1003 | 4005 => words(Side::Sender, format!("{partner} has no such user"), "check the address"),
        1005 => words(
            Side::Partner,
            format!("{partner} does not route to the domain that was written to"),
            "check the address; if it is right, ask its administrator whether that domain is theirs",
        ),
        1015 | 1017 => words(
            Side::Partner,
            format!("{partner} does not let our domain in"),
            format!("ask {partner}'s administrator to add our domain to the allowed domains"),
        ),
        1027 => words(
            Side::Partner,
            format!("{partner} does not take this kind of request from other organisations"),
            "nothing is to be done here: its administrator may allow it",
        ),
        _ => return None,
    })
}

/// What is behind the partner's edge, or beyond it.
fn about_their_servers(id: u32, partner: &str) -> Option<Words> {
    let ask = format!("ask {partner}'s administrator, who needs the Call-ID and the time");
    Some(match id {
        0 => words(Side::Partner, format!("{partner}'s server failed by an error of its own"), ask),
        1 | 1006 | 1007 => words(
            Side::Partner,
            format!("{partner}'s server cannot serve it now"),
            format!("try again; if it lasts, {ask}"),
        ),
        1004 => words(
            Side::Nobody,
            format!("{partner} has forgotten the conversation that the request belongs to"),
            "begin it anew",
        ),
        1034 => words(
            Side::Partner,
            format!("{partner} passed it on to a further organisation, which refused without saying why"),
            ask,
        ),
        1038 | 1046 | 1047 => words(
            Side::Partner,
            format!("{partner}'s edge does not reach a server behind it, or the next organisation"),
            ask,
        ),
        13008 => words(Side::Partner, format!("{partner} keeps to itself why"), ask),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_that_is_explained_is_known_and_the_commonest_are() {
        let told: Vec<u32> = told_by_partner("fabrikam.example").into_iter().map(|(id, ..)| id).collect();
        for id in [1002, 1003, 1008, 1009, 1010, 1014, 1034, 1047] {
            assert!(told.contains(&id), "{id}");
        }
        assert!(!told.contains(&2), "the status says it");
    }

    #[test]
    fn what_the_partner_says_is_repeated_as_it_said_it() {
        let said_by = |text: &[u8]| said(&Diagnostics::parse(text).unwrap());
        assert_eq!(
            said_by(b"1009;source=\"sip.fabrikam.example\";reason=\"SRV and host domains conflict\""),
            "sip.fabrikam.example of the partner says: 1009 (SRV and host domains conflict)"
        );
        assert_eq!(said_by(b"1003"), "the partner says: 1003 (User does not exist)");
        assert_eq!(said_by(b"777"), "the partner says: 777");
    }
}
