//! What administrators decide about partners, and how it shows.

use anyhow::{Context, ensure};
use serde_json::Value;

use super::super::organisation::Organisation;
use super::messages::{deliver, refused};
use super::{Report, Scene};

pub fn check(report: &mut Report, scene: &mut Scene<'_>) {
    let Scene { world, alice, bob, carol, .. } = scene;
    let [contoso, fabrikam, litware] =
        ["contoso.example", "fabrikam.example", "litware.example"].map(|domain| world.organisation(domain));
    report.check("partner show: fabrikam is proven by its pinned edge", || proven_link(contoso, fabrikam, "edge-fqdn"));
    report.check("partner show: litware is proven by an edge in its domain", || {
        proven_link(contoso, litware, "edge-in-domain")
    });
    report.check("partner show: contoso is proven to fabrikam by the domain in its certificate", || {
        proven_link(fabrikam, contoso, "domain")
    });
    report.check("partner show: every admitted request of a partner is there", || {
        let decisions = decisions(litware, "contoso.example")?;
        let admitted = |decision: &Value| decision["outcome"]["Admitted"]["origin"]["Partner"].is_object();
        ensure!(decisions.iter().any(admitted), "no admitted request among {} decisions", decisions.len());
        Ok(())
    });
    report.check("route: each rung of the ladder is seen from outside a worker too", || {
        routed(contoso, "fabrikam.example", Some("edge-fqdn"), "nobody")?;
        routed(contoso, "litware.example", Some("edge-in-domain"), "nobody")?;
        routed(fabrikam, "contoso.example", Some("domain"), "nobody")
    });
    report.check("route: our own domain, as partners find it", || {
        routed(contoso, "contoso.example", Some("domain"), "nobody")?;
        routed(litware, "litware.example", Some("edge-in-domain"), "nobody")
    });
    report.check("route: whose side it is that there is no way", || {
        routed(contoso, "northwind.example", None, "ours")?;
        routed(contoso, "nobody.litware.example", None, "sender")?;
        routed(fabrikam, "litware.example", Some("edge-in-domain"), "ours")
    });
    report.check("partner reset: forgotten, and found again", || {
        let reset = contoso.comity_json(&["partner", "reset", "litware.example"])?;
        ensure!(reset["workers"].as_u64() > Some(0), "{reset}");
        ensure!(reset["forgotten"]["discovery"].as_u64() > Some(0), "{reset}");
        deliver(alice, carol)
    });
    report.check("why: a message that arrived, with the server and the rung, and what the partner answered", || {
        deliver(alice, bob)?;
        let told = why(contoso, &["--from", "alice@contoso.example", "--to", "bob@fabrikam.example"], "nobody")?;
        ensure!(told.contains("certificate names the edge of the partner entry"), "{told}");
        ensure!(told.contains("fabrikam.example answered the MESSAGE with 200"), "{told}");
        Ok(())
    });
    report.check("why: a message that the partner refused, and whose side that is on either side", || {
        refused(bob, "carol@litware.example", 403, "domain-not-allowed")?;
        why(fabrikam, &["--from", "fabrikam.example", "--to", "litware.example"], "ours")?;
        refused(alice, "nobody@fabrikam.example", 404, "user-unknown")?;
        let told = why(contoso, &["--from", "contoso.example", "--to", "fabrikam.example"], "sender")?;
        ensure!(told.contains("404 user-unknown"), "{told}");
        Ok(())
    });
    report.check("why --dry-run: what would happen, and nothing is sent", || {
        let try_it = |from: &str, to: &str, side: &str| why(contoso, &["--from", from, "--to", to, "--dry-run"], side);
        try_it("alice@contoso.example", "bob@fabrikam.example", "nobody")?;
        try_it("alice@contoso.example", "someone@northwind.example", "ours")?;
        try_it("carol@litware.example", "nobody@contoso.example", "sender")?;
        let told = try_it("carol@litware.example", "alice@contoso.example", "nobody")?;
        ensure!(told.contains("sip.litware.example (named by _sipfederationtls._tcp.litware.example"), "{told}");
        Ok(())
    });
    report.check("partner show: the way, the certificate, the counts and the last words", || {
        deliver(alice, bob)?;
        let shown = contoso.comity_json(&["partner", "show", "fabrikam.example"])?;
        let way = &shown["ways"][0];
        ensure!(way["target"] == fabrikam.edge() && way["rung"] == "edge-fqdn", "{shown}");
        let seen = shown["certificates"].as_array().context("no certificates")?;
        ensure!(seen.iter().any(|seen| seen["certificate"]["subject"] == "CN=edge.fabrikam.example"), "{shown}");
        ensure!(shown["counts"]["succeeded"].as_u64() > Some(0), "{shown}");
        ensure!(shown["advice"]["side"] == "nobody", "{shown}");
        Ok(())
    });
    report.check("a blocked domain is not written to", || {
        refused(alice, "someone@northwind.example", 403, "domain-blocked")
    });
    report.check("a partner that did not add us refuses: bob@fabrikam to carol@litware", || {
        refused(bob, "carol@litware.example", 403, "domain-not-allowed")
    });
    report.check("a block works at once, and so does its end", || {
        contoso.partner(&["block", "litware.example"])?;
        refused(carol, "alice@contoso.example", 403, "domain-blocked")?;
        refused(alice, "carol@litware.example", 403, "domain-blocked")?;
        contoso.partner(&["unblock", "litware.example"])?;
        deliver(carol, alice)?;
        deliver(alice, carol)
    });
    report.check("a partner entry with another edge works at once, and so does its correction", || {
        // A host whose certificate does not name it.
        contoso.partner(&["add", "fabrikam.example", "--edge", "sip.mallory.example"])?;
        let wrong = refused(alice, "bob@fabrikam.example", 502, "partner-certificate");
        contoso.partner(&["add", "fabrikam.example", "--edge", &fabrikam.edge()])?;
        wrong?;
        deliver(alice, bob)
    });
}

