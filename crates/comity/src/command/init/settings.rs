//! The text of a new `comity.toml`: every key with what it means, those that were answered with their value.

use std::path::Path;

use server::config::{KEYS, Key, Need};

use super::answers::{Answers, CertificateChoice};
use super::files::Files;

pub fn text(files: &Files, answers: &Answers) -> String {
    let mut text = format!("# Comity for {}. {EXPLANATION}\n\n", answers.domains.join(", "));
    let mut section = "";
    for key in KEYS {
        if key.section != section {
            section = key.section;
            text.push_str(&format!("\n[{section}]\n"));
        }
        text.push_str(&entry(key, value(key, files, answers)));
    }
    text
}

fn entry(key: &Key, value: Option<String>) -> String {
    let Key { name, doc, example, need, .. } = key;
    match (value, need) {
        (Some(value), _) => format!("# {doc}\n{name} = {value}\n"),
        (None, Need::Default(default)) => format!("# {doc}; without it: {default}\n#{name} = {example}\n"),
        (None, Need::Unless(section)) => format!("# {doc}; not beside [{section}]\n#{name} = {example}\n"),
        (None, Need::Required) => format!("# {doc}\n{name} = {example}\n"),
    }
}

fn value(key: &Key, files: &Files, answers: &Answers) -> Option<String> {
    let is_ordered = answers.certificate == CertificateChoice::Ordered;
    match (key.section, key.name) {
        ("", "domains") => Some(format!("{:?}", answers.domains)),
        ("", "edge") => Some(format!("{:?}", answers.edge)),
        ("", "data") => files.data.as_ref().map(|data| format!("{:?}", data.display().to_string())),
        ("certificate", "chain") => (!is_ordered).then(|| file_name(&files.certificate)),
        ("certificate", "key") => (!is_ordered).then(|| file_name(&files.key)),
        ("certificate.acme", "directory") => is_ordered.then(|| format!("{:?}", answers.directory)),
        ("listen", "tls") => {
            let addresses: Vec<String> = answers.listen.iter().map(ToString::to_string).collect();
            Some(format!("{addresses:?}"))
        }
        ("federation", "discovery") => Some(answers.discovery.to_string()),
        _ => None,
    }
}

/// The files lie beside the configuration, which is where relative paths start.
fn file_name(path: &Path) -> String {
    format!("{:?}", path.file_name().unwrap_or_default().to_string_lossy())
}

const EXPLANATION: &str = "After a change: comity check, then start the server again.";
