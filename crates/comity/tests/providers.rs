//! A hosting provider, as its administrator sees it: what is behind its edge, and what its terms let pass.

use std::net::Ipv4Addr;
use std::sync::Arc;

use certificates::ServedIdentity;
use serde_json::json;
use sip::{HeaderName, Message};

use crate::partner;
use crate::phone::Phone;
use crate::served::Served;

const ALICE: &str = "alice@contoso.example";
const HUB: Ipv4Addr = Ipv4Addr::new(127, 0, 91, 2);

/// A server for which `hub` takes whoever has no other way, and the hub's certificate.
fn with_hub() -> (Served, Arc<ServedIdentity>) {
    let served = Served::start();
    served.run(&["provider", "add", "hub", "--edge", "edge.hub.example", "--clearing-house", "yes"]).ok();
    Phone::add_user(&served, ALICE);
    let identity = partner::identity(served.place.path(), &served.authority, &["edge.hub.example"]);
    (served, identity)
}

/// A message of bob@`domain` to alice by way of the hub, and the connection.
fn message(served: &Served, hub: &Arc<ServedIdentity>, domain: &str) -> (Message, Phone) {
    let mut line = Phone::over("bob@litware.example", partner::connect(HUB, served.tls_port, Some(hub)));
    line.send_text(&format!(
        "MESSAGE sip:{ALICE} SIP/2.0\r\nVia: SIP/2.0/TLS edge.hub.example;branch=z9hG4bK{domain}\r\n\
         From: <sip:bob@{domain}>;tag=b\r\nTo: <sip:{ALICE}>\r\nCall-ID: of-{domain}\r\n\
         CSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    ));
    (line.final_response(), line)
}

#[test]
fn a_provider_is_shown_with_the_domains_behind_it_and_what_its_edge_has_shown() {
    let (served, hub) = with_hub();
    let shown = || served.run(&["provider", "show", "hub"]).ok().stdout;
    let before = shown();
    assert!(before.starts_with("hub\n  a domain whose SRV records lead to edge.hub.example is proven by"), "{before}");
    for line in ["clearing house: yes", "no domain was seen behind it lately", "no connections to it"] {
        assert!(before.contains(line), "{line} is missing in:\n{before}");
    }

    let (response, _line) = message(&served, &hub, "litware.example");
    assert_eq!(response.status(), Some(202));
    served.run(&["partner", "block", "tailspin.example"]).ok();
    let (response, _other_line) = message(&served, &hub, "tailspin.example");
    assert_eq!(response.status(), Some(403));
    let json = served.run(&["provider", "show", "hub", "--json"]).ok().json();
    let behind =
        json!([{ "domain": "litware.example", "entry": null, "tier": "allowed", "is_led": false, "is_proven": true }]);
    assert_eq!((&json["domains"], &json["domains_seen"]), (&behind, &json!(1)));
    assert_eq!(json["counts"]["admitted"], 1);
    assert_eq!(json["certificates"][0]["inbound"], true);
    // It has no entry: what is kept is about the provider's edge.
    assert_eq!((&json["seen"][0]["domain"], &json["seen"][0]["provider"]), (&json!("edge.hub.example"), &json!("hub")));
    assert_eq!(json["seen"][0]["serial"], json["certificates"][0]["certificate"]["serial"]);
    let after = shown();
    for line in [
        "litware.example  allowed  -      proven by the provider's certificate",
        "1 of theirs admitted",
        "certificates on connections that stand",
        "serverAuth",
        "certificates that it has shown so far",
        "it goes well with the domains behind hub",
    ] {
        assert!(after.contains(line), "{line} is missing in:\n{after}");
    }

    served.run(&["provider", "set", "hub", "--enabled", "no"]).ok();
    let disabled = shown();
    assert!(disabled.contains("disabled: it is as if it were not there"), "{disabled}");
    assert!(disabled.contains("comity provider set hub --enabled yes"), "{disabled}");
    served
        .run(&["provider", "show", "nobody"])
        .fails(&["error: there is no hosting provider \"nobody\"", "next: to see them: comity provider list"]);
}

#[test]
fn the_terms_of_a_provider_hold_for_the_domains_behind_it_and_are_told_everywhere() {
    let (served, hub) = with_hub();
    let set = ["provider", "set", "hub", "--modalities", "presence,audio", "--monitored", "yes"];
    let changed = served.run(&set).ok().stdout;
    assert!(changed.ends_with("with domains behind it may pass: presence, audio\n"), "{changed}");
    let (response, line) = message(&served, &hub, "litware.example");
    assert_eq!(response.status(), Some(403));
    let warning = response.header_text(HeaderName::Warning).unwrap().to_owned();
    assert!(warning.contains("modality-not-allowed") && !warning.contains("hub"), "{warning}");

    let dry = |from: &str, to: &str| served.run(&["why", "--from", from, "--to", to, "--dry-run"]).stdout;
    let inbound = dry("bob@litware.example", ALICE);
    for line in ["is behind the hosting provider hub", "it lets pass: presence, audio", "403 modality-not-allowed"] {
        assert!(inbound.contains(line), "{line} is missing in:\n{inbound}");
    }
    let outbound = dry(ALICE, "bob@litware.example");
    for line in
        ["litware.example is behind the hosting provider hub", "403 modality-not-allowed", "comity provider set"]
    {
        assert!(outbound.contains(line), "{line} is missing in:\n{outbound}");
    }
    let shown = served.run(&["partner", "show", "litware.example"]).ok().stdout;
    for line in ["its provider's modalities, which hold besides: presence, audio", "its provider is monitored"] {
        assert!(shown.contains(line), "{line} is missing in:\n{shown}");
    }
    let shown = served.run(&["provider", "show", "hub"]).ok().stdout;
    assert!(shown.contains("  modalities: presence, audio\n  monitored: yes\n"), "{shown}");
    let monitored = served.run(&["status", "--json"]).ok().json()["monitored"].clone();
    assert_eq!((&monitored[0]["domain"], &monitored[0]["is_provider"]), (&json!("hub"), &json!(true)));
    assert!(monitored[0]["not_after_unix"].is_i64(), "{monitored}");
    assert!(served.run(&["status"]).ok().stdout.contains("\nthe provider hub "), "the row of the provider");
    let metrics = served.run(&["metrics"]).ok().stdout;
    assert!(metrics.contains("comity_partner_certificate_not_after_timestamp_seconds{monitored=\"yes\"}"), "{metrics}");
    drop(line);

    let pin = "AB:".repeat(31) + "AB";
    served.run(&["provider", "set", "hub", "--pin", &pin]).ok();
    served.run(&["provider", "set", "hub", "--comment", "of the region"]).ok();
    let exported = served.run(&["partner", "export"]).ok().stdout;
    assert!(exported.contains("modalities = [\"presence\", \"audio\"]"), "{exported}");
    assert!(exported.contains("monitored = true"), "{exported}");
    assert!(exported.contains(&format!("pins = [\"{}\"]", "ab".repeat(32))), "{exported}");
    let file = served.place.path().join("partners.toml");
    std::fs::write(&file, exported.replace("monitored = true\n", "")).unwrap();
    let planned = served.run(&["partner", "import", file.to_str().unwrap()]).ok().stdout;
    let change = "change hosting provider hub: its edge edge.hub.example\n    monitored: no (before: yes)\n\n";
    assert!(planned.contains(change), "{planned}");
    let without: Vec<&str> = exported.lines().filter(|line| !line.starts_with("pins")).collect();
    std::fs::write(&file, without.join("\n")).unwrap();
    let planned = served.run(&["partner", "import", file.to_str().unwrap()]).ok().stdout;
    let taken_away = format!("    pinned certificates: - (before: {})\n", "ab".repeat(32));
    assert!(planned.contains(&taken_away), "{planned}");
    let shown = served.run(&["partner", "show", "litware.example"]).ok().stdout;
    assert!(shown.contains(&format!("its provider's pinned certificate {}", "ab".repeat(32))), "{shown}");
    let removed = served.run(&["provider", "set", "hub", "--no-pins"]).ok().stdout;
    assert!(removed.contains("before:\n  pinned certificate abab"), "{removed}");
    served.run(&["provider", "set", "hub", "--pin", "abc"]).fails(&[
        "error: \"abc\" is no fingerprint",
        "next: write the SHA-256 of the certificate as 64 hexadecimal digits, as `comity route DOMAIN` shows it",
    ]);
}
