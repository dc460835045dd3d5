//! Whose sound goes through us, decided at the first INVITE of a call and at its refusal: the one list of reasons.
//!
//! Two phones that share no encoding, or of which only one encrypts, cannot hear each other: one answers 488 to what the other
//! offers. Then the same INVITE goes out again with an offer of ours, and each phone agrees with us instead.

use std::collections::VecDeque;
use std::net::IpAddr;

use sdp::{Encoding, Offer, ProtectionPolicy};
use sip::Message;

use crate::When;

/// What the INVITE of a call offers the one called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// What the caller offers.
    AsItCame,
    /// Our sound in place of the caller's, protected as this says.
    Anchored(ProtectionPolicy),
    /// The same at our address of the other family (IPv4, IPv6), where we have one.
    Turned(ProtectionPolicy),
}

/// What there is to decide on.
#[derive(Debug, Clone, Copy)]
pub struct Parties<'a> {
    /// The caller's offer; `None`: the one called is to offer, or the offer cannot be read.
    pub offer: Option<&'a Offer>,
    /// The address from which the INVITE of another organisation, or of a phone outside, came; `None`: one of our own users
    /// calls, from inside.
    pub outer_source: Option<IpAddr>,
    /// The one called is a user of ours, and all of his phones are inside.
    pub callee_is_inside: bool,
    /// One address of the phones called, where all have told theirs, and all of one family (IPv4, IPv6).
    pub callee_address: Option<IpAddr>,
    /// Only refusals tell of which family the phones called are: they are of another organisation, and it is no meeting of ours
    /// that calls, which offers both families itself.
    pub is_family_tried: bool,
}

/// In which ways the one called is offered sound, one after the other while he refuses it.
#[derive(Debug, Default)]
pub struct Ways {
    pub attempts: VecDeque<Attempt>,
    /// Of which family an offer of ours is.
    pub callee_address: Option<IpAddr>,
}

impl Ways {
    pub fn of(setting: When, parties: Parties<'_>) -> Ways {
        Ways { attempts: attempts(setting, parties), callee_address: parties.callee_address }
    }
}

fn attempts(setting: When, parties: Parties<'_>) -> VecDeque<Attempt> {
    let as_it_came = VecDeque::from([Attempt::AsItCame]);
    let Some(offer) = parties.offer.filter(|offer| can_anchor(offer, parties.outer_source)) else {
        return as_it_came;
    };
    let protections = protections(offer, parties.callee_is_inside);
    let turned = protections.iter().copied().map(Attempt::Turned).filter(|_| parties.is_family_tried);
    let anchored = protections.iter().copied().map(Attempt::Anchored);
    match setting {
        When::Never => as_it_came,
        When::WhenNeeded if !are_apart(offer, parties.callee_address) => {
            as_it_came.into_iter().chain(anchored).chain(turned).collect()
        }
        When::WhenNeeded | When::Always => {
            let mut attempts: Vec<_> = anchored.collect();
            let like_offer = like(offer);
            attempts.sort_by_key(|attempt| *attempt != Attempt::Anchored(like_offer));
            attempts.into_iter().chain(turned).chain(as_it_came).collect()
        }
    }
}

/// Whether an answer to the INVITE says that its sound will not do.
pub fn is_refusal_of_sound(response: &Message) -> bool {
    matches!(response.status(), Some(488 | 606))
}

/// Of two families, and the offer is of sound alone by one address: then phones hear each other through us or not at all.
fn are_apart(offer: &Offer, callee_address: Option<IpAddr>) -> bool {
    let (Some(caller), Some(callee)) = (offer.address(), callee_address) else { return false };
    caller.is_ipv4() != callee.is_ipv4() && !caller.is_unspecified() && offer.is_for_one_address()
}

/// Plain sound is taken from the address of its signalling alone, which of another organisation and of a phone outside is an
/// edge's.
fn can_anchor(offer: &Offer, outer_source: Option<IpAddr>) -> bool {
    let is_heard = outer_source.is_none_or(|source| offer.is_protected() || offer.address() == Some(source));
    // What is for messages as well would lose them.
    is_heard && offer.messages().is_none() && !offer.encodings().is_empty()
}

/// The likelier first. On the way to another organisation or to a phone outside sound is always protected: it would be anybody's to
/// hear, and what its phone says in the clear would not be taken.
fn protections(offer: &Offer, callee_is_inside: bool) -> Vec<ProtectionPolicy> {
    if !callee_is_inside {
        return vec![ProtectionPolicy::Required];
    }
    let same = like(offer);
    let other = match same {
        ProtectionPolicy::Required => ProtectionPolicy::Preferred,
        ProtectionPolicy::Preferred | ProtectionPolicy::Never => ProtectionPolicy::Required,
    };
    // Every phone knows G.711: one that refuses it wants for keys, or to be without.
    let encodings = offer.encodings();
    match encodings.iter().any(|encoding| matches!(encoding, Encoding::Pcma | Encoding::Pcmu)) {
        // There is nothing more to offer than was offered.
        true if Encoding::ALL.iter().all(|encoding| encodings.contains(encoding)) => vec![other],
        true => vec![other, same],
        false => vec![same, other],
    }
}

