//! What an administrator is told about a configuration file, line by line.

use std::path::Path;

use server::config::{AcmeChallenge, Config, reference};

fn parse(text: &str) -> Result<Config, String> {
    let open = |path: &Path| match path.ends_with("absent.pem") {
        true => Err(std::io::ErrorKind::NotFound.into()),
        false => Ok(()),
    };
    Config::parse(Path::new("etc/comity.toml"), text, &open).map_err(|error| error.to_string())
}

fn problems(text: &str) -> Vec<String> {
    let error = parse(text).expect_err("this file has problems");
    error
        .lines()
        .map(|line| line.strip_prefix("etc/comity.toml").expect("every line names the file").to_owned())
        .collect()
}

const GOOD: &str = r#"domains = ["Contoso.Example."]
edge = "SIP.contoso.example"
workers = 3
[certificate]
chain = "contoso.pem"
key = "/etc/ssl/contoso.key"
[listen]
tls = ["127.0.2.1:5061"]
"#;

#[test]
fn a_file_becomes_a_config_with_names_canonical_and_paths_relative_to_it() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.domains, ["contoso.example"]);
    assert_eq!(config.edge, "sip.contoso.example");
    assert_eq!(config.data, Path::new("etc/data"));
    assert_eq!(config.workers, 3);
    assert_eq!(config.certificate.chain, Path::new("etc/contoso.pem"));
    assert_eq!(config.certificate.key, Path::new("/etc/ssl/contoso.key"));
    assert_eq!(config.certificate.roots, None);
    assert_eq!(config.listen.tls, ["127.0.2.1:5061".parse().unwrap()]);
    assert!(config.listen.tcp.is_empty() && config.listen.udp.is_empty() && config.dns.servers.is_empty());
    assert!(config.federation.enabled && !config.federation.discovery);
}

#[test]
fn a_partner_has_four_connections_unless_it_is_said() {
    let connections = |config: &Config| config.federation.connections_per_partner;
    assert_eq!(connections(&parse(GOOD).unwrap()), 4);
    let said = parse(&format!("{GOOD}[federation]\nconnections_per_partner = 2\n")).unwrap();
    assert_eq!(connections(&said), 2);
    let again = Config::parse(Path::new("comity.toml"), &said.to_string(), &|_| Ok(())).unwrap();
    assert_eq!(connections(&again), 2);
    let wrong = format!("{GOOD}[federation]\nconnections_per_partner = 0\n");
    let told = ":10: [federation] connections_per_partner: expected a number from 1 to 64, found 0";
    assert_eq!(problems(&wrong), [told]);
}

