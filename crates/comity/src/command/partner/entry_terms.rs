//! The terms of an entry, one by one, in words.

use federation::modality::Modalities;
use federation::partner::{EntrySwitch, VerificationLevel};
use server::control::answers::{NewPartner, PartnerAnswer};

use super::yes_or_no;

/// Each term by its name.
pub(in crate::command) type TermsTold = Vec<(&'static str, String)>;

/// What each term was and is, of those that are another now; says whether there is any.
pub(super) fn print_changes(before: &PartnerAnswer, entry: &PartnerAnswer) -> bool {
    let [before, entry] = [before, entry].map(|answer| terms_of(&answer.clone().into()));
    let changes: Vec<_> = before.into_iter().zip(entry).filter(|((_, was), (_, is))| was != is).collect();
    for ((name, was), (_, is)) in &changes {
        println!("  {}", change(name, is, Some(was)));
    }
    !changes.is_empty()
}

/// A term that has become another.
pub(super) fn change(name: &str, is: &str, was: Option<&str>) -> String {
    was.map_or_else(|| format!("{name}: {is}"), |was| format!("{name}: {is} (before: {was})"))
}

pub(super) fn terms_of(entry: &NewPartner) -> TermsTold {
    vec![
        ("kind", entry.kind.as_str().to_owned()),
        ("edge", or_dash(entry.edge.as_deref().unwrap_or_default())),
        ("comment", or_dash(&entry.comment)),
        ("monitored", yes_or_no(entry.monitored).to_owned()),
        ("verification", entry.verification.to_string()),
        ("modalities", entry.modalities.to_string()),
        ("mark source", entry.mark_source.to_string()),
        ("hide topology", entry.hide_topology.to_string()),
    ]
}

pub(in crate::command) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// What every new entry has.
pub(super) fn is_usual(term: &str, value: &str) -> bool {
    match term {
        "verification" => value == VerificationLevel::default().as_str(),
        "modalities" => value == Modalities::ALL.to_string(),
        "monitored" => value == "no",
        "mark source" | "hide topology" => value == EntrySwitch::default().as_str(),
        _ => value == "-",
    }
}
