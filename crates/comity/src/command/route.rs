//! `comity route DOMAIN`

use std::process::ExitCode;

use clap::Args;
use server::control::answers::{
    AddressStep, Advice, CertificateAnswer, QueryStep, RouteAnswer, TargetStep, rung_sentence,
};
use server::{domain, moment};

use super::Global;
use crate::client::{Client, segment};
use crate::configuration;
use crate::failure::Failure;

pub const EXAMPLES: &str = "\
Examples:
  comity route fabrikam.example            each step of the way there, done now
  comity route fabrikam.example --json | jq .advice
  comity route fabrikam.example --user alice@contoso.example
  comity route contoso.example             our own domain: the way on which partners find us

Succeeds if a way holds. Nothing is sent to the partner but the greeting of TLS.";

#[derive(Debug, Args)]
pub struct RouteArguments {
    /// The partner's SIP domain, or one of our own: the part after the @
    #[arg(value_parser = domain::parse)]
    domain: String,
    /// As this user of ours sends, whose policy may have a route
    #[arg(long, value_name = "USER@DOMAIN")]
    user: Option<String>,
}

/// Walks the way to a domain and prints each step.
pub async fn run(global: &Global, arguments: &RouteArguments) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let mut client = Client::to_server_or_store(config).await?;
    let user = arguments.user.as_ref().map(|user| format!("?user={}", segment(user))).unwrap_or_default();
    let answer: RouteAnswer = client.get(&format!("/api/route/{}{user}", segment(&arguments.domain))).await?;
    global.print(&answer, || print(&answer))?;
    Ok(if answer.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(answer: &RouteAnswer) {
    println!("{}\n\n1. the partner list\n  {}", answer.domain, answer.meaning);
    if let Some(problem) = &answer.own_certificate_problem {
        println!("  our own certificate cannot be shown: {problem}");
    }
    for warning in &answer.own_certificate_warnings {
        println!("  warning: {warning}");
    }
    println!("\n2. the DNS");
    answer.queries.iter().for_each(print_query);
    match (answer.queries.is_empty(), &answer.led_by) {
        (true, Some(by)) => println!("  not asked: requests go to {by}"),
        (true, None) => println!("  not asked"),
        (false, Some(by)) => println!("  requests go to {by}"),
        (false, None) => {}
    }
    if answer.domain_exists == Some(false) {
        println!("  {}: there is no such domain", answer.domain);
    }
    println!("\n3. the servers, in the order in which they are tried");
    answer.targets.iter().for_each(print_target);
    if answer.targets.is_empty() {
        println!("  none");
    }
    if let Some(refusal) = &answer.refusal {
        println!("\nrefused: {} {}: {}", refusal.status, refusal.word, refusal.reason);
    }
    print_advice(&answer.advice);
}

fn print_query(query: &QueryStep) {
    match &query.failure {
        Some(failure) => println!("  {} (SRV): {failure} ({} ms)", query.name, query.took_ms),
        None => {
            let ttl = query.ttl_secs.unwrap_or_default();
            println!("  {} (SRV): answered in {} ms, good for {}", query.name, query.took_ms, moment::duration(ttl));
            for record in &query.records {
                let (priority, weight) = (record.priority, record.weight);
                println!("    {}:{}, priority {priority}, weight {weight}", record.host, record.port);
            }
        }
    }
}

fn print_target(target: &TargetStep) {
    println!("  {}:{}", target.host, target.port);
    match &target.failure {
        Some(failure) => println!("    no address: {failure} ({} ms)", target.lookup_ms),
        None => println!("    {} found in {} ms", addresses(target.addresses.len()), target.lookup_ms),
    }
    target.addresses.iter().for_each(print_address);
}

fn print_address(step: &AddressStep) {
    println!("    {}", step.address);
    let steps = [("TCP", step.tcp_ms), ("TLS", step.tls_ms)];
    for (name, took) in steps.iter().filter_map(|(name, took)| Some((name, (*took)?))) {
        println!("      {name}: connected in {took} ms");
    }
    if let Some(failure) = &step.failure {
        println!("      failed: {failure}");
    }
    if let Some(certificate) = &step.certificate {
        print_certificate(certificate, "      ");
    }
    match (&step.rung, &step.refusal) {
        (Some(rung), _) => println!("      proven: {}", rung_sentence(rung)),
        (None, Some(refusal)) => println!("      not proven: {}: {}", refusal.word, refusal.reason),
        (None, None) => {}
    }
    if let Some(how) = &step.hung_up {
        println!("      then it ended the connection by itself: {how}");
    }
}

/// A certificate, for whoever wants to know which one it was.
pub fn print_certificate(certificate: &CertificateAnswer, indent: &str) {
    let purposes = purposes_told(&certificate.purposes, certificate.purposes_stated);
    let chain = match (&certificate.anchor, &certificate.chain_failure) {
        (_, Some(failure)) => format!("not accepted: {failure}"),
        (anchor, None) => format!("accepted, ends at {}", anchor.as_deref().unwrap_or("an authority of ours")),
    };
    println!("{indent}certificate of {}", or_nothing(&certificate.subject));
    println!("{indent}  names {}", or_nothing(&certificate.names.join(", ")));
    println!("{indent}  issued by {}, serial {}", certificate.issuer, certificate.serial);
    println!("{indent}  expires {}, for {purposes}", moment::date(certificate.not_after_unix));
    println!("{indent}  chain {chain}");
    if let Some(revocation) = &certificate.revocation {
        println!("{indent}  revocation: {revocation}");
    }
}

/// What a certificate is for.
pub fn purposes_told(purposes: &[String], are_stated: bool) -> String {
    match (are_stated, purposes.is_empty()) {
        (false, _) => "any, since none is stated".to_owned(),
        (true, true) => "none that SIP knows".to_owned(),
        (true, false) => purposes.join(", "),
    }
}

/// The last lines of every explanation.
pub fn print_advice(advice: &Advice) {
    let Advice { verdict, next, side, sure } = advice;
    println!("\nverdict:    {verdict}\nhow sure:   {}", sure.as_str());
    println!("next:       {next}\nwhose side: {}", side.as_str());
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

fn addresses(count: usize) -> String {
    crate::table::count(count as u64, "address", "addresses")
}
