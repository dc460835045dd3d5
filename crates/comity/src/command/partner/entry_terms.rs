//! The terms of an entry, one by one, in words.

use federation::modality::Modalities;
use federation::partner::{SourceMark, VerificationLevel};
use server::control::answers::PartnerAnswer;

use super::yes_or_no;

/// What each term was and is.
pub(super) fn print_changes(before: &PartnerAnswer, entry: &PartnerAnswer) {
    for ((name, was), (_, is)) in terms_of(before).into_iter().zip(terms_of(entry)) {
        if was != is {
            println!("  {name}: {is} (before: {was})");
        }
    }
}

pub(super) fn terms_of(entry: &PartnerAnswer) -> [(&'static str, String); 7] {
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    [
        ("kind", entry.kind.as_str().to_owned()),
        ("edge", or_dash(entry.edge.as_deref().unwrap_or_default())),
        ("comment", or_dash(&entry.comment)),
        ("monitored", yes_or_no(entry.monitored).to_owned()),
        ("verification", entry.verification.to_string()),
        ("modalities", entry.modalities.to_string()),
        ("mark source", entry.mark_source.to_string()),
    ]
}

/// What every new entry has.
pub(super) fn is_usual(term: &str, value: &str) -> bool {
    match term {
        "verification" => value == VerificationLevel::default().as_str(),
        "modalities" => value == Modalities::ALL.to_string(),
        "monitored" => value == "no",
        "mark source" => value == SourceMark::default().as_str(),
        _ => value == "-",
    }
}
