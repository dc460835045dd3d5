//! Domains that look like one that people here trust: ours, or an allowed partner's. Letters that look the same (Unicode
//! Technical Standard 39, `rn` and `m`, `0` and `o`), or one letter more, less, other or exchanged.
//!
//! What looks the same to a reader is never chance; a name one letter away may be somebody honest's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The domains that others may be taken for.
#[derive(Debug, Default)]
pub struct TrustedNames {
    names: Vec<Name>,
    places_by_skeleton: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Name {
    domain: String,
    labels: Vec<Vec<char>>,
}

/// What a domain is taken for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LookAlike {
    /// As it came: with `xn--` where it has other letters than the DNS.
    pub domain: String,
    pub of: String,
    pub likeness: Likeness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Likeness {
    /// It looks the same.
    Homograph,
    /// One letter is more, less, another or exchanged.
    Typo,
}

/// What is done about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LookAlikePolicy {
    /// All are let through, and shown to the administrator.
    Flag,
    /// Those that look the same are refused.
    #[default]
    RefuseHomographs,
    Refuse,
}

impl LookAlikePolicy {
    pub const ALL: [LookAlikePolicy; 3] =
        [LookAlikePolicy::Flag, LookAlikePolicy::RefuseHomographs, LookAlikePolicy::Refuse];

    pub fn as_str(self) -> &'static str {
        match self {
            LookAlikePolicy::Flag => "flag",
            LookAlikePolicy::RefuseHomographs => "refuse-homographs",
            LookAlikePolicy::Refuse => "refuse",
        }
    }

    pub fn parse(text: &str) -> Option<LookAlikePolicy> {
        LookAlikePolicy::ALL.into_iter().find(|policy| policy.as_str() == text)
    }

    pub fn refuses(self, likeness: Likeness) -> bool {
        match self {
            LookAlikePolicy::Flag => false,
            LookAlikePolicy::RefuseHomographs => likeness == Likeness::Homograph,
            LookAlikePolicy::Refuse => true,
        }
    }
}

impl std::fmt::Display for LookAlike {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let LookAlike { domain, of, likeness } = self;
        match likeness {
            Likeness::Homograph => write!(f, "{domain} looks the same as {of}"),
            Likeness::Typo => write!(f, "{domain} is one letter away from {of}"),
        }
    }
}

impl TrustedNames {
    pub fn new(domains: impl IntoIterator<Item = String>) -> TrustedNames {
        let mut trusted = TrustedNames::default();
        for domain in domains {
            let text = unicode(&domain);
            trusted.places_by_skeleton.insert(skeleton(&text), trusted.names.len());
            trusted.names.push(Name { labels: labels(&text), domain });
        }
        trusted
    }

    /// What a domain, which is none of these, is taken for.
    pub fn look_alike(&self, domain: &str) -> Option<LookAlike> {
        if self.names.iter().any(|name| name.domain == domain) {
            return None;
        }
        let text = unicode(domain);
        let found = |name: &Name, likeness| LookAlike { domain: domain.to_owned(), of: name.domain.clone(), likeness };
        if let Some(place) = self.places_by_skeleton.get(&skeleton(&text)) {
            return self.names.get(*place).map(|name| found(name, Likeness::Homograph));
        }
        let labels = labels(&text);
        let near = self.names.iter().find(|name| is_typo(&labels, &name.labels));
        near.map(|name| found(name, Likeness::Typo))
    }
}

/// As people are shown it.
fn unicode(domain: &str) -> String {
    idna::domain_to_unicode(domain).0
}

/// All that looks the same has the same.
fn skeleton(unicode: &str) -> String {
    // Both of what Unicode maps to a capital letter, such as 0, and what follows from that.
    let first: String = unicode_security::skeleton(unicode).flat_map(char::to_lowercase).collect();
    let second: String = unicode_security::skeleton(&first).flat_map(char::to_lowercase).collect();
    second.replace("vv", "w")
}

