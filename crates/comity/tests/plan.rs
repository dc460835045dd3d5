//! `comity plan`: what the configuration asks of the DNS, the firewall and the certificate authority.

use crate::place::Place;

#[test]
fn the_plan_needs_neither_a_server_nor_a_certificate() {
    let place = Place::new("tls = [\"192.0.2.1:5061\"]");
    assert!(!place.path().join("contoso.pem").exists());
    let plan = place.run(&["plan"]).ok();
    assert_eq!(plan.stderr, "");
    assert!(plan.stdout.starts_with("# Deployment plan for contoso.example\n"), "{}", plan.stdout);
    for line in [
        "- File: `contoso.pem`",
        "| `DNS:sip.contoso.example` | required ",
        "| in        | 192.0.2.1 | TCP      | 5061        | any ",
        "| in        | 192.0.2.1 | UDP      | 20000-29999 | any ",
        "| contoso.example | `_sipfederationtls._tcp.contoso.example.` | SRV  | `0 0 5061 sip.contoso.example.` | partners ",
    ] {
        assert!(plan.stdout.contains(line), "{line} is missing in:\n{}", plan.stdout);
    }
}

#[test]
fn programs_read_the_same_plan_in_json() {
    let place = Place::new("tls = [\"0.0.0.0:5061\"]\nudp = [\"127.0.0.1:5060\"]");
    let plan = place.run(&["plan", "--json"]).ok().json();
    assert_eq!(plan["dns"][0]["type"], "A");
    assert_eq!(plan["dns"][0]["data"], "<public address of sip.contoso.example>");
    let ports: Vec<_> = plan["ports"].as_array().unwrap().iter().map(|row| row["protocol"].as_str().unwrap()).collect();
    // In by TLS, sound in and out, out to partners, and out to the name server 127.0.0.1:9; what phones say by UDP stays on
    // this machine.
    assert_eq!(ports, ["TCP", "UDP", "UDP", "TCP", "UDP", "TCP"]);
    assert_eq!((&plan["ports"][1]["port"], &plan["ports"][1]["last_port"]), (&20_000.into(), &29_999.into()));
    assert_eq!(plan["ports"][4]["port"], 9);
}

#[test]
fn a_plan_of_a_wrong_file_is_refused() {
    let place = Place::new("tls = [\"192.0.2.1\"]");
    let answer = place.run(&["plan"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.stderr.contains("comity.toml:9: [listen] tls: \"192.0.2.1\" has no port"), "{}", answer.stderr);
}

#[test]
fn several_edges_are_planned_as_a_pool_and_mixed_balancing_is_warned_of() {
    let inside = "[inside]\nnext_hop = \"home.corp.example:5071\"\nlisten = [\"10.0.0.1:5061\"]\ncontrol = [\"10.0.0.1:5062\"]\nname = \"edges.corp.example\"";
    let place = Place::new(&format!("tls = [\"192.0.2.1:5061\"]\n{inside}"));
    let file = place.path().join("comity.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("roles = [\"edge\"]\n{text}")).unwrap();
    let edges = ["plan", "--edges", "192.0.2.1,10.0.0.1", "192.0.2.2,10.0.0.2"];
    let plan = place.run(&edges).ok().stdout;
    for line in [
        "It is one of a pool of 2 edges, balanced by the DNS on the outer side and by the DNS on the inner side.",
        "| `sip.contoso.example.`                    | A    | `192.0.2.2` ",
        "| `edges.corp.example.`                     | A    | `10.0.0.2` ",
        "| in        | inner side | TCP      | 5062 ",
    ] {
        assert!(plan.contains(line), "{line} is missing in:\n{plan}");
    }
    let mixed = [&edges[..], &["--outer", "balancer", "--outer-vip", "192.0.2.100"]].concat();
    let plan = place.run(&mixed).ok().stdout;
    assert!(plan.contains("balanced in different"), "{plan}");
    let wrong = place.run(&["plan", "--edges", "192.0.2.1"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("such as 192.0.2.1,10.0.0.1"), "{}", wrong.stderr);
}
