//! `comity init`: a new server from a few answers, and what it says while there is no certificate yet.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::place::{Answer, Place};

const CONTOSO: [&str; 5] = ["init", "--domain", "contoso.example", "--directory", "new"];
const EDGE: &str = "new/sip.contoso.example";

/// A folder where `new/` is yet to come.
fn place() -> Place {
    Place::new("tls = [\"127.0.0.1:5061\"]")
}

fn init(place: &Place, more: &[&str]) -> Answer {
    place.run(&[&CONTOSO, more].concat())
}

fn written(place: &Place, ending: &str) -> PathBuf {
    place.path().join(format!("{EDGE}.{ending}"))
}

/// `comity check` where these authorities are the system's.
fn check(place: &Place, authorities: &str) -> serde_json::Value {
    let mut command = place.command(&["check", "--config", "new/comity.toml", "--json"]);
    let output = command.env("SSL_CERT_FILE", place.path().join(authorities)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_self_signed_start_passes_the_check_at_once() {
    let place = place();
    let listen = ["--listen", "127.0.0.3", "--listen", "127.0.0.3:5443"];
    init(&place, &[&listen[..], &["--discovery", "--self-signed", "--yes"]].concat()).ok();
    let checked = check(&place, "new/sip.contoso.example.pem");
    assert_eq!(checked["warnings"], serde_json::json!([]));
    let config = &checked["config"];
    assert_eq!(config["domains"], serde_json::json!(["contoso.example"]));
    assert_eq!(config["edge"], "sip.contoso.example");
    assert_eq!(config["listen"]["tls"], serde_json::json!(["127.0.0.3:5061", "127.0.0.3:5443"]));
    let federation = &config["federation"];
    assert_eq!((&federation["enabled"], &federation["discovery"]), (&true.into(), &true.into()));
    let names = serde_json::json!(["sip.contoso.example", "contoso.example", "sip:contoso.example"]);
    assert_eq!(checked["certificate"]["names"], names);
    assert_eq!(fs::metadata(written(&place, "key")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_to_publish_to_open_and_to_type_is_told() {
    let told = init(&place(), &["--domain", "fabrikam.example", "--yes"]).ok().stdout;
    for text in [
        "new/comity.toml: the configuration",
        "new/sip.contoso.example.key: the private key, readable by its owner only",
        "new/sip.contoso.example.csr: the certificate request",
        "new/sip.contoso.example.pem: a self-signed certificate",
        "- The edge sip.contoso.example does not stand exactly one label below fabrikam.example",
        "Publish in the DNS:\n\n| Zone ",
        "| A    | `<public address of sip.contoso.example>` |",
        "| `_sipfederationtls._tcp.fabrikam.example.` | SRV ",
        "Open in the firewall:\n\n| Direction ",
        "\n  comity check --config new/comity.toml ",
        "\n  comity user add NAME@contoso.example --config new/comity.toml ",
    ] {
        assert!(told.contains(text), "{text} is missing in:\n{told}");
    }
}

#[test]
fn the_configuration_explains_every_key() {
    let place = place();
    init(&place, &["--yes"]).ok();
    let text = fs::read_to_string(place.path().join("new/comity.toml")).unwrap();
    let keys = place.run(&["check", "--keys"]).ok().stdout;
    // A comment before a key says that it cannot stand beside others.
    let lines = keys.lines().map(|line| line.trim_start_matches("# "));
    let names: Vec<&str> = lines.filter_map(|line| line.split_once(" = ").map(|(name, _)| name)).collect();
    assert!(names.len() > 10, "{keys}");
    for name in names {
        let is_there = |line: &str| line.trim_start_matches('#').starts_with(&format!("{name} = "));
        assert!(text.lines().any(is_there), "{name} is missing in:\n{text}");
    }
}

#[test]
fn a_request_waits_for_its_answer_and_then_the_check_passes() {
    let place = place();
    init(&place, &["--domain", "fabrikam.example", "--listen", "127.0.0.3", "--request", "--yes"]).ok();
    assert!(!written(&place, "pem").exists());
    for command in ["check", "serve"] {
        place.run(&[command, "--config", "new/comity.toml"]).fails(&[
            "error: the certificate new/sip.contoso.example.pem is not there yet",
            "next: send new/sip.contoso.example.csr to a certificate authority and write its answer to \
             new/sip.contoso.example.pem, the server's own certificate first, then its intermediates",
        ]);
    }
    place.run(&["plan", "--config", "new/comity.toml"]).ok();

    let request = fs::read_to_string(written(&place, "csr")).unwrap();
    let mut request = rcgen::CertificateSigningRequestParams::from_pem(&request).unwrap();
    assert_eq!(request.params.extended_key_usages, [rcgen::ExtendedKeyUsagePurpose::ServerAuth]);
    let dns = |name: &str| rcgen::SanType::DnsName(name.try_into().unwrap());
    let names = ["sip.contoso.example", "contoso.example", "fabrikam.example"].map(dns);
    assert_eq!(request.params.subject_alt_names, names);
    request.params.not_after = rcgen::date_time_ymd(2096, 1, 1);
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(authority, rcgen::KeyPair::generate().unwrap()).unwrap();
    fs::write(written(&place, "pem"), request.signed_by(&authority).unwrap().pem()).unwrap();
    fs::write(place.path().join("ca.pem"), authority.pem()).unwrap();
    assert_eq!(check(&place, "ca.pem")["warnings"], serde_json::json!([]));
}

#[test]
fn a_missing_certificate_without_a_request_is_a_wrong_path() {
    let place = place();
    init(&place, &["--request", "--yes"]).ok();
    fs::remove_file(written(&place, "csr")).unwrap();
    let told = place.run(&["check", "--config", "new/comity.toml"]).stderr;
    assert!(told.contains("[certificate] chain: cannot read new/sip.contoso.example.pem"), "{told}");
}

#[test]
fn nothing_is_ever_overwritten() {
    let place = place();
    place
        .run(&["init", "--domain", "contoso.example", "--yes"])
        .fails(&["error: comity.toml exists already; nothing was written", HINT_EXISTING]);
    fs::create_dir(place.path().join("new")).unwrap();
    fs::write(written(&place, "key"), "mine").unwrap();
    fs::write(written(&place, "pem"), "mine").unwrap();
    init(&place, &["--request", "--yes"]).fails(&[
        "error: new/sip.contoso.example.key, new/sip.contoso.example.pem exist already; nothing was written",
        HINT_EXISTING,
    ]);
    assert_eq!(fs::read_dir(place.path().join("new")).unwrap().count(), 2);
    assert_eq!(fs::read_to_string(written(&place, "key")).unwrap(), "mine");
}

#[test]
fn without_a_terminal_what_is_missing_is_named() {
    let place = place();
    init(&place, &["--edge", "sip.contoso.example"]).fails(&[
        "error: --listen is missing, and there is no terminal to ask on",
        "next: give it, or take the default for whatever is not given: --yes",
    ]);
    place.run(&["init", "--directory", "new", "--yes"]).fails(&[
        "error: --domain is missing, and nothing can stand in for it",
        "next: name your SIP domain, such as: comity init --domain contoso.example --yes",
    ]);
    let all = ["--edge", "edge.contoso.example", "--listen", "192.0.2.1", "--discovery", "no", "--request"];
    let answer = init(&place, &[&all[..], &["--json"]].concat()).ok().json();
    assert_eq!(answer["certificate"], "new/edge.contoso.example.pem");
    assert_eq!(answer["certificate_is_self_signed"], false);
    assert_eq!(answer["plan"]["dns"][0]["data"], "192.0.2.1");
}

#[test]
fn what_is_mistyped_is_a_usage_error() {
    for more in [
        &["--edge", "*.contoso.example"][..],
        &["--listen", "contoso.example"],
        &["--discovery", "perhaps"],
        &["--self-signed", "--request"],
    ] {
        let answer = init(&place(), more);
        assert_eq!(answer.code, Some(2), "{more:?}: {}", answer.stderr);
    }
}

const HINT_EXISTING: &str = "next: move what is there away, or name another folder: --directory DIR";

#[test]
fn an_ordered_certificate_needs_the_configuration_alone() {
    let place = place();
    let told =
        init(&place, &["--acme", "https://acme.example/directory", "--listen", "192.0.2.1", "--yes"]).ok().stdout;
    assert!(!told.contains(".csr") && !told.contains(".key"), "{told}");
    for text in [
        "The server orders its certificate when it starts",
        "a proof for the authority that our names lead here",
        "| acme.example ",
    ] {
        assert!(told.contains(text), "{text} is missing in:\n{told}");
    }
    let written: Vec<_> =
        fs::read_dir(place.path().join("new")).unwrap().flatten().map(|file| file.file_name()).collect();
    assert_eq!(written, ["comity.toml"]);
    let checked = place.run(&["check", "--config", "new/comity.toml"]).ok().stdout;
    let ordered = "# ordered from https://acme.example/directory by http-01: sip.contoso.example, contoso.example";
    assert!(checked.contains(ordered) && checked.contains("# there is none yet"), "{checked}");
    let plan = place.run(&["plan", "--config", "new/comity.toml"]).ok().stdout;
    assert!(plan.contains("The server orders it itself, from https://acme.example/directory by http-01"), "{plan}");
}

#[test]
fn a_check_finds_a_folder_that_is_none_and_sound_at_the_port_of_phones() {
    let place = Place::new("tls = [\"127.0.0.1:5061\"]\nudp = [\"127.0.0.1:9\"]\n[media]\nports = \"1024-1100\"");
    place.certify(&["sip.contoso.example", "contoso.example"]);
    assert!(!place.run(&["check"]).ok().stdout.contains("the sound of a call"));
    let file = place.path().join("comity.toml");
    let text = fs::read_to_string(&file).unwrap().replace("127.0.0.1:9\"]\n[media]", "127.0.0.1:1090\"]\n[media]");
    fs::write(&file, &text).unwrap();
    let told = place.run(&["check"]).ok().stdout;
    assert!(told.contains("warning: [media] ports 1024-1100 has the port of [listen] udp 127.0.0.1:1090"), "{told}");
    fs::write(&file, format!("data = \"contoso.pem/data\"\n{text}")).unwrap();
    let told = place.run(&["check"]).stderr;
    assert!(told.contains("contoso.pem is no folder") && told.contains("next: name a folder under data"), "{told}");
}