fn labels(unicode: &str) -> Vec<Vec<char>> {
    unicode.split('.').map(|label| label.chars().collect()).collect()
}

/// One label is one letter away, and there is one long enough for that to mean anything.
fn is_typo(domain: &[Vec<char>], trusted: &[Vec<char>]) -> bool {
    if domain.len() != trusted.len() {
        return false;
    }
    let mut other = domain.iter().zip(trusted).enumerate().filter(|(_, (one, other))| one != other);
    let (Some((place, (one, meant))), None) = (other.next(), other.next()) else { return false };
    let telling = match place + 1 == domain.len() {
        // `fabrikam.co` for `fabrikam.com`: the name before it is what people know.
        true => trusted.iter().rev().nth(1).map_or(0, Vec::len),
        false => meant.len().min(one.len()),
    };
    telling >= LABEL_CHARS_MIN && is_one_letter_away(one, meant)
}

/// One letter more, less or other, or two neighbours exchanged.
fn is_one_letter_away(one: &[char], other: &[char]) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let same = short.iter().zip(long).take_while(|(left, right)| left == right).count();
    let (short, long) = (&short[same..], &long[same..]);
    match long.len() - short.len() {
        0 => match (short, long) {
            ([_, rest @ ..], [_, others @ ..]) if rest == others => true,
            ([a, b, rest @ ..], [c, d, others @ ..]) => a == d && b == c && rest == others,
            _ => false,
        },
        1 => short == &long[1..],
        _ => false,
    }
}

/// Shorter names are near each other by chance.
const LABEL_CHARS_MIN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted() -> TrustedNames {
        TrustedNames::new(["contoso.com", "fabrikam.example", "mail.tailspintoys.com", "ab.org"].map(str::to_owned))
    }

    fn seen(domain: &str) -> Option<(String, Likeness)> {
        trusted().look_alike(domain).map(|found| (found.of, found.likeness))
    }

    #[test]
    fn what_looks_the_same_is_a_homograph() {
        // The first has Cyrillic letters, the second a dotless i.
        for (domain, of) in [
            ("xn--nts-redcbp.com", "contoso.com"),
            ("xn--fabrkam-ufb.example", "fabrikam.example"),
            ("c0nt0s0.com", "contoso.com"),
            ("fabrikarn.example", "fabrikam.example"),
            ("mai1.tailspintoys.com", "mail.tailspintoys.com"),
            ("rnail.tai1spintoys.com", "mail.tailspintoys.com"),
        ] {
            assert_eq!(seen(domain), Some((of.to_owned(), Likeness::Homograph)), "{domain}");
        }
    }

    #[test]
    fn one_letter_more_less_other_or_exchanged_is_a_typo() {
        for domain in ["contosso.com", "contos.com", "contozo.com", "cnotoso.com", "contoso.co", "contoso.con"] {
            assert_eq!(seen(domain), Some(("contoso.com".to_owned(), Likeness::Typo)), "{domain}");
        }
        assert_eq!(seen("mail.tailspinetoys.com"), Some(("mail.tailspintoys.com".to_owned(), Likeness::Typo)));
    }

    #[test]
    fn itself_and_what_is_further_away_or_short_is_neither() {
        for domain in [
            "contoso.com",
            "contossso.com",
            "litware.com",
            "www.contoso.com",
            "contoso.org",
            "ac.org",
            "ab.orgs",
            "tail.tailspintoys.org",
            "com",
        ] {
            assert_eq!(seen(domain), None, "{domain}");
        }
    }

    #[test]
    fn the_policy_says_which_are_refused() {
        let refused = |policy: LookAlikePolicy| [Likeness::Homograph, Likeness::Typo].map(|one| policy.refuses(one));
        assert_eq!(LookAlikePolicy::ALL.map(refused), [[false, false], [true, false], [true, true]]);
        for policy in LookAlikePolicy::ALL {
            assert_eq!(LookAlikePolicy::parse(policy.as_str()), Some(policy));
        }
    }
}
