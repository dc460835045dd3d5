//! `comity partner trust`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use server::control::answers::{NewTrust, TrustAnswer, TrustChanged};
use server::moment;

use super::super::Global;
use super::path;
use crate::client::Client;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub struct TrustChange {
    /// The SHA-256 of a certificate; only pinned ones prove the domain then. May be given again, as before a renewal
    #[arg(long = "pin", value_name = "FINGERPRINT")]
    pins: Vec<String>,
    /// Remove all pins
    #[arg(long, conflicts_with = "pins")]
    no_pins: bool,
    /// A PEM file with the domain's own authority, which vouches for this domain alone. May be given again
    #[arg(long = "anchor", value_name = "FILE")]
    anchors: Vec<PathBuf>,
    /// Remove all of its own authorities
    #[arg(long, conflicts_with = "anchors")]
    no_anchors: bool,
}

impl TrustChange {
    fn read(&self) -> Result<NewTrust, Failure> {
        let pins = (self.no_pins || !self.pins.is_empty()).then(|| self.pins.clone());
        let mut pem = String::new();
        for file in &self.anchors {
            let read = std::fs::read_to_string(file).map_err(|error| {
                Failure::new(format!("{} cannot be read: {error}", file.display()), "give a PEM file")
            })?;
            pem.push_str(&read);
            pem.push('\n');
        }
        let anchors = (self.no_anchors || !self.anchors.is_empty()).then_some(pem);
        Ok(NewTrust { pins, anchors })
    }
}

pub(super) async fn change(
    global: &Global,
    client: &mut Client,
    domain: &str,
    change: &TrustChange,
) -> Result<ExitCode, Failure> {
    let changed: TrustChanged = client.put(&format!("{}/trust", path(domain)), &change.read()?).await?;
    global.print(&changed, || {
        println!("{domain}");
        print(&changed.trust, "  ");
        if changed.trust == TrustAnswer::default() {
            println!("  nothing is pinned, and it has no authority of its own");
        }
        if changed.before != changed.trust && changed.before != TrustAnswer::default() {
            println!("before:");
            print(&changed.before, "  ");
        }
    })
}

pub(super) fn print(trust: &TrustAnswer, indent: &str) {
    for pin in &trust.pins {
        println!("{indent}pinned certificate {pin}");
    }
    for anchor in &trust.anchors {
        println!("{indent}its own authority {}, until {}", anchor.subject, moment::date(anchor.not_after_unix));
        println!("{indent}  fingerprint {}", anchor.fingerprint);
    }
}