/// One of the connections to the partner is up, to its edge, and proven in that way.
fn proven_link(organisation: &Organisation, partner: &Organisation, rung: &str) -> anyhow::Result<()> {
    let shown = organisation.comity_json(&["partner", "show", partner.definition.domain])?;
    let (links, edge) = (shown["links"].as_array().context("no list of connections")?, partner.edge());
    // Of a connection that the partner has opened, the host is the address that it came from.
    let is_theirs = |host: &Value| host.as_str().is_some_and(|host| host.parse::<std::net::SocketAddr>().is_ok());
    let leads_there = |host: &Value| *host == edge || is_theirs(host);
    let fits = |link: &Value| link["state"] == "up" && link["rung"] == rung && leads_there(&link["host"]);
    ensure!(links.iter().any(fits), "expected {rung} and {edge}, it shows {}", shown["links"]);
    Ok(())
}

/// What `comity why` says, once it says whose side it is.
pub fn why(organisation: &Organisation, arguments: &[&str], side: &str) -> anyhow::Result<String> {
    let told = organisation.comity_json(&[&["why"], arguments].concat())?;
    ensure!(told["advice"]["side"] == side, "expected {side}, it says {told}");
    Ok(told.to_string())
}

/// What `comity route` says of a domain: how it is proven, and whose side it is.
fn routed(from: &Organisation, domain: &str, rung: Option<&str>, side: &str) -> anyhow::Result<()> {
    let walked = from.walk(domain)?;
    let fits = walked["way"]["rung"].as_str() == rung && walked["advice"]["side"] == side;
    ensure!(fits, "expected {rung:?} and {side}, it says {walked}");
    Ok(())
}

/// What `comity partner show` tells of the last requests from and to the domain, the newest first.
pub fn decisions(organisation: &Organisation, domain: &str) -> anyhow::Result<Vec<Value>> {
    let mut shown = organisation.comity_json(&["partner", "show", domain])?;
    match shown["decisions"].take() {
        Value::Array(decisions) => Ok(decisions),
        other => anyhow::bail!("no list of decisions: {other}"),
    }
}
