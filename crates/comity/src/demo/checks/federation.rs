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
    report.check("route: whose side it is that there is no way", || {
        routed(contoso, "northwind.example", None, "ours")?;
        routed(contoso, "nobody.litware.example", None, "partner")?;
        routed(fabrikam, "litware.example", Some("edge-in-domain"), "ours")
    });
    report.check("partner reset: forgotten, and found again", || {
        let reset = contoso.comity_json(&["partner", "reset", "litware.example"])?;
        ensure!(reset["workers"].as_u64() > Some(0), "{reset}");
        ensure!(reset["forgotten"]["discovery"].as_u64() > Some(0), "{reset}");
        deliver(alice, carol)
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
    let fits = |link: &Value| link["state"] == "up" && link["rung"] == rung && link["host"] == edge;
    ensure!(links.iter().any(fits), "expected {rung} and {edge}, it shows {}", shown["links"]);
    Ok(())
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
