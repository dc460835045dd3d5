//! Refusals by our own partner list, switches and policies.

use sip::refusal::Word;

use super::{Words, words};
use crate::control::answers::Side;

/// Our own partner list and switches.
pub(super) fn about_policy(word: Word, partner: &str) -> Option<Words> {
    Some(match word {
        Word::EdgeNotReady => words(
            Side::Ours,
            "the edge has its partners from its home, and the home has told it nothing yet",
            "on the home: comity status shows why it does not reach the edge",
        ),
        Word::FederationOff => words(
            Side::Ours,
            "federation is switched off here, so nothing passes to or from any partner",
            "set enabled = true under [federation] in comity.toml, then start the server again",
        ),
        Word::DomainBlocked => words(
            Side::Ours,
            format!("{partner} is blocked in our partner list"),
            format!("if it should not be, lift the block: comity partner unblock {partner}"),
        ),
        Word::DomainNotServed => words(
            Side::Sender,
            format!("a phone signed in as a user of {partner}, which is not a domain of ours"),
            format!(
                "give the phone NAME@ and a domain served here (comity status lists them) as its address, and {partner}, \
                 if that is this server, as its registrar or outbound proxy alone"
            ),
        ),
        Word::DomainNotAllowed if !federation::is_dns_name(partner) => words(
            Side::Sender,
            format!("the sender has {partner} for a domain, which is none"),
            "let its phone or server name its SIP domain in From",
        ),
        Word::DomainNotAllowed => words(
            Side::Ours,
            format!("{partner} is not in our partner list, and we do not accept domains that are not in it"),
            format!("if you want to federate with it: comity partner add {partner}"),
        ),
        Word::SourceUnverified => words(
            Side::Ours,
            format!("nobody vouches for who sends from {partner}, and the user has not let the sender in"),
            format!(
                "if the user wants to hear from them: comity user allow NAME@DOMAIN SENDER; if you trust {partner}: \
                 comity partner set {partner} --verification always-verifiable"
            ),
        ),
        Word::FederationNotForUser => words(
            Side::Ours,
            "the external access policy of our user allows no federation",
            "see which policy that is: comity user access NAME@DOMAIN; give another: comity user policy NAME@DOMAIN POLICY",
        ),
        Word::OutsideNotForUser => words(
            Side::Ours,
            "the external access policy of our user does not let him in from outside",
            "see which policy that is: comity user access NAME@DOMAIN; change it: comity policy set POLICY --outside yes",
        ),
        Word::PartnerNotForUser => words(
            Side::Ours,
            format!("the external access policy of our user does not name {partner}"),
            "see which policy that is: comity user access NAME@DOMAIN; change it: comity policy set POLICY --partners LIST",
        ),
        Word::ModalityNotAllowed => words(
            Side::Ours,
            format!(
                "the user's external access policy, or our entry of {partner}, does not allow this kind of contact"
            ),
            format!(
                "the reason above names which; change it: comity policy set, comity partner set {partner} --modalities, or comity provider set"
            ),
        ),
        _ => return None,
    })
}
