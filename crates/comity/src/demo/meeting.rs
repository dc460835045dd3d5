//! Meetings that the demo schedules, with the command that an administrator would type.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use conference::schedule::Zone;

use super::World;
use super::organisation::Organisation;

/// Schedules a meeting of the organisation's first user and these people, that begins and opens after so long; answers its
/// address, `meet-7hqk2m4xw9ab@contoso.example`.
pub fn schedule(organisation: &Organisation, people: &[&str], after: Duration) -> anyhow::Result<String> {
    let organiser = organisation.accounts.first().context("an organisation without users")?;
    let begins = SystemTime::now().duration_since(UNIX_EPOCH)? + after;
    let at = Zone::utc().local(i64::try_from(begins.as_secs())?).to_string();
    let described = ["--organiser", &organiser.aor, "--subject", SUBJECT, "--at", &at, "--zone", "UTC", "--for", "24h"];
    let invited: Vec<&str> = people.iter().flat_map(|who| ["--invite", who]).collect();
    let create = [&["meeting", "create", "--opens-before", "0m"], &described[..], &invited].concat();
    let made = organisation.comity_json(&create)?;
    let uri = made["meeting"]["uri"].as_str().and_then(|uri| uri.strip_prefix("sip:"));
    uri.map(str::to_owned).with_context(|| format!("no address of the meeting: {made}"))
}

/// All users but the first of the first organisation, who organises.
pub fn everybody(world: &World) -> Vec<&str> {
    let accounts = world.organisations.iter().flat_map(|organisation| &organisation.accounts);
    accounts.skip(1).map(|account| account.aor.as_str()).collect()
}

const SUBJECT: &str = "Three organisations";
/// It is open already.
pub const ANY_TIME: Duration = Duration::ZERO;
