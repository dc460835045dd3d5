//! What crosses the border: one table of the headers by which a stranger could claim, learn or set off what is not his.
//!
//! A header that is not in the table passes as it came. Who sent a request (From), and who may be reached, are
//! admission's; Route and Max-Forwards are the proxy's own work.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use Treatment::{Concealed, IfProven, Passes, Removed, Withheld};
use sip::HeaderName;

use crate::domain_name;

/// Where a message comes from and goes to.
#[derive(Clone, Copy, Debug)]
pub enum Crossing<'a> {
    /// Between users of ours.
    Within,
    /// From another organisation, which has proven this domain.
    Inward { domain: &'a str },
    /// To another organisation, from ours, which has these domains.
    Outward { domains: &'a [String] },
}

/// What becomes of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    Passes,
    Removed,
    /// Those of its addresses pass which are in a domain that the sending organisation has proven.
    IfProven,
    /// It passes; where topology is hidden, it names the edge alone, and what else it said is sealed in it.
    Concealed,
    /// It passes; where topology is hidden, it is removed.
    Withheld,
}

/// A row of the table.
#[derive(Debug)]
pub struct Rule {
    pub header: &'static str,
    pub within: Treatment,
    pub inward: Treatment,
    pub outward: Treatment,
    pub reason: &'static str,
}

impl Crossing<'_> {
    /// Whether another organisation takes part.
    pub fn is_border(&self) -> bool {
        !matches!(self, Crossing::Within)
    }

    /// What becomes of a header; `raw_name` is its name as received, in any case.
    pub fn treatment(&self, name: HeaderName, raw_name: &[u8]) -> Treatment {
        let rule = match name {
            HeaderName::Other => {
                EXTENSIONS.iter().copied().find(|rule| raw_name.eq_ignore_ascii_case(rule.header.as_bytes()))
            }
            known => KNOWN.get(&known).copied(),
        };
        rule.map_or(Passes, |rule| match self {
            Crossing::Within => rule.within,
            Crossing::Inward { .. } => rule.inward,
            Crossing::Outward { .. } => rule.outward,
        })
    }

    /// Whether the sending organisation has proven the domain of an address.
    pub fn proves(&self, host: &str) -> bool {
        match self {
            Crossing::Within => true,
            Crossing::Inward { domain } => domain_name::same(domain, host),
            Crossing::Outward { domains } => domains.iter().any(|domain| domain_name::same(domain, host)),
        }
    }
}

const fn rule(header: &'static str, treatments: [Treatment; 3], reason: &'static str) -> Rule {
    let [within, inward, outward] = treatments;
    Rule { header, within, inward, outward, reason }
}

/// Nobody's: removed wherever it turns up.
const NOWHERE: [Treatment; 3] = [Removed, Removed, Removed];
/// Not from outside.
const NOT_INWARD: [Treatment; 3] = [Passes, Removed, Passes];
/// Not to the outside.
const NOT_OUTWARD: [Treatment; 3] = [Passes, Passes, Removed];
/// Of a network's inside: neither in nor out.
const INSIDE_ONLY: [Treatment; 3] = [Passes, Removed, Removed];
/// Ways into a network.
const CONCEALED_OUTWARD: [Treatment; 3] = [Passes, Passes, Concealed];
/// What tells of the software inside.
const WITHHELD_OUTWARD: [Treatment; 3] = [Passes, Passes, Withheld];
const PROVEN_ACROSS: [Treatment; 3] = [Passes, IfProven, IfProven];

