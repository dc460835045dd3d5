//! A plan as Markdown that reads well unrendered, too: columns are aligned, names stand in backticks.

use std::fmt::Write;

use crate::{Certificate, Plan, Port, Record};

impl Plan {
    /// The whole document.
    pub fn markdown(&self) -> String {
        let mut text = format!("# Deployment plan for {}\n\n{}\n", self.domains.join(", "), self.introduction());
        if !self.warnings.is_empty() {
            text.push_str("\n## Warnings\n\n");
            text.push_str(&self.warning_list());
        }
        for certificate in &self.certificates {
            text.push_str("\n## Certificate\n\n");
            text.push_str(&certificate_section(certificate));
        }
        let (ports, dns) = (self.port_table(), self.dns_table());
        // An edge alone has none.
        let carries_sound = self.ports.iter().any(|port| port.last_port.is_some());
        let ports_note = if carries_sound { SOUND_NOTE } else { PORTS_NOTE };
        let _ = write!(text, "\n## Ports\n\n{ports_note}\n\n{ports}\n## DNS\n\n{DNS_NOTE}\n\n{dns}");
        text
    }

    /// One item each.
    pub fn warning_list(&self) -> String {
        bullets(&self.warnings)
    }

    /// The rules of the firewall alone.
    pub fn port_table(&self) -> String {
        let headings = ["Direction", "Address", "Protocol", "Port", "Source", "Destination", "Purpose", "Needed by"];
        table(headings, self.ports.iter().map(port_row))
    }

    /// The records to publish alone.
    pub fn dns_table(&self) -> String {
        table(["Zone", "Owner name", "Type", "Data", "Reason"], self.dns.iter().map(record_row))
    }

    fn introduction(&self) -> String {
        let federation = match (self.federation, self.discovery) {
            (false, _) => "It speaks with no other domain: federation is off.",
            (true, false) => "It federates with the partners that were added: discovery is off.",
            (true, true) => "It federates with every domain that is found by DNS and not blocked: discovery is on.",
        };
        let split = self.split.as_ref().map(|split| format!("{split} ")).unwrap_or_default();
        format!("One server, the edge {}. {split}{federation}", code(&self.edge))
    }
}

fn certificate_section(certificate: &Certificate) -> String {
    let Certificate { file, subject, names, purposes, key, used, notes } = certificate;
    let facts = [
        format!("File: {}", code(file)),
        format!("Subject: {}", code(subject)),
        format!("Purposes (extended key usage): {}", purposes.join(", ")),
        format!("Key: {key}"),
        format!("Shown on {}", used.join(", and on ")),
    ];
    let rows = names.iter().map(|name| {
        let value = code(&format!("{}:{}", name.kind.as_str(), name.value));
        [value, name.need.as_str().to_owned(), name.reason.clone()]
    });
    let names = table(["Subject alternative name", "Need", "Reason"], rows);
    format!("{}\n{names}\n{}", bullets(&facts), bullets(notes))
}

fn port_row(port: &Port) -> [String; 8] {
    let Port { direction, address, protocol, port, last_port, source, destination, purpose, needed_by } = port;
    [
        direction.as_str().to_owned(),
        address.clone(),
        (*protocol).to_owned(),
        last_port.map_or_else(|| port.to_string(), |last| format!("{port}-{last}")),
        source.clone(),
        placeholder(destination),
        purpose.clone(),
        needed_by.clone(),
    ]
}

fn record_row(record: &Record) -> [String; 5] {
    let Record { zone, owner, kind, data, reason } = record;
    [zone.clone(), code(owner), kind.as_str().to_owned(), code(data), reason.clone()]
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// Unquoted, a renderer would take angle brackets for a tag and show nothing.
fn placeholder(text: &str) -> String {
    if text.starts_with('<') { code(text) } else { text.to_owned() }
}

/// Broken into lines, since terminals break within words.
fn bullets(items: &[String]) -> String {
    let mut text = String::new();
    for item in items {
        let mut width = 0;
        for (number, word) in item.split(' ').enumerate() {
            let separator = match number {
                0 => "- ",
                _ if width + 1 + word.len() > LINE_WIDTH => "\n  ",
                _ => " ",
            };
            width = if separator.len() == 1 { width + 1 + word.len() } else { 2 + word.len() };
            text.push_str(separator);
            text.push_str(word);
        }
        text.push('\n');
    }
    text
}

/// No cell holds a bar or a line break: they are names, addresses and sentences of this crate.
fn table<const N: usize>(headings: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(headings.map(str::to_owned)).chain(rows).collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            widths.iter().for_each(|width| text.push_str(&format!("| {} ", "-".repeat(*width))));
            text.push_str("|\n");
        }
    }
    text
}

const LINE_WIDTH: usize = 110;

const PORTS_NOTE: &str = "\
What a firewall has to let through, and nothing else; answers come back on the same connection.";

const SOUND_NOTE: &str = "\
What a firewall has to let through, and nothing else; answers come back on the same connection. The sound of
meetings passes through this server; that of a call between two does not, unless a phone cannot be asked to move
it: the phones send it to each other.";

const DNS_NOTE: &str = "Names end with a dot, as in a zone file; many web forms want them without it.";
