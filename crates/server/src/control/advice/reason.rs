//! Where a refusal's reason says more than its word: the certificate that a server showed, and this machine's clock.
//!
//! Pure. Refusals of older days are known by their text alone, so the text is what is read.

use federation::admission::{ANSWERED_BY_MD5, ANSWERED_WITHOUT_QOP, NAMED_IN_CAPITALS, NAMED_WITH_DOMAIN};
use federation::trust::Why;
use federation::verification::{OUTSIDE, provider_pinned_in};
use signaling::OF_DEVICE;
use sip::refusal::Word;

use super::super::answers::{Advice, Side, Sure};
use super::{Refuser, alert, for_refusal};

/// The advice for a refusal of ours, by its word and by the reason that stayed with us.
pub(in super::super) fn for_reason(word: &str, status: u16, reason: &str, refuser: Refuser, partner: &str) -> Advice {
    let advice = match (Word::named(word), refuser) {
        (Some(Word::CertificatePinChanged), Refuser::UsToPartner) => {
            provider_pinned_in(reason).map(|name| pinned(name, partner))
        }
        (Some(Word::PartnerUnreachable), Refuser::UsToUser) => unreachable(reason, partner),
        (Some(Word::CertificateName | Word::PartnerCertificate), _) if reason.contains(OUTSIDE) => {
            Some(outside(partner))
        }
        (Some(Word::PartnerCertificate), Refuser::UsToUser) => shown_to_us(reason, partner),
        (Some(Word::NoRoute), Refuser::UsToUser) if status == 504 => Some(dns_silent(partner)),
        (_, Refuser::UsToUser) if reason.contains(OF_DEVICE) => Some(transferred(partner)),
        (Some(Word::AuthenticationFailed), _) => answered(reason),
        _ => None,
    };
    let advice = advice.unwrap_or_else(|| for_refusal(word, status, refuser, partner));
    match reason.contains(&Why::NotYetValid.to_string()) {
        true => not_yet_valid(partner),
        false => advice,
    }
}

/// What a phone made of the challenge, where it is not the password that is wrong.
fn answered(reason: &str) -> Option<Advice> {
    let says = |part: &str| reason.contains(part);
    let (sure, verdict, next) = match () {
        () if says(ANSWERED_WITHOUT_QOP) => (
            Sure::Seen,
            "the phone proves its password in the way of RFC 2069, without qop, which this server does not take: whoever sees it once \
             can repeat it",
            "look for a newer version of the phone or its library, or a setting such as qop; the password is not what is wrong",
        ),
        () if says(ANSWERED_BY_MD5) => (
            Sure::Seen,
            "the phone says that it answers by SHA-256, and answers by MD5",
            "let this server offer MD5 alone, or first: digest = [\"MD5\", \"SHA-256\"] under [users] in comity.toml; the password is \
             not what is wrong",
        ),
        () if says(NAMED_WITH_DOMAIN) => (
            Sure::Likely,
            "the phone signs in by NAME@DOMAIN, and what it sends counts that name into the password; this user's password was set when the \
             name alone was counted",
            "set the password once more, the same one too: comity user passwd; or write the name without the domain as the phone's name \
             for authentication; if it is refused still, the password is wrong",
        ),
        () if says(NAMED_IN_CAPITALS) => (
            Sure::Likely,
            "the phone signs in by a name with capitals, and what it sends counts the name as it is written into the password; here small \
             letters count",
            "write the phone's name for authentication in small letters; if it is refused still, the password is wrong",
        ),
        () => return None,
    };
    Some(Advice { verdict: verdict.to_owned(), next: next.to_owned(), side: Side::Sender, sure })
}

/// What is wrong with the certificate that the partner's server showed when we connected to it.
fn shown_to_us(reason: &str, partner: &str) -> Option<Advice> {
    const WORDS: [Word; 6] = [
        Word::CertificateRevoked,
        Word::CertificateUntrusted,
        Word::CertificateExpired,
        Word::CertificatePurpose,
        Word::CertificateName,
        Word::CertificatePinChanged,
    ];
    if let Some(name) = provider_pinned_in(reason) {
        return Some(to_be_seen(pinned(name, partner), partner));
    }
    let word = WORDS.into_iter().find(|word| reason.contains(word.as_str()))?;
    let advice = for_refusal(word.as_str(), 403, Refuser::UsToPartner, partner);
    Some(to_be_seen(advice, partner))
}

fn to_be_seen(advice: Advice, partner: &str) -> Advice {
    Advice { next: format!("{}; to see it: comity route {partner}", advice.next), ..advice }
}

