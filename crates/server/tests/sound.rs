//! Where sound is, of an edge and of a home: what cannot be, and what would do nothing, is told line by line.

use std::path::Path;

use server::config::{Config, Media, MediaAt};

const EDGE: &str = r#"domains = ["contoso.example"]
edge = "sip.contoso.example"
roles = ["edge"]
[certificate]
chain = "contoso.pem"
key = "contoso.key"
[listen]
tls = ["192.0.2.1:5061"]
[inside]
next_hop = "home.corp.example"
listen = ["10.0.0.1:5061"]
control = ["10.0.0.1:5062"]
"#;

/// Edge and home in one.
const ONE: &str = r#"domains = ["contoso.example"]
edge = "sip.contoso.example"
[certificate]
chain = "contoso.pem"
key = "contoso.key"
[listen]
tls = ["127.0.2.1:5061"]
"#;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("comity.toml"), text, &|_| Ok(())).map_err(|error| error.to_string())
}

fn at(text: &str, media: &str) -> Result<MediaAt, String> {
    parse(&format!("{text}[media]\n{media}\n")).map(|config| config.media.at)
}

/// The lines of the file named, without its name.
fn problems(text: &str) -> Vec<String> {
    let problems = parse(text).expect_err("this file has problems");
    problems.lines().map(|line| line.trim_start_matches("comity.toml").to_owned()).collect()
}

fn home() -> String {
    let home = EDGE.replace("[\"edge\"]", "[\"home\"]").replace("control = [\"10.0.0.1:5062\"]\n", "");
    home.replace("next_hop = \"home.corp.example\"", "edges = [\"edge.corp.example\"]")
}

#[test]
fn sound_is_here_unless_a_home_says_at_its_edges_and_an_edge_has_an_address_for_it() {
    let both =
        EDGE.split_once("[inside]").map(|(outer, _)| outer.replace("roles = [\"edge\"]\n", "")).unwrap_or_default();
    assert_eq!(at(&both, "").as_ref(), Ok(&MediaAt::Here));
    assert_eq!((at(&home(), ""), at(&home(), "at = \"here\"")), (Ok(MediaAt::Here), Ok(MediaAt::Here)));
    assert_eq!(at(&home(), "at = \"edges\""), Ok(MediaAt::Edges));
    assert_eq!(at(EDGE, ""), Ok(MediaAt::Nowhere));
    assert_eq!(at(EDGE, "address = \"192.0.2.1\"\nports = \"20000-20099\""), Ok(MediaAt::Here));
    let written = |media: &str| parse(&format!("{}[media]\n{media}\n", home())).map(|config| config.to_string());
    let text = written("at = \"edges\"").unwrap_or_default();
    assert!(text.contains("[media]\nat = \"edges\"\n"), "{text}");
}

#[test]
fn what_would_do_nothing_or_cannot_be_is_told() {
    let both = "control = [\"10.0.0.1:5062\"]\n";
    let told = [
        (home(), "at = \"edge\"", "comity.toml:13: [media] at: expected \"here\" or \"edges\", found \"edge\""),
        (
            home(),
            "at = \"edges\"\nports = \"20000-20099\"",
            "comity.toml:14: [media] ports: is of the server where sound is; set it at the edges, and leave it out here",
        ),
        (
            EDGE.to_owned(),
            "at = \"edges\"",
            "comity.toml:14: [media] at: is for a home; an edge takes its home's sound where [media] address is set",
        ),
        (
            EDGE.to_owned(),
            "threads = 1",
            "comity.toml:14: [media] threads: does nothing without [media] address; set that, too, or leave it out",
        ),
        (
            EDGE.replace(both, ""),
            "address = \"192.0.2.1\"",
            "comity.toml:13: [media] address: the home says by [inside] control what sound is wanted at this edge; set that, too, or leave the address out",
        ),
    ];
    for (text, media, expected) in told {
        assert_eq!(at(&text, media), Err(expected.to_owned()));
    }
    let both = "domains = [\"contoso.example\"]\nedge = \"sip.contoso.example\"\n[certificate]\nchain = \"c\"\nkey = \"k\"\n\
        [listen]\ntls = [\"192.0.2.1:5061\"]\n";
    assert_eq!(
        at(both, "at = \"edges\""),
        Err("comity.toml:9: [media] at: \"edges\" is for a home alone (roles = [\"home\"]): here edge and home are one server".to_owned())
    );
}

#[test]
fn sound_is_where_the_first_listener_of_each_family_is_unless_it_is_said() {
    let media = |rest: &str| parse(&format!("{ONE}{rest}")).unwrap().media;
    let at = |media: &Media| media.addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    let default = media("");
    assert_eq!((at(&default), default.ports.to_string()), (vec!["127.0.2.1".to_owned()], "20000-29999".into()));
    assert!((1..=2).contains(&default.threads));
    let said = media("[media]\naddress = \"2001:db8::7\"\nports = \"30000-30099\"\nthreads = 8\n");
    assert_eq!((at(&said), said.ports.pairs(), said.threads), (vec!["2001:db8::7".to_owned()], 50, 8));
    let both = media("[media]\naddress = [\"2001:db8::7\", \"192.0.2.7\"]\n");
    assert_eq!(at(&both), ["2001:db8::7", "192.0.2.7"]);
    assert!(both.to_string().contains("address = [\"2001:db8::7\", \"192.0.2.7\"]"), "{both}");
    let listening = |tls: &str| {
        let text = ONE.replace("\"127.0.2.1:5061\"", tls);
        assert_ne!(text, ONE);
        at(&parse(&text).unwrap().media)
    };
    assert_eq!(listening("\"0.0.0.0:5061\""), ["0.0.0.0"]);
    assert_eq!(listening("\"0.0.0.0:5061\", \"[::]:5061\""), ["0.0.0.0", "::"]);
    assert_eq!(
        listening("\"127.0.0.1:5061\", \"[2001:db8::7]:5061\", \"192.0.2.7:5061\""),
        ["192.0.2.7", "2001:db8::7"]
    );
    assert_eq!(listening("\"[::1]:5061\", \"127.0.0.1:5061\""), ["127.0.0.1", "::1"]);

    let wrong = "[media]\naddress = \"0.0.0.0\"\nports = \"30000\"\nthreads = 0\n";
    assert_eq!(
        problems(&format!("{ONE}{wrong}")),
        [
            ":9: [media] address: \"0.0.0.0\": phones cannot send to it; write an address that they reach",
            ":10: [media] ports: \"30000\" is no range of ports such as 20000-29999, of two or more and from 1024 up",
            ":11: [media] threads: expected a number from 1 to 64, found 0",
        ]
    );
    let problem = |address: &str| problems(&format!("{ONE}[media]\naddress = {address}\n")).join("\n");
    assert_eq!(problem("[]"), ":9: [media] address: the list is empty; leave it out to have the default");
    assert_eq!(
        problem("[\"192.0.2.1\", \"192.0.2.2\"]"),
        ":9: [media] address: \"192.0.2.2\": it is the second of its kind; there may be one of IPv4 and one of IPv6"
    );
    assert!(
        problem("7").starts_with(":9: [media] address: expected a text in quotes, or a list of them, found an integer")
    );
}