/// The table, in the order of the documentation.
pub const RULES: &[Rule] = &[
    rule(
        "P-Asserted-Identity",
        [Removed, IfProven, Removed],
        "an identity counts from whom it was proven (RFC 3325 section 5); a phone asserts nothing",
    ),
    rule("P-Preferred-Identity", NOWHERE, "what a phone prefers is for its own server (RFC 3325 section 9.2)"),
    rule("Remote-Party-ID", NOWHERE, "the draft before RFC 3325: phones show it as the caller, and nobody proves it"),
    rule(
        "Diversion",
        PROVEN_ACROSS,
        "who is said to have forwarded a call must be of the domain that says so (RFC 5806)",
    ),
    rule(
        "History-Info",
        PROVEN_ACROSS,
        "the same (RFC 7044); the way that a call took inside a third domain is nobody's to tell",
    ),
    rule("Via", CONCEALED_OUTWARD, "the servers and phones that a request has passed (RFC 3261 section 20.42)"),
    rule("Record-Route", CONCEALED_OUTWARD, "the servers that requests of a dialog pass (RFC 3261 section 20.30)"),
    rule(
        "Contact",
        CONCEALED_OUTWARD,
        "the address of a phone (RFC 3261 section 20.10); the targets of a redirection stay",
    ),
    rule("Warning", CONCEALED_OUTWARD, "who warns is named, and may say anything (RFC 3261 section 20.43)"),
    rule(
        "Reason",
        CONCEALED_OUTWARD,
        "why something ended, and may say anything besides (RFC 3326), such as that another phone took a call that its CANCEL takes back",
    ),
    rule("Server", WITHHELD_OUTWARD, "which software answers (RFC 3261 section 20.35)"),
    rule("User-Agent", WITHHELD_OUTWARD, "which software asks (RFC 3261 section 20.41)"),
    rule("Alert-Info", NOT_INWARD, "phones fetch what it names, and some answer by themselves (RFC 3261 section 20.4)"),
    rule(
        "Call-Info",
        NOT_INWARD,
        "phones fetch what it names, and some answer after so many seconds (RFC 3261 section 20.9)",
    ),
    rule(
        "Error-Info",
        [Passes, Removed, Withheld],
        "phones fetch or play what it names, which is on a server inside (RFC 3261 section 20.18)",
    ),
    rule("Answer-Mode", NOT_INWARD, "it makes a phone answer by itself: a stranger would listen in (RFC 5373)"),
    rule("Priv-Answer-Mode", NOT_INWARD, "the same, over what its user has set (RFC 5373)"),
    rule(
        "Resource-Priority",
        NOT_INWARD,
        "who may go before others is for each organisation to say (RFC 4412 section 11)",
    ),
    rule("P-Access-Network-Info", INSIDE_ONLY, "where a device is, for its own network (RFC 7315)"),
    rule("P-Asserted-Service", INSIDE_ONLY, "among servers that trust each other (RFC 6050)"),
    rule("P-Preferred-Service", INSIDE_ONLY, "for a device's own server (RFC 6050)"),
    rule("P-Associated-URI", INSIDE_ONLY, "a user's other addresses, for his device (RFC 7315)"),
    rule("P-Called-Party-ID", INSIDE_ONLY, "for a device, from its own server (RFC 7315)"),
    rule("P-Charging-Function-Addresses", INSIDE_ONLY, "among servers that trust each other (RFC 7315)"),
    rule("P-Charging-Vector", INSIDE_ONLY, "among servers that trust each other (RFC 7315)"),
    rule("P-Profile-Key", INSIDE_ONLY, "among servers that trust each other (RFC 5002)"),
    rule("P-Served-User", INSIDE_ONLY, "among servers that trust each other (RFC 5502)"),
    rule("P-User-Database", INSIDE_ONLY, "among servers that trust each other (RFC 4457)"),
    rule("P-Visited-Network-ID", INSIDE_ONLY, "among servers that trust each other (RFC 7315)"),
    rule(
        "Comity-Admitted",
        NOWHERE,
        "what an edge of Comity found out about a partner, for its home: the edge itself writes it",
    ),
    rule("Comity-Verdict", NOWHERE, "what a home says to its edge of users who do not exist: a home itself writes it"),
    rule("ms-edge-proxy-message-trust", INSIDE_ONLY, "Lync's edge says to its inside whom to believe: nobody else may"),
    rule(
        "ms-diagnostics",
        NOT_OUTWARD,
        "why a server refused, for those whom it trusts; a partner's is shown to our users, and by `comity why`",
    ),
    rule("ms-edge-route", INSIDE_ONLY, "Lync's inside says to its edge where to go"),
    rule("ms-split-domain-info", INSIDE_ONLY, "Lync's halves of one domain say so to each other"),
];

/// The rows about headers that we know by name.
static KNOWN: LazyLock<BTreeMap<HeaderName, &'static Rule>> = LazyLock::new(|| {
    RULES.iter().map(|rule| (name_of(rule), rule)).filter(|(name, _)| *name != HeaderName::Other).collect()
});

/// All others.
static EXTENSIONS: LazyLock<Vec<&'static Rule>> =
    LazyLock::new(|| RULES.iter().filter(|rule| name_of(rule) == HeaderName::Other).collect());

fn name_of(rule: &Rule) -> HeaderName {
    HeaderName::parse(rule.header.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INWARD: Crossing<'_> = Crossing::Inward { domain: "fabrikam.com" };

    #[test]
    fn each_header_is_in_the_table_once_and_as_the_registry_spells_it() {
        for (index, rule) in RULES.iter().enumerate() {
            let again = RULES[index + 1..].iter().find(|other| other.header.eq_ignore_ascii_case(rule.header));
            assert!(again.is_none(), "{} twice", rule.header);
            let canonical = HeaderName::parse(rule.header.as_bytes()).canonical();
            assert!(canonical.is_none_or(|name| name == rule.header), "{} is written {canonical:?}", rule.header);
        }
    }

    #[test]
    fn a_name_is_found_in_any_case_and_by_what_it_is() {
        assert_eq!(INWARD.treatment(HeaderName::Other, b"remote-party-id"), Removed);
        assert_eq!(INWARD.treatment(HeaderName::AlertInfo, b"alert-info"), Removed);
        assert_eq!(INWARD.treatment(HeaderName::Subject, b"s"), Passes);
        assert_eq!(INWARD.treatment(HeaderName::Other, b"X-Anything"), Passes);
        assert_eq!(Crossing::Within.treatment(HeaderName::AlertInfo, b"Alert-Info"), Passes);
    }

    #[test]
    fn each_side_proves_its_own_domains_only() {
        let ours = ["contoso.com".to_owned(), "contoso.net".to_owned()];
        assert!(INWARD.proves("Fabrikam.com") && !INWARD.proves("contoso.com") && !INWARD.proves("sub.fabrikam.com"));
        let outward = Crossing::Outward { domains: &ours };
        assert!(outward.proves("contoso.net") && !outward.proves("10.0.0.7") && !outward.proves("fabrikam.com"));
    }
}