/// The same as of a partner's own pin.
fn pinned(provider: &str, partner: &str) -> Advice {
    Advice {
        verdict: format!(
            "another certificate was shown for {partner} than the one that is pinned here for its hosting provider {provider}"
        ),
        next: format!(
            "ask {provider}'s administrator, by another way than this, whether it was renewed, and what its fingerprint is \
             (SHA-256); if so: comity provider set {provider} --pin FINGERPRINT; else somebody else uses its name"
        ),
        side: Side::Partner,
        sure: Sure::Seen,
    }
}

/// Whoever runs the DNS of a domain may lead it anywhere; only its owner's certificate or ours to trust binds the two.
fn outside(partner: &str) -> Advice {
    Advice {
        verdict: format!(
            "the SRV record of {partner} leads to a server outside of {partner}, whose certificate does not name {partner}"
        ),
        next: format!(
            "ask {partner}'s administrator whether that host is theirs or their provider's; if so, enter it: comity partner \
             add {partner} --edge HOST, or, for a provider of many domains, comity provider add; a name such as \
             sip.{partner} in its SRV record and certificate would do everywhere; to see it: comity route {partner}"
        ),
        side: Side::Partner,
        sure: Sure::Seen,
    }
}

/// Who was asked to call there got the address from a phone's Contact.
fn transferred(partner: &str) -> Advice {
    Advice {
        verdict: format!(
            "a call was transferred to a device at {partner}, which is no domain: phones that name the Contact of the one consulted \
             can be understood here only while the call with him is under way, and went through this server"
        ),
        next: "transfer again before the other call ends; if that is what was done, let the phone transfer to the user's address \
               (sip:NAME@DOMAIN), or register with a GRUU (RFC 5627), in its settings"
            .to_owned(),
        side: Side::Sender,
        sure: Sure::Likely,
    }
}

/// The DNS did not say no: it said nothing.
pub(in super::super) fn dns_silent(partner: &str) -> Advice {
    Advice {
        verdict: format!("the DNS gave no usable answer about {partner}"),
        next: format!(
            "see whether the name servers under [dns] in comity.toml can be reached, and answer about other domains; if they \
             do, it is {partner}'s name servers; then try again: comity route {partner}"
        ),
        side: Side::Network,
        sure: Sure::Open,
    }
}

/// At which step the way to the partner's server ended.
fn unreachable(reason: &str, partner: &str) -> Option<Advice> {
    let says = |part: &str| reason.contains(part);
    let (side, sure, verdict, next) = match () {
        () if says("does not accept our certificate") => {
            let told = alert::meaning(reason);
            (
                Side::Ours,
                told.map_or(Sure::Likely, |_| Sure::Told),
                match told {
                    Some((meaning, _)) => format!("{partner}'s server refuses our certificate: {meaning}"),
                    None => format!("{partner}'s server most likely does not accept our certificate"),
                },
                told.map_or(
                    "see that it names our edge, that a public authority issued it, and for which purposes: comity check; the \
                     partner's log says why",
                    |(_, next)| next,
                ),
            )
        }
        () if alert::is_about_versions(reason) => {
            let (meaning, next) = alert::meaning(reason).unwrap_or_default();
            (Side::Partner, Sure::Told, format!("{partner}'s server ends the TLS handshake: {meaning}"), next)
        }
        () if says("what is no SIP") => (
            Side::Partner,
            Sure::Seen,
            format!("where {partner}'s server should be, something answers that does not speak SIP"),
            "ask the partner on which port and host its edge serves SIP over TLS; the reason above shows how the answer begins",
        ),
        () if says("no address") => (
            Side::Partner,
            Sure::Seen,
            format!("the servers that {partner} names have no address"),
            "ask the partner to publish an address of the name that its SRV record leads to",
        ),
        () if says("Connection refused") => (
            Side::Partner,
            Sure::Likely,
            format!("{partner}'s server was reached, but nothing listens there, or a firewall rejects us"),
            "ask the partner whether the edge runs, and see that no firewall here rejects what goes out",
        ),
        () if says("did not accept within") => (
            Side::Network,
            Sure::Open,
            format!("{partner}'s server does not answer"),
            "see that our firewall lets us out to that port; then ask the partner about theirs, and whether the address is right",
        ),
        () => return None,
    };
    Some(Advice { verdict, next: format!("{next}; to see each step: comity route {partner}"), side, sure })
}