#[test]
fn further_certificates_are_files_with_a_key_beside_or_folders() {
    let with = |also: &str| GOOD.replace("[listen]", &format!("also = {also}\n[listen]"));
    let config = parse(&with(r#"["phone.pem", "/etc/letsencrypt/live/fabrikam.example"]"#)).unwrap();
    let files: Vec<_> = config.certificate.also.iter().map(|also| (also.chain(), also.key())).collect();
    let folder = Path::new("/etc/letsencrypt/live/fabrikam.example");
    let pairs = [
        (Path::new("etc/phone.pem").to_owned(), Path::new("etc/phone.key").to_owned()),
        (folder.join("fullchain.pem"), folder.join("privkey.pem")),
    ];
    assert_eq!(files, pairs);
    let again = Config::parse(Path::new("comity.toml"), &config.to_string(), &|_| Ok(())).unwrap();
    assert_eq!(again.certificate.also, config.certificate.also);
    assert_eq!(
        problems(&with(r#"["absent.pem"]"#)),
        [":7: [certificate] also: cannot read etc/absent.pem: entity not found"]
    );
}

#[test]
fn web_pages_of_the_domains_come_unless_others_are_named() {
    let config = |rest: &str| parse(&format!("{GOOD}{rest}")).unwrap();
    let origins = |config: &Config| config.origins.iter().map(ToString::to_string).collect::<Vec<_>>();
    let sockets = config("wss = [\"127.0.2.1:7443\"]\nws = [\"127.0.0.1:7080\", \"[::1]:7080\"]\n");
    let listeners: Vec<String> = sockets.listeners().map(|(kind, address)| format!("{kind} {address}")).collect();
    assert_eq!(listeners, ["TLS 127.0.2.1:5061", "WSS 127.0.2.1:7443", "WS 127.0.0.1:7080", "WS [::1]:7080"]);
    assert_eq!(origins(&sockets), ["https://contoso.example", "https://*.contoso.example"]);
    let named = config("[web]\norigins = [\"https://Phone.contoso.example:8443\", \"http://localhost:3000\"]\n");
    assert_eq!(origins(&named), ["https://phone.contoso.example:8443", "http://localhost:3000"]);
    for config in [sockets, named] {
        let again = Config::parse(Path::new("comity.toml"), &config.to_string(), &|_| Ok(())).unwrap();
        assert_eq!((again.listen, again.origins), (config.listen, config.origins));
    }
    let wrong = "wss = [\"127.0.2.1:5061\"]\nws = [\"127.0.2.1\"]\n[web]\norigins = [\"phone.contoso.example\"]\n";
    assert_eq!(
        problems(&format!("{GOOD}{wrong}")),
        [
            ":9: [listen] wss: 127.0.2.1:5061 is in tls already; give each its own port",
            ":10: [listen] ws: \"127.0.2.1\" has no port; write \"127.0.2.1:7080\"",
            ":12: [web] origins: expected an origin such as \"https://phone.contoso.example\" or \"https://*.contoso.example\", found \"phone.contoso.example\"",
        ]
    );
}

#[test]
fn the_effective_configuration_reads_back_as_itself() {
    let config = parse(GOOD).unwrap();
    let again = Config::parse(Path::new("comity.toml"), &config.to_string(), &|_| Ok(())).unwrap();
    assert_eq!(Config { file: config.file.clone(), ..again }, config);
}

#[test]
fn dnssec_is_off_until_it_is_wanted_and_begins_at_the_root_or_elsewhere() {
    let dns = |lines: &str| parse(&format!("{GOOD}[dns]\n{lines}")).unwrap().dns;
    assert!(!dns("").validates);
    let wanted = parse(&format!("{GOOD}[dns]\ndnssec = true\ntrust_anchor = \"root.key\"\n")).unwrap();
    assert!(wanted.dns.validates && wanted.dns.trust_anchor.as_ref().unwrap().ends_with("root.key"));
    let again = Config::parse(Path::new("comity.toml"), &wanted.to_string(), &|_| Ok(())).unwrap();
    assert_eq!(again.dns, wanted.dns);
}

#[test]
fn what_is_done_without_a_list_of_revoked_certificates_is_one_of_three() {
    let crl =
        |value: &str| parse(&format!("{GOOD}[federation]\ncrl = {value:?}\n")).map(|config| config.federation.crl);
    assert_eq!(parse(GOOD).unwrap().federation.crl.as_str(), "when-available");
    for policy in certificates::RevocationPolicy::ALL {
        assert_eq!(crl(policy.as_str()).unwrap(), policy);
    }
    let wrong = problems(&format!("{GOOD}[federation]\ncrl = \"always\"\n"));
    assert!(
        wrong[0]
            .ends_with("[federation] crl: expected \"when-available\" or \"required\" or \"off\", found \"always\""),
        "{wrong:?}"
    );
}

#[test]
fn the_types_of_bodies_that_pass_are_media_types() {
    let types = |list: &str| format!("{GOOD}[federation]\nbody_types = {list}\n");
    assert_eq!(parse(GOOD).unwrap().body_types.written(), ["*/*"]);
    let few = parse(&types("[\"Text/*\", \"application/sdp\"]")).unwrap();
    assert_eq!(few.body_types.written(), ["text/*", "application/sdp"]);
    assert_eq!(parse(&few.to_string()).unwrap().body_types, few.body_types);
    let wrong = problems(&types("[\"text\"]"));
    let expected = "[federation] body_types: \"text\" is no media type, such as \"text/plain\", \"text/*\" or \"*/*\"";
    assert!(wrong[0].ends_with(expected), "{wrong:?}");
}

#[test]
fn the_reference_is_itself_a_valid_file() {
    let config = parse(&reference()).unwrap();
    assert_eq!(config.workers, 4);
    assert_eq!(config.dns.servers, ["192.0.2.53:53".parse().unwrap()]);
}

#[test]
fn a_misspelt_key_names_the_nearest_one_and_is_not_called_missing_too() {
    let text = GOOD.replace("chain", "chian");
    assert_eq!(problems(&text), [":5: unknown key \"chian\" in [certificate]; did you mean \"chain\"?"]);
}

#[test]
fn a_key_far_from_all_others_lists_them() {
    let text = GOOD.replace("workers = 3", "colour = 3");
    assert_eq!(
        problems(&text),
        [
            ":3: unknown key \"colour\" at the top of the file; the keys there are: domains, edge, roles, data, workers, drain_secs_max"
        ]
    );
}

#[test]
fn a_key_in_the_wrong_section_is_told_where_it_belongs() {
    let text = format!("{GOOD}domains = [\"contoso.example\"]\nroots = \"ca.pem\"\n");
    assert_eq!(
        problems(&text),
        [
            ":9: unknown key \"domains\" in [listen]; it belongs at the top of the file, before the first [section]",
            ":10: unknown key \"roots\" in [listen]; it belongs in [certificate]",
        ]
    );
}

#[test]
fn a_misspelt_section_is_one_problem() {
    let text = GOOD.replace("[certificate]", "[certificat]");
    assert_eq!(problems(&text), [":4: unknown section [certificat]; did you mean [certificate]?"]);
}

#[test]
fn wrong_types_say_what_was_expected() {
    let text = GOOD
        .replace("[\"Contoso.Example.\"]", "\"contoso.example\"")
        .replace("workers = 3", "workers = \"three\"")
        .replace("[\"127.0.2.1:5061\"]", "[5061]")
        + "[federation]\nenabled = \"yes\"\n[calls]\nbetween = \"sometimes\"\n";
    assert_eq!(
        problems(&text),
        [
            ":1: domains: expected a list of texts in quotes, found a string; for example: domains = [\"contoso.example\"]",
            ":3: workers: expected a whole number, found a string; for example: workers = 4",
            ":8: [listen] tls: expected a list of texts in quotes, found an integer in the list; for example: tls = [\"192.0.2.1:5061\"]",
            ":10: [federation] enabled: expected true or false, found a string; for example: enabled = true",
            ":12: [calls] between: expected \"when-needed\" or \"always\" or \"never\", found \"sometimes\"",
        ]
    );
}

#[test]
fn an_empty_file_is_told_every_key_that_it_needs() {
    assert_eq!(
        problems(""),
        [
            ": missing key \"domains\" at the top of the file: the SIP domains served here: the part after the @ of your users' addresses; for example: domains = [\"contoso.example\"]",
            ": missing key \"edge\" at the top of the file: the name of this server as the DNS and its certificate have it; for example: edge = \"sip.contoso.example\"",
            ": missing key \"chain\" in [certificate]: the server's certificate and its intermediates (PEM, its own first); for example: chain = \"contoso.pem\"",
            ": missing key \"key\" in [certificate]: the private key of the certificate (PEM); for example: key = \"contoso.key\"",
            ": missing key \"tls\" in [listen]: the addresses where partners and phones connect by TLS; for example: tls = [\"192.0.2.1:5061\"]",
        ]
    );
}

#[test]
fn names_addresses_and_numbers_are_checked_all_at_once() {
    let text = r#"domains = ["contoso.example", "CONTOSO.example", "alice@contoso.example"]
edge = "192.0.2.1"
workers = 0
[certificate]
chain = "absent.pem"
key = "contoso.key"
[listen]
tls = ["127.0.2.1:5061", "127.0.2.1"]
tcp = [
  "sip.contoso.example:5060",
  "127.0.2.1:5061",
]
udp = ["127.0.2.1:0"]
metrics = ["127.0.2.1:5061", "9464"]
[dns]
servers = ["[::1]"]
"#;
    assert_eq!(
        problems(text),
        [
            ":1: domains: contoso.example is listed twice",
            ":1: domains: \"alice@contoso.example\" is no domain name: write the part after the @ alone: contoso.example",
            ":2: edge: \"192.0.2.1\" is no domain name: it is an IP address; write a name, such as fabrikam.example",
            ":3: workers: expected a number from 1 to 256, found 0",
            ":5: [certificate] chain: cannot read etc/absent.pem: entity not found",
            ":8: [listen] tls: \"127.0.2.1\" has no port; write \"127.0.2.1:5061\"",
            ":10: [listen] tcp: \"sip.contoso.example:5060\" is no address; expected an IP address and a port, such as \"192.0.2.1:5060\"",
            ":11: [listen] tcp: 127.0.2.1:5061 is in tls already; give each its own port",
            ":13: [listen] udp: \"127.0.2.1:0\" has port 0; write a real one",
            ":14: [listen] metrics: \"9464\" is no address; expected an IP address and a port, such as \"192.0.2.1:9464\"",
            ":14: [listen] metrics: 127.0.2.1:5061 is in tls already; give each its own port",
            ":16: [dns] servers: \"[::1]\" has no port; write \"[::1]:53\"",
        ]
    );
}

#[test]
fn empty_lists_are_refused() {
    let text = GOOD.replace("[\"Contoso.Example.\"]", "[]").replace("[\"127.0.2.1:5061\"]", "[]");
    assert_eq!(
        problems(&text),
        [
            ":1: domains: the list is empty; name at least one domain",
            ":8: [listen] tls: the list is empty; federation needs at least one TLS address",
        ]
    );
}

#[test]
fn what_is_no_toml_is_named_with_its_line() {
    let text = GOOD.replace("workers = 3", "workers = ");
    let problems = problems(&text);
    assert!(problems[0].starts_with(":3: this is not TOML: "), "{problems:?}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nonexistent/comity.toml")).unwrap_err().to_string();
    assert!(error.starts_with("/nonexistent/comity.toml: cannot be read: No such file"), "{error}");
}

#[test]
fn a_mail_server_reads_back_as_itself_and_gets_no_password_in_the_clear() {
    let mail = |lines: &str| parse(&format!("{GOOD}[mail]\n{lines}"));
    let login = "user = \"comity\"\npassword_file = \"mail.password\"\n";
    let smtp = "smtp = \"smtp://mail.contoso.example\"\n";
    for lines in [
        format!("{smtp}{login}from = \"Meetings <meetings@contoso.example>\"\nroots = \"ca.pem\""),
        format!("smtp = \"smtp://127.0.0.1:25\"\nstarttls = false\n{login}"),
        "smtp = \"smtps://[::1]:465\"".to_owned(),
    ] {
        let config = mail(&lines).unwrap();
        let again = Config::parse(Path::new("comity.toml"), &config.to_string(), &|_| Ok(())).unwrap();
        assert_eq!(again.mail, config.mail, "{config}");
        assert!(config.mail.is_some());
    }
    for (lines, expected) in [
        (format!("{smtp}starttls = false\n{login}"), "would go over the network in the clear"),
        (format!("{smtp}user = \"comity\""), "his password is missing"),
        ("user = \"comity\"".to_owned(), "there is no mail server"),
        ("smtp = \"mail.contoso.example\"".to_owned(), "expected smtp://HOST:PORT"),
        (format!("{smtp}from = \"Meetings\""), "expected an address"),
        (format!("{smtp}password_file = \"absent.pem\""), "cannot read etc/absent.pem"),
    ] {
        let error = mail(&lines).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

/// An edge before somebody else's server.
const EDGE_ONLY: &str = r#"domains = ["contoso.example"]
edge = "sip.contoso.example"
roles = ["edge"]
[certificate]
chain = "contoso.pem"
key = "contoso.key"
[listen]
tls = ["192.0.2.1:5061"]
[inside]
next_hop = "sip:pbx.corp.example:5070;transport=tcp"
listen = ["10.0.0.1:5060", "10.0.0.1:5060;transport=udp"]
peers = ["10.0.0.5"]
"#;

#[test]
fn an_edge_alone_knows_what_is_behind_it() {
    use federation::inside::Split;
    use sip::Transport;
    let config = parse(EDGE_ONLY).unwrap();
    let Split::Edge(inside) = config.organisation().split else { panic!("it is an edge") };
    assert_eq!((&*inside.name, inside.transport, inside.is_comity), ("sip.contoso.example", Transport::Tcp, false));
    assert_eq!((&*inside.hops[0].host, inside.hops[0].port), ("pbx.corp.example", Some(5070)));
    assert_eq!(inside.peer_names, ["pbx.corp.example"]);
    assert_eq!(inside.peer_addresses, ["10.0.0.5".parse::<std::net::IpAddr>().unwrap()]);
    let inner: Vec<_> = config.sides().filter(|(.., is_inner)| *is_inner).map(|(transport, ..)| transport).collect();
    assert_eq!(inner, [Transport::Tcp, Transport::Udp]);
    let home = EDGE_ONLY
        .replace("sip:pbx.corp.example:5070;transport=tcp", "home.corp.example")
        .replace("10.0.0.5", "x.example");
    let home = home.replace(":5060;transport=udp", ":5062");
    let Split::Edge(inside) = parse(&home).unwrap().organisation().split else { panic!("it is an edge") };
    assert_eq!((inside.transport, inside.is_comity, inside.hops[0].port), (Transport::Tls, true, None));
}

#[test]
fn where_a_home_tells_its_edge_is_for_a_comity_and_an_address_of_its_own() {
    let told = EDGE_ONLY.replace("sip:pbx.corp.example:5070;transport=tcp", "home.corp.example");
    let told = told.replace(", \"10.0.0.1:5060;transport=udp\"", "");
    let with = |text: &str| told.replace("peers = [\"10.0.0.5\"]", text);
    assert!(!parse(&with("")).unwrap().is_told());
    let config = parse(&with("control = [\"10.0.0.1:5062\"]")).unwrap();
    assert!(config.is_told());
    assert!(config.sockets().any(|(_, address)| address == "10.0.0.1:5062".parse().unwrap()));
    for (typed, problem) in [
        ("control = [\"10.0.0.1\"]", "control: \"10.0.0.1\" has no port; write \"10.0.0.1:5062\""),
        ("control = [\"10.0.0.1:5060\"]", "control: 10.0.0.1:5060 is listened on for SIP already"),
        ("control_port = 5062", "control_port: is not for roles = [\"edge\"]; leave it out"),
    ] {
        assert_eq!(problems(&with(typed)), [format!(":12: [inside] {problem}")]);
    }
    let foreign = EDGE_ONLY.replace("peers =", "control = [\"10.0.0.1:5062\"]\npeers =");
    assert_eq!(
        problems(&foreign),
        [
            ":12: [inside] control: only a home of Comity tells its edge anything, and the next hop is another kind of server; leave it out"
        ]
    );
    let home = told
        .replace("\"edge\"", "\"home\"")
        .replace("next_hop = \"home.corp.example\"", "edges = [\"edge.corp.example\"]");
    let home = |text: &str| home.replace("peers = [\"10.0.0.5\"]", text);
    assert_eq!(parse(&home("")).unwrap().inside.unwrap().control_port, 5062);
    assert_eq!(parse(&home("control_port = 6000")).unwrap().inside.unwrap().control_port, 6000);
    assert_eq!(
        problems(&home("control_port = 70000")),
        [":12: [inside] control_port: expected a number from 1 to 65535, found 70000"]
    );
}

#[test]
fn load_balancers_are_addresses_or_networks_before_a_listener_for_tls() {
    let tls = EDGE_ONLY.replace("5070;transport=tcp", "5070").replace(", \"10.0.0.1:5060;transport=udp\"", "");
    let tls = tls.replace("peers = [\"10.0.0.5\"]", "proxy_from = [\"10.0.0.250\"]");
    let outer = |text: &str| tls.replace("[inside]", &format!("proxy_from = {text}\n[inside]"));
    let config = parse(&outer("[\"192.0.2.250\", \"2001:db8::/64\"]")).unwrap();
    assert_eq!(config.listen.proxy_from.written(), ["192.0.2.250/32", "2001:db8::/64"]);
    assert_eq!(config.inside.unwrap().proxy_from.written(), ["10.0.0.250/32"]);
    assert_eq!(
        problems(&outer("[\"lb.example\", \"0.0.0.0/0\"]")),
        [
            ":9: [listen] proxy_from: \"lb.example\" is no address and no network; expected one such as \"10.0.0.5\" or \"10.0.0.0/24\"",
            ":9: [listen] proxy_from: \"0.0.0.0/0\" is everybody; name the addresses of your load balancers alone",
        ]
    );
    assert_eq!(
        problems(&EDGE_ONLY.replace("peers =", "proxy_from = [\"10.0.0.250\"]\npeers =")),
        [
            ":12: [inside] proxy_from: only connections by TLS come with a PROXY header, and nothing in [inside] listen is TLS; leave it out"
        ]
    );
}

#[test]
fn what_an_edge_or_a_home_cannot_have_is_told_with_what_to_do() {
    let with = |from: &str, to: &str| problems(&EDGE_ONLY.replace(from, to));
    assert_eq!(
        with("roles = [\"edge\"]\n", ""),
        [
            ":9: [inside] next_hop: is for an edge or a home alone; say which at the top of the file: roles = [\"edge\"]",
            ":10: [inside] listen: is for an edge or a home alone; say which at the top of the file: roles = [\"edge\"]",
            ":11: [inside] peers: is for an edge or a home alone; say which at the top of the file: roles = [\"edge\"]",
        ]
    );
    assert_eq!(
        with("[\"edge\"]", "[\"media\"]")[0],
        ":3: roles: there is no role \"media\"; the roles are \"edge\" and \"home\""
    );
    let [edges, next_hop] = [&with("[\"edge\"]", "[\"home\"]")[1], &with("[\"edge\"]", "[\"home\"]")[0]];
    assert_eq!(next_hop, ":10: [inside] next_hop: is not for roles = [\"home\"]; leave it out");
    assert!(edges.contains("peers: 10.0.0.5") || edges.contains("missing key \"edges\" in [inside]"), "{edges}");
    assert_eq!(
        with("peers = [\"10.0.0.5\"]\n", ""),
        [":10: [inside] next_hop: without TLS only its address says who it is; add it: peers = [\"10.0.0.5\"]"]
    );
    assert_eq!(
        with("[inside]\n", "tcp = [\"192.0.2.1:5060\"]\n[inside]\n"),
        [
            ":9: [listen] tcp: is for phones, and this edge lets none in; leave it out, or say remote_users = true under [inside]"
        ]
    );
    assert_eq!(
        with("10.0.0.1:5060\",", "192.0.2.1:5061\","),
        [":11: [inside] listen: 192.0.2.1:5061 is in [listen] already; the inner side has an address of its own"]
    );
    let tls = |text: &str| text.replace("5070;transport=tcp", "5070").replace(":5060;transport=udp", ":5062");
    assert_eq!(
        problems(&tls(EDGE_ONLY)),
        [
            ":12: [inside] peers: 10.0.0.5 is an address, and everything in [inside] listen is TLS, where a certificate has to name its owner; write a name"
        ]
    );
    assert_eq!(
        problems(
            &tls(EDGE_ONLY)
                .replace("sip:pbx.corp.example:5070", "sip:10.0.0.5")
                .replace("peers = [\"10.0.0.5\"]\n", "")
        ),
        [
            ":10: [inside] next_hop: \"10.0.0.5\" is an address, which no certificate names; write a name, or say ;transport=tcp"
        ]
    );
    assert_eq!(
        with("5060;transport=udp", "5060;transport=sctp"),
        [":11: [inside] listen: expected ;transport=tls, ;transport=tcp or ;transport=udp, found \"transport=sctp\""]
    );
}

const ORDERED: &str = r#"domains = ["contoso.example", "fabrikam.example"]
edge = "sip.contoso.example"
[listen]
tls = ["192.0.2.1:5061", "192.0.2.1:443"]
[certificate.acme]
directory = "https://acme.example/directory"
"#;

#[test]
fn an_ordered_certificate_is_ours_to_place_and_names_edge_and_domains() {
    let config = parse(ORDERED).unwrap();
    assert_eq!(config.certificate.chain, Path::new("etc/data/acme/live/fullchain.pem"));
    assert_eq!(config.certificate.key, Path::new("etc/data/acme/live/privkey.pem"));
    let acme = config.certificate.acme.clone().unwrap();
    assert_eq!(acme.names, ["sip.contoso.example", "contoso.example", "fabrikam.example"]);
    assert_eq!(acme.challenge, AcmeChallenge::Http01 { listen: vec!["192.0.2.1:80".parse().unwrap()] });
    // What is shown as the effective configuration means the same again.
    assert_eq!(parse(&config.to_string()).unwrap().certificate.acme, Some(acme));
}

#[test]
fn an_order_by_dns_has_a_server_and_a_key() {
    let by_dns = "challenge = \"dns-01\"\ndns_server = [\"192.0.2.53:53\"]\ntsig_name = \"Comity.contoso.example.\"\n\
        tsig_algorithm = \"hmac-sha512\"\ntsig_secret_file = \"tsig.secret\"\nrenew_before_days = 20\n";
    let config = parse(&format!("{ORDERED}{by_dns}")).unwrap();
    let acme = config.certificate.acme.clone().unwrap();
    assert_eq!(acme.renew_before_days, Some(20));
    assert_eq!(
        acme.challenge,
        AcmeChallenge::Dns01 {
            server: "192.0.2.53:53".parse().unwrap(),
            key: "comity.contoso.example".to_owned(),
            algorithm: "hmac-sha512",
            secret_file: "etc/tsig.secret".into(),
            wait_secs: 10,
        }
    );
}

#[test]
fn what_does_not_go_with_an_order_is_told() {
    let told = |more: &str| problems(&format!("{ORDERED}{more}"));
    assert_eq!(told("challenge = \"dns-01\"").len(), 3);
    assert_eq!(
        told("challenge = \"tls-alpn-01\"\nhttp = [\"192.0.2.1:80\"]"),
        [":8: [certificate.acme] http: is not for tls-alpn-01; leave it out"]
    );
    assert_eq!(
        told("challenge = \"http-02\""),
        [":7: [certificate.acme] challenge: expected \"http-01\", \"tls-alpn-01\" or \"dns-01\", found \"http-02\""]
    );
    let twice = ORDERED.replace("[listen]", "[certificate]\nchain = \"a.pem\"\n[listen]");
    assert_eq!(
        problems(&twice),
        [":4: [certificate] chain: [certificate.acme] gets certificate and key; leave it out"]
    );
    let plain = ORDERED.replace("https:", "http:");
    assert!(
        problems(&plain)[0].starts_with(":6: [certificate.acme] directory: expected an address that begins with https")
    );
    let nobody = ORDERED.replace("directory = ", "contact = [\"mailto:a@b\"]\n#");
    assert_eq!(problems(&nobody).len(), 2, "no authority, and no mail address");
}

#[test]
fn a_default_route_is_a_host_by_tls_and_takes_the_place_of_discovery() {
    let route = |line: &str| format!("{GOOD}[federation]\n{line}\n");
    let config = parse(&route("default_route = \"sip:Sbc.corp.example;transport=tls\"")).unwrap();
    assert_eq!(config.default_route.as_deref(), Some("sbc.corp.example:5061"));
    assert!(config.to_string().contains("default_route = \"sip:sbc.corp.example:5061;transport=tls\""));
    for (line, problem) in [
        ("default_route = \"sip:192.0.2.1\"", "its host has to be a DNS name"),
        ("default_route = \"sip:SIP.contoso.example\"", "that is this server itself"),
        ("default_route = \"sip:sbc.corp.example;transport=udp\"", "by TLS alone"),
        ("discovery = true\ndefault_route = \"sip:sbc.corp.example\"", "set discovery = false"),
    ] {
        let found = problems(&route(line));
        assert!(found.len() == 1 && found[0].contains(problem), "{found:?}");
    }
}
