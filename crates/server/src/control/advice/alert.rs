//! What a TLS alert of a partner's server says about our certificate, or the versions of TLS that we speak, and what to do about it.
//!
//! Pure. The alert is read from the text that the TLS library makes of it.

/// It is about the versions of TLS that are spoken here: the server has not seen our certificate.
pub(in super::super) fn is_about_versions(text: &str) -> bool {
    text.contains("alert: ProtocolVersion")
}

/// `None`: it has no alert, or one that says nothing.
pub(in super::super) fn meaning(text: &str) -> Option<(&'static str, &'static str)> {
    let alert = text.split_once("alert: ")?.1;
    let found = MEANINGS.iter().find(|(name, ..)| alert.starts_with(name));
    found.map(|(_, meaning, next)| (*meaning, *next))
}

const MEANINGS: [(&str, &str, &str); 9] = [
    (
        "UnknownCA",
        "it does not trust the authority that issued it (TLS alert unknown_ca)",
        "see which that is, and that its chain is whole: comity check; get one of a public authority, or ask the partner to \
         trust ours",
    ),
    (
        "UnsupportedCertificate",
        "it is made for servers only, and the purpose clientAuth is wanted there (TLS alert unsupported_certificate)",
        "public authorities issue that purpose no more: ask the partner to take serverAuth too, or for the authority that it \
         does take; see what ours has: comity check",
    ),
    (
        "BadCertificate",
        "something is wrong with it by the rules there (TLS alert bad_certificate)",
        "see what it lacks: comity check; the partner's log says which rule",
    ),
    (
        "CertificateExpired",
        "by the clock there it is not valid at this time (TLS alert certificate_expired)",
        "see when it ends: comity check; if it is good, tell the partner to look at the clock there",
    ),
    (
        "CertificateRevoked",
        "its authority has revoked it (TLS alert certificate_revoked)",
        "ask the authority why, make a new key, and get a new certificate",
    ),
    (
        "CertificateRequired",
        "it saw none (TLS alert certificate_required)",
        "see whether ours can be shown: comity check, comity status",
    ),
    (
        "AccessDenied",
        "it is good, but not let in there (TLS alert access_denied)",
        "ask the partner to allow our edge, by the name that comity check shows",
    ),
    (
        "ProtocolVersion",
        "no version of TLS is spoken by both (TLS alert protocol_version)",
        "TLS 1.2 and 1.3 are spoken here: ask the partner to allow one of them",
    ),
    (
        "HandshakeFailure",
        "no cipher or kind of key is taken by both (TLS alert handshake_failure)",
        "see which kind of key ours has: comity check; ask the partner which it takes",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_read_wherever_it_stands_in_a_reason() {
        let reason = |alert: &str| format!("sip.fabrikam.example:5061 ended it (received fatal alert: {alert}): so");
        assert!(meaning(&reason("UnknownCA")).is_some_and(|(meaning, _)| meaning.contains("unknown_ca")));
        assert_eq!(meaning(&reason("InternalError")), None);
        assert_eq!(meaning("Connection reset by peer"), None);
    }
}