/// Certificates are issued with a beginning in the past: far more often it is the clock.
fn not_yet_valid(partner: &str) -> Advice {
    Advice {
        verdict: format!("by the clock of this machine, the certificate of {partner}'s server is not valid yet"),
        next: format!(
            "see whether the command date shows the right time here; if it does, ask {partner} for a certificate that is valid today"
        ),
        side: Side::Ours,
        sure: Sure::Likely,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(word: &str, reason: &str, refuser: Refuser) -> Advice {
        for_reason(word, 403, reason, refuser, "fabrikam.example")
    }

    #[test]
    fn a_clock_that_is_behind_is_not_the_partners_fault() {
        let reason = format!("certificate-untrusted: the certificate of CN=a is not accepted: {}", Why::NotYetValid);
        for (word, refuser) in [
            ("certificate-untrusted", Refuser::UsToPartner),
            ("certificate-untrusted", Refuser::UsToUser),
            ("partner-certificate", Refuser::UsToUser),
        ] {
            let Advice { verdict, side, .. } = told(word, &reason, refuser);
            assert!(verdict.contains("the clock of this machine"), "{word}: {verdict}");
            assert_eq!(side, Side::Ours);
        }
        let stranger = told("certificate-untrusted", &Why::UnknownIssuer.to_string(), Refuser::UsToPartner);
        assert!(stranger.verdict.contains("an authority that we do not trust"), "{stranger:?}");
    }

    #[test]
    fn what_a_phone_made_of_the_challenge_is_not_the_passwords_fault() {
        let verdict = |reason: &str| {
            let advice = told("authentication-failed", &format!("alice@contoso.example {reason}"), Refuser::UsToUser);
            assert_eq!(advice.side, Side::Sender);
            (advice.verdict, advice.next.contains("user passwd"))
        };
        for (reason, says) in [
            (ANSWERED_WITHOUT_QOP, "RFC 2069"),
            (ANSWERED_BY_MD5, "answers by MD5"),
            (NAMED_IN_CAPITALS, "small letters"),
        ] {
            let (verdict, is_new_password) = verdict(reason);
            assert!(verdict.contains(says) && !is_new_password, "{reason}: {verdict}");
        }
        let (verdict_of_address, is_new_password) = verdict(NAMED_WITH_DOMAIN);
        assert!(verdict_of_address.contains("NAME@DOMAIN") && is_new_password, "{verdict_of_address}");
        assert!(verdict("wrong password for").1);
    }

    #[test]
    fn where_the_way_ended_tells_whose_side_it_is() {
        for (reason, side, verdict) in [
            (
                "sip.fabrikam.example:5061 (192.0.2.1): 192.0.2.1:5061 cannot be reached: Connection refused (os error 111)",
                Side::Partner,
                "nothing listens there",
            ),
            (
                "sip.fabrikam.example:5061 (192.0.2.1): 192.0.2.1:5061 did not accept within 5 s",
                Side::Network,
                "does not answer",
            ),
            ("sip.fabrikam.example:5061: sip.fabrikam.example has no address", Side::Partner, "have no address"),
            (
                "sip.fabrikam.example:5061 ended the connection as soon as it was up: its side most likely does not accept our certificate",
                Side::Ours,
                "does not accept our certificate",
            ),
            (
                "sip.fabrikam.example:5061 (192.0.2.1): the TLS handshake with 192.0.2.1:5061 failed: received fatal alert: ProtocolVersion",
                Side::Partner,
                "ends the TLS handshake: no version of TLS",
            ),
            ("no target is left to try", Side::Network, "no server of fabrikam.example could be reached"),
        ] {
            let advice = told("partner-unreachable", reason, Refuser::UsToUser);
            assert!(advice.side == side && advice.verdict.contains(verdict), "{reason}: {advice:?}");
            assert!(advice.next.ends_with("comity route fabrikam.example"), "{advice:?}");
        }
    }

    #[test]
    fn a_device_is_no_partner_to_be_added() {
        let reason = format!("x.invalid is not in the partner list, and partner discovery is off; {OF_DEVICE}");
        let advice = for_reason("domain-not-allowed", 403, &reason, Refuser::UsToUser, "x.invalid");
        assert_eq!(advice.side, Side::Sender);
        assert!(advice.verdict.contains("transferred to a device at x.invalid"), "{advice:?}");
        assert!(!advice.next.contains("partner add"), "{advice:?}");
    }

    #[test]
    fn what_a_server_showed_is_told_as_precisely_as_what_a_client_shows() {
        let reason = "sip.fabrikam.example:5061 (192.0.2.1): certificate-expired: it has expired";
        let advice = told("partner-certificate", reason, Refuser::UsToUser);
        assert_eq!(advice.verdict, "the certificate of fabrikam.example's server has expired");
        assert!(advice.next.ends_with("; to see it: comity route fabrikam.example"), "{advice:?}");
        let unknown = told("partner-certificate", "", Refuser::UsToUser);
        assert!(unknown.verdict.contains("could not prove"), "{unknown:?}");
    }
}
