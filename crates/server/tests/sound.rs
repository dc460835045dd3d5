//! Where sound is, of an edge and of a home: what cannot be, and what would do nothing, is told line by line.

use std::path::Path;

use server::config::{Config, MediaAt};

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

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("comity.toml"), text, &|_| Ok(())).map_err(|error| error.to_string())
}

fn at(text: &str, media: &str) -> Result<MediaAt, String> {
    parse(&format!("{text}[media]\n{media}\n")).map(|config| config.media.at)
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
