//! `comity status`

use std::process::ExitCode;

use server::acme_service::AcmeStatus;
use server::certificate::ServedCertificate;
use server::control::answers::{CallsAnswer, MessagesAnswer, MonitoredAnswer, StatusAnswer, WorkerAnswer};
use server::moment;

use super::{Global, edges};
use crate::client::Client;
use crate::configuration;
use crate::failure::Failure;
use crate::table::{Columns, count};

pub const EXAMPLES: &str = "\
Examples:
  comity status
  comity status --json | jq .registrations

Fails if no server is running.";

/// Shows the running server.
pub async fn run(global: &Global) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let mut client = Client::to_running_server(&config).await?;
    let status: StatusAnswer = client.get("/api/status").await?;
    global.print(&status, || print(&status))
}

fn print(status: &StatusAnswer) {
    println!("comity {}, up {}\n", status.version, moment::duration(status.uptime_secs));
    let listeners: Vec<_> =
        status.listeners.iter().map(|listener| format!("{} {}", listener.transport, listener.address)).collect();
    let federation = match (status.federation, status.discovery) {
        _ if status.told.as_ref().is_some_and(|told| told.revision.is_none()) => "waits for the home",
        (false, _) => "off",
        (true, false) => "on, with partners that have an entry",
        (true, true) => "on, with every domain that DNS finds and nobody blocked",
    };
    let [users, devices, partners] = [
        count(status.users, "user", "users"),
        count(status.registrations, "device", "devices"),
        count(status.partners, "entry", "entries"),
    ];
    let mut facts = Columns::plain();
    let mut fact = |name: &str, value: String| {
        facts.row([name.to_owned(), value]);
    };
    fact("health", if status.health.ready { "ready" } else { "not ready" }.to_owned());
    for why in &status.health.failing {
        fact("", why.clone());
    }
    fact("edge", status.edge.clone());
    fact("domains", status.domains.join(", "));
    fact("listening", listeners.join(", "));
    fact("federation", federation.to_owned());
    fact("partners", partners);
    fact("users", format!("{users}, {devices} registered"));
    fact("messages", messages(&status.messages));
    fact("calls", calls(&status.calls));
    for (number, ServedCertificate { report, since_unix, for_partner, .. }) in status.certificate.all().enumerate() {
        fact(if number == 0 { "certificate" } else { "also" }, report.names.join(", "));
        if let Some(partner) = for_partner {
            fact("", format!("for {partner} alone"));
        }
        fact("", format!("issued by {}, expires {}", report.issuer, moment::date(report.not_after_unix)));
        fact("", format!("served since {}", moment::date_and_time(*since_unix)));
    }
    if let Some(acme) = &status.certificate.acme {
        fact("ordered", format!("from {} by {}", acme.directory, acme.challenge));
        fact("", next_order(acme));
    }
    if let Some(told) = &status.told {
        edges::told(told).into_iter().for_each(|(name, value)| fact(name, value));
    }
    facts.print();
    println!();
    if let Some(answer) = &status.edges {
        edges::print(answer);
    }
    print_monitored(&status.monitored);
    print_workers(&status.workers);
    if let Some(trouble) = &status.unwritable {
        let since = moment::date_and_time(trouble.since_unix);
        println!("\nwarning: the database has not been writable since {since}: {}", trouble.why);
        println!(
            "next: make room on the disk of the data folder, or make it writable; until then messages for users who are"
        );
        println!("away and changes to users, partners and meetings are refused, and everything else goes on");
    }
    for warning in status.certificate.all().flat_map(|served| &served.report.warnings) {
        println!("\nwarning: {warning}");
    }
    if let Some(fault) = status.certificate.acme.as_ref().and_then(|acme| acme.last_error.as_ref()) {
        let at = moment::date_and_time(fault.at_unix);
        println!("\nwarning: no certificate was issued at {at}: {}\nnext: {}", fault.what, fault.next);
    }
    for why in status.certificate.all().filter_map(|served| served.refused.as_ref()) {
        println!("\nwarning: the certificate's files have changed, and what they hold now is not served: {why}");
    }
}

fn next_order(acme: &AcmeStatus) -> String {
    let what =
        if acme.is_self_made { "what is served vouches for itself; the next order is made" } else { "ordered again" };
    match acme.is_ordering {
        true => "an order is under way".to_owned(),
        false => format!("{what} at {}", moment::date_and_time(acme.next_unix)),
    }
}

fn calls(answer: &CallsAnswer) -> String {
    let under_way = count(answer.under_way, "call", "calls");
    let sessions = count(answer.messages, "session", "sessions");
    let in_meetings = count(answer.in_meetings, "phone", "phones");
    let ended = answer.ended_last_day;
    format!(
        "{under_way} and {sessions} of messages under way, {in_meetings} in meetings; {ended} ended in the last 24 hours"
    )
}

fn messages(answer: &MessagesAnswer) -> String {
    let stored = count(answer.stored, "waits", "wait");
    let oldest = answer.oldest_unix.map(|at| format!(", the oldest since {}", moment::date_and_time(at)));
    let repeats = match answer.repeats {
        0 => String::new(),
        repeats => format!("; {} that may have come twice", count(repeats, "was sent", "were sent")),
    };
    format!("{stored} for users who are away{}{repeats}", oldest.unwrap_or_default())
}

fn print_monitored(monitored: &[MonitoredAnswer]) {
    if monitored.is_empty() {
        return;
    }
    let mut table = Columns::new(&["MONITORED PARTNER", "CONNECTIONS", "TROUBLE", "CERTIFICATE ENDS"]);
    for MonitoredAnswer { domain, is_provider, connections, away, not_after_unix } in monitored {
        table.row([
            if *is_provider { format!("the provider {domain}") } else { domain.clone() },
            connections.to_string(),
            away.clone().unwrap_or_else(|| "-".to_owned()),
            not_after_unix.map_or_else(|| "-".to_owned(), moment::date),
        ]);
    }
    table.print();
    println!();
}

fn print_workers(workers: &[WorkerAnswer]) {
    let mut table = Columns::new(&[
        "WORKER",
        "FLOWS",
        "CLIENTS",
        "PARTNERS",
        "TRANSACTIONS",
        "WAITING",
        "DEVICES",
        "RECEIVED",
        "SENT",
    ]);
    for WorkerAnswer { worker, core, sockets } in workers {
        let of_core = |number: fn(&signaling::CoreStatus) -> usize| match core {
            Some(core) => number(core).to_string(),
            None => "no answer".to_owned(),
        };
        // Streams and datagrams are counted apart.
        let of_sockets = |names: [&str; 2]| match sockets {
            Some(counters) => names.iter().filter_map(|name| counters.get(*name)?.as_u64()).sum::<u64>().to_string(),
            None => "no answer".to_owned(),
        };
        table.row([
            worker.to_string(),
            of_core(|core| core.flows),
            of_core(|core| core.client_flows),
            of_core(|core| core.partner_flows),
            of_core(|core| core.server_transactions + core.client_transactions),
            of_core(|core| core.waiting),
            of_core(|core| core.bindings),
            of_sockets(["messages_received", "datagrams_received"]),
            of_sockets(["messages_sent", "datagrams_sent"]),
        ]);
    }
    table.print();
}