fn like(offer: &Offer) -> ProtectionPolicy {
    if offer.demands_protection() { ProtectionPolicy::Required } else { ProtectionPolicy::Preferred }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const REQUIRED: Attempt = Attempt::Anchored(ProtectionPolicy::Required);
    const PREFERRED: Attempt = Attempt::Anchored(ProtectionPolicy::Preferred);

    fn offer(audio: &str) -> Offer {
        let text = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n{audio}\r\n");
        Offer::parse(text.as_bytes()).expect("a description")
    }

    fn plain() -> Offer {
        offer("m=audio 4000 RTP/AVP 0")
    }

    fn protected() -> Offer {
        let key = "A".repeat(40);
        offer(&format!("m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}"))
    }

    fn within(offer: &Offer) -> Parties<'_> {
        let callee_address = Some(IpAddr::from([192, 0, 2, 10]));
        Parties {
            offer: Some(offer),
            outer_source: None,
            callee_is_inside: true,
            callee_address,
            is_family_tried: false,
        }
    }

    #[test]
    fn what_the_caller_offers_goes_first_and_then_what_it_lacks() {
        let of = |offer: &Offer| attempts(When::WhenNeeded, within(offer));
        assert_eq!(of(&plain()), [Attempt::AsItCame, REQUIRED, PREFERRED]);
        assert_eq!(of(&protected()), [Attempt::AsItCame, PREFERRED, REQUIRED]);
        let opus = offer("m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2");
        assert_eq!(of(&opus), [Attempt::AsItCame, PREFERRED, REQUIRED], "the encoding is what is likely missing");
    }

    #[test]
    fn the_setting_decides() {
        assert_eq!(attempts(When::Never, within(&plain())), [Attempt::AsItCame]);
        assert_eq!(attempts(When::Always, within(&plain())), [PREFERRED, REQUIRED, Attempt::AsItCame]);
        assert_eq!(attempts(When::Always, within(&protected())), [REQUIRED, PREFERRED, Attempt::AsItCame]);
    }

    #[test]
    fn between_two_families_sound_goes_through_us_at_once() {
        let of = |offer: &Offer, callee: &str| {
            let callee_address = callee.parse().ok();
            attempts(When::WhenNeeded, Parties { callee_address, ..within(offer) })
        };
        assert_eq!(of(&plain(), "2001:db8::9"), [PREFERRED, REQUIRED, Attempt::AsItCame]);
        assert_eq!(of(&plain(), "192.0.2.10"), [Attempt::AsItCame, REQUIRED, PREFERRED]);
        for more in ["a=candidate:1 1 UDP 1 2001:db8::1 4000 typ host", "m=video 4002 RTP/AVP 34"] {
            let offer = offer(&format!("m=audio 4000 RTP/AVP 0\r\n{more}"));
            assert_eq!(of(&offer, "2001:db8::9")[0], Attempt::AsItCame, "{more}");
        }
        assert_eq!(attempts(When::Never, Parties { callee_address: "::9".parse().ok(), ..within(&plain()) }).len(), 1);
    }

    #[test]
    fn of_whose_family_nothing_is_known_is_offered_both() {
        let of = |setting| {
            let offer = plain();
            let parties = within(&offer);
            attempts(
                setting,
                Parties { callee_address: None, callee_is_inside: false, is_family_tried: true, ..parties },
            )
        };
        let turned = Attempt::Turned(ProtectionPolicy::Required);
        assert_eq!(of(When::WhenNeeded), [Attempt::AsItCame, REQUIRED, turned]);
        assert_eq!(of(When::Always), [REQUIRED, turned, Attempt::AsItCame]);
    }

    #[test]
    fn nothing_goes_out_plain_to_another_organisation() {
        let of = |offer: &Offer| attempts(When::WhenNeeded, Parties { callee_is_inside: false, ..within(offer) });
        assert_eq!(of(&plain()), [Attempt::AsItCame, REQUIRED]);
        assert_eq!(of(&protected()), [Attempt::AsItCame, REQUIRED]);
    }

    #[test]
    fn plain_sound_of_another_organisation_is_anchored_where_it_would_be_taken() {
        let of = |offer: &Offer, source| {
            attempts(When::Always, Parties { outer_source: Some(source), ..within(offer) }).len()
        };
        assert_eq!(of(&plain(), EDGE), 1);
        assert_eq!(of(&plain(), IpAddr::from([192, 0, 2, 9])), 3);
        assert_eq!(of(&protected(), EDGE), 3);
    }

    #[test]
    fn without_sound_that_we_speak_nothing_is_anchored() {
        for audio in ["m=video 4000 RTP/AVP 34", "m=audio 4000 RTP/AVP 18", "m=audio 0 RTP/AVP 0"] {
            assert_eq!(attempts(When::Always, within(&offer(audio))), [Attempt::AsItCame], "{audio}");
        }
        assert_eq!(attempts(When::Always, Parties { offer: None, ..within(&plain()) }), [Attempt::AsItCame]);
    }
}
