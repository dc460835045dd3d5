//! Partners without an entry, as `comity partner list`, `show` and `report` print them.

use std::process::ExitCode;

use federation::ledger::Volume;
use server::control::answers::DiscoveredAnswer;
use server::moment;

use super::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::table::Columns;

pub async fn fetch(client: &mut Client) -> Result<Vec<DiscoveredAnswer>, Failure> {
    client.get("/api/discovered").await
}

/// `comity partner report`
pub async fn report(global: &Global, client: &mut Client) -> Result<ExitCode, Failure> {
    let discovered = fetch(client).await?;
    global.print(&discovered, || {
        if discovered.is_empty() {
            return println!("nobody without an entry has been heard from since the server started");
        }
        let mut table =
            Columns::new(&["DOMAINS", "TIER", "HOUR", "PASSED", "TOO FAST", "USERS", "MISSING", "REFUSED", "VERDICT"]);
        for one in &discovered {
            for (hour, volume) in [("this", &one.this_hour), ("last", &one.last_hour), ("all", &one.total)] {
                table.row(row(one, hour, volume));
            }
        }
        table.print();
    })
}

/// Below the entries of the partner list.
pub fn print_list(discovered: &[DiscoveredAnswer]) {
    if discovered.is_empty() {
        return;
    }
    println!("\nwithout an entry, heard from since the server started");
    let mut table = Columns::new(&["DOMAINS", "TIER", "REQUESTS", "USERS", "LAST", "VERDICT"]);
    for one in discovered {
        table.row([
            domains(one),
            one.tier.as_str().to_owned(),
            one.total.passed.to_string(),
            one.users.to_string(),
            moment::date_and_time_of_ms(one.last_unix_ms),
            one.verdict.clone(),
        ]);
    }
    table.print();
}

/// What one domain did.
pub fn print_ledgers(ledgers: &[DiscoveredAnswer]) {
    for one in ledgers {
        let DiscoveredAnswer { issuer, serial, verdict, users, total, .. } = one;
        println!("\nwithout an entry, by its certificate {serial} of {issuer}");
        println!("  {}: {verdict}", one.tier.as_str());
        println!(
            "  heard from first {}, last {}",
            moment::date_and_time_of_ms(one.first_unix_ms),
            moment::date_and_time_of_ms(one.last_unix_ms)
        );
        println!(
            "  {} requests let through, {} too fast, {} for users who were too many, {} to people who had not answered; \
             {users} users addressed in seven days, {} times one who does not exist",
            total.passed, total.too_fast, total.users_refused, total.unanswered, total.missed
        );
        let (this, last) = (&one.this_hour, &one.last_hour);
        let rate = one.rate.map(|rate| format!("; it may send {rate} a second")).unwrap_or_default();
        println!(
            "  this hour: {} let through, {} too fast; last hour: {} let through, {} too fast{rate}",
            this.passed, this.too_fast, last.passed, last.too_fast
        );
    }
}

fn row(one: &DiscoveredAnswer, hour: &str, volume: &Volume) -> [String; 9] {
    let first = |text: String| if hour == "this" { text } else { String::new() };
    [
        first(domains(one)),
        first(one.tier.as_str().to_owned()),
        hour.to_owned(),
        volume.passed.to_string(),
        volume.too_fast.to_string(),
        volume.users.to_string(),
        volume.missed.to_string(),
        volume.users_refused.to_string(),
        first(one.verdict.clone()),
    ]
}

/// The first few: one certificate may name many.
fn domains(one: &DiscoveredAnswer) -> String {
    let at_edge = one.edge.as_ref().map(|edge| format!(" (at {edge})")).unwrap_or_default();
    let shown = one.domains.iter().take(DOMAINS_SHOWN).cloned().collect::<Vec<_>>().join(" ");
    match one.domains.len().saturating_sub(DOMAINS_SHOWN) {
        0 => shown + &at_edge,
        more => format!("{shown} and {more} more{at_edge}"),
    }
}

const DOMAINS_SHOWN: usize = 3;
