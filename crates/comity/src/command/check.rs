//! `comity check`

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use server::certificate::{self, CertificateReport};
use server::config::{self, Config};
use server::moment;

use super::Global;
use crate::client::Client;
use crate::configuration;
use crate::failure::Failure;

pub const EXAMPLES: &str = "\
Examples:
  comity check                             check ./comity.toml
  comity check --keys                      every key of the file, with its meaning and default
  comity check --json | jq .warnings";

#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Print every key of the configuration file with its meaning and default, and check nothing
    #[arg(long)]
    keys: bool,
}

#[derive(Serialize)]
struct Answer {
    config: Config,
    /// Absent where it is ordered and has not come yet.
    certificate: Option<CertificateReport>,
    also: Vec<CertificateReport>,
    /// Each with the partner that alone is shown it.
    for_partners: Vec<(String, CertificateReport)>,
    warnings: Vec<String>,
}

/// Succeeds if `comity serve` would start; warnings are about what partners and phones will find.
pub async fn run(global: &Global, arguments: &CheckArguments) -> Result<ExitCode, Failure> {
    if arguments.keys {
        print!("{}", config::reference());
        return Ok(ExitCode::SUCCESS);
    }
    let config = configuration::load(global.config_file())?;
    check_folder(&config.data)?;
    let roots = certificate::roots(&config).map_err(Failure::told)?;
    let certificate = match config.certificate.is_awaited() {
        true => None,
        false => Some(certificate::report(&certificate::load(&config).map_err(Failure::told)?.0, &roots, &config)),
    };
    let also = certificate::load_also(&config, &roots).map_err(Failure::told)?;
    let mut warnings = certificate.iter().flat_map(|report| report.warnings.clone()).collect::<Vec<_>>();
    warnings.extend(also.iter().flat_map(|report| report.warnings.clone()));
    let for_partners = certificate::load_for_partners(&config).map_err(Failure::told)?;
    warnings.extend(for_partners.iter().flat_map(|(_, report)| report.warnings.clone()));
    warnings.extend(certificate::open_keys(&config));
    warnings.extend(server::listen_warnings(&config));
    // A running server holds these addresses itself.
    if Client::to_server(&config).await?.is_none() {
        warnings.extend(server::taken_addresses(&config));
    }
    let answer = Answer { config, certificate, also, for_partners, warnings };
    global.print(&answer, || print(&answer))
}

/// The folder of the database, or, where it is not there yet, that in which it can be made. Which user may write there is not
/// asked: the server's need not be who checks.
fn check_folder(data: &Path) -> Result<(), Failure> {
    let Some(there) = data.ancestors().find(|folder| folder.exists()) else { return Ok(()) };
    if there.is_dir() {
        return Ok(());
    }
    let error = match there == data {
        true => format!("data = {}: that is no folder", data.display()),
        false => format!("data = {}: {} is no folder", data.display(), there.display()),
    };
    Err(Failure::new(error, "name a folder under data in comity.toml; the server makes it if it is not there"))
}

fn print(Answer { config, certificate, also, for_partners, warnings }: &Answer) {
    println!("ok: {} means\n\n{config}\n", config.file.display());
    for certificate in certificate.iter().chain(also) {
        println!("# certificate: names {}", certificate.names.join(", "));
        println!("# issued by {}, expires {}", certificate.issuer, moment::date(certificate.not_after_unix));
    }
    for (partner, certificate) in for_partners {
        println!("# for {partner} alone: names {}", certificate.names.join(", "));
        println!("# issued by {}, expires {}", certificate.issuer, moment::date(certificate.not_after_unix));
    }
    if let Some(acme) = &config.certificate.acme {
        println!("# ordered from {} by {}: {}", acme.directory, acme.challenge.as_str(), acme.names.join(", "));
        if certificate.is_none() {
            println!("# there is none yet: it is ordered when the server starts");
        }
    }
    for warning in warnings {
        println!("warning: {warning}");
    }
}
