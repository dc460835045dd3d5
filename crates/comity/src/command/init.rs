//! `comity init`: from a few answers to a configuration, a key and a certificate, and what others have to do.

mod answers;
mod files;
mod identity;
mod questions;
mod settings;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use plan::{Plan, Topology};
use serde::Serialize;
use server::config::Config;

use super::Global;
use crate::configuration::{is_the_systems, start_command};
use crate::failure::Failure;
use crate::owner::ServerUser;
use answers::{Answers, CertificateChoice};
use files::{File, Files};
use questions::{Asking, Terminal};

pub const EXAMPLES: &str = "\
Examples:
  comity init                                ask everything
  comity init --domain contoso.example --yes
  comity init --domain contoso.example --edge sip.contoso.example --listen 192.0.2.1 --request --yes
  comity init --domain contoso.example --acme --yes
  sudo comity init --directory /etc/comity   where the packaged server looks for it

Nothing that exists is overwritten. It ends with what to publish in the DNS and to open in the firewall.";

#[derive(Debug, Args)]
pub struct InitArguments {
    /// A SIP domain to serve: the part after the @ of your users' addresses; give it again for more
    #[arg(long = "domain", value_name = "DOMAIN", value_parser = server::domain::parse)]
    domains: Vec<String>,
    /// The name of this server in the DNS and its certificate [default: sip.DOMAIN]
    #[arg(long, value_name = "NAME", value_parser = server::domain::parse)]
    edge: Option<String>,
    /// An address to listen on by TLS, port 5061 unless given; give it again for more [default: 0.0.0.0:5061, and [::]:5061 where
    /// this machine reaches the internet by IPv6]
    #[arg(long, value_name = "ADDRESS", value_parser = answers::parse_address)]
    listen: Vec<std::net::SocketAddr>,
    /// Whether domains without a partner entry are found by DNS and allowed [default: no]
    #[arg(long, value_name = "YES|NO", value_parser = answers::parse_yes, num_args = 0..=1, default_missing_value = "yes")]
    discovery: Option<bool>,
    /// Make a self-signed certificate to start with, beside the request [default]
    #[arg(long, conflicts_with = "request")]
    self_signed: bool,
    /// Make a certificate request only; the server starts once an authority has answered it
    #[arg(long)]
    request: bool,
    /// Order the certificate from an authority that speaks ACME, by its directory [default: Let's Encrypt's]
    #[arg(long, value_name = "URL", value_parser = answers::parse_directory, num_args = 0..=1, conflicts_with_all = ["request", "self_signed"],
        default_missing_value = answers::DIRECTORY_DEFAULT)]
    acme: Option<String>,
    /// The folder to write to [default: that of --config, else this one]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Keep database and control socket there [default: data beside comity.toml; /var/lib/comity for /etc/comity]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Ask nothing; take the default for what is not given
    #[arg(long)]
    yes: bool,
}

/// What was written, for programs.
#[derive(Serialize)]
struct Written<'a> {
    config: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a Path>,
    /// Where it is, or belongs once the authority has answered.
    certificate: &'a Path,
    certificate_is_self_signed: bool,
    plan: Plan,
}

/// Writes everything, or nothing.
pub fn run(global: &Global, arguments: &InitArguments) -> Result<ExitCode, Failure> {
    let config_file = arguments.config_file(global.config_file());
    files::check_new(&[&config_file])?;
    let mut asking = Asking::new(arguments.yes, Terminal::standard());
    let answers = Answers::collect(arguments, &mut asking)?;
    let files = Files::new(config_file, &answers);
    files::check_new(&files.all())?;
    asking.confirm(&files.made(answers.certificate))?;

    let (text, plan) = settings_and_plan(&files, &answers)?;
    let is_ordered = answers.certificate == CertificateChoice::Ordered;
    let mut contents = Vec::new();
    if !is_ordered {
        let identity = identity::make(&plan, answers.certificate).map_err(Failure::told)?;
        contents.push(File::private(&files.key, identity.key, files.server_user.as_ref()));
        contents.push(File::public(&files.request, identity.request));
        contents.extend(identity.certificate.map(|certificate| File::public(&files.certificate, certificate)));
    }
    contents.push(File::public(&files.config, text));
    files::write(&contents)?;

    let written = Written {
        config: &files.config,
        key: (!is_ordered).then_some(&files.key),
        request: (!is_ordered).then_some(&files.request),
        certificate: if is_ordered { Path::new(&plan.certificates[0].file) } else { &files.certificate },
        certificate_is_self_signed: answers.certificate == CertificateChoice::SelfSigned,
        plan: plan.clone(),
    };
    global.print(&written, || print(&written, &answers, files.server_user.as_ref()))
}

impl InitArguments {
    fn config_file(&self, typed: Option<&Path>) -> PathBuf {
        match (&self.directory, typed) {
            (Some(directory), _) => directory.join(CONFIG_FILE),
            (None, Some(file)) => file.to_owned(),
            (None, None) => PathBuf::from(CONFIG_FILE),
        }
    }
}

/// The text of the configuration and what follows from it, read back the way the server will.
fn settings_and_plan(files: &Files, answers: &Answers) -> Result<(String, Plan), Failure> {
    let text = settings::text(files, answers);
    let config = Config::parse(&files.config, &text, &|_| io::Result::Ok(())).map_err(Failure::told)?;
    let plan = Plan::of(&Topology::from(&config));
    Ok((text, plan))
}

fn print(written: &Written<'_>, answers: &Answers, server_user: Option<&ServerUser>) {
    let Written { config, key, request, certificate, plan, .. } = written;
    println!("{}: the configuration, every key explained", config.display());
    if let (Some(key), Some(request)) = (key, request) {
        println!("{}: the private key, readable by {}", key.display(), readers(server_user));
        println!("{}: the certificate request, for a certificate authority", request.display());
    }
    if written.certificate_is_self_signed {
        println!("{}: a self-signed certificate, to start with", certificate.display());
    }
    if !plan.warnings.is_empty() {
        println!("\nWarnings:\n\n{}", plan.warning_list().trim_end());
    }
    println!("\nPublish in the DNS:\n\n{}\nOpen in the firewall:\n\n{}", plan.dns_table(), plan.port_table());
    let request = request.unwrap_or(certificate);
    match answers.certificate {
        CertificateChoice::Ordered => println!(
            "The server orders its certificate when it starts, and in time the next ones. By starting it you agree to the\n\
             authority's terms. Before, see [certificate.acme] in {}: which names, and how they are proven.\n",
            config.display()
        ),
        CertificateChoice::SelfSigned => println!(
            "Phones and partners do not trust a self-signed certificate by themselves. Send {} to a certificate\n\
             authority and put its answer in place of {}, its intermediates after it: a running server takes it up.\n",
            request.display(),
            certificate.display()
        ),
        CertificateChoice::Request => println!(
            "Send {} to a certificate authority and write its answer to {},\nthe server's own certificate first, \
             then its intermediates. The server starts when it is there.\n",
            request.display(),
            certificate.display()
        ),
    }
    println!("Next:\n{}", next_commands(config, &answers.domains));
}

fn readers(server_user: Option<&ServerUser>) -> String {
    match server_user {
        Some(user) => format!("root and the group {}, which the server runs as", user.group_name()),
        None => "its owner only".to_owned(),
    }
}

fn next_commands(config: &Path, domains: &[String]) -> String {
    let is_found = config == Path::new(CONFIG_FILE) || is_the_systems(config);
    let option = if is_found { String::new() } else { format!(" --config {}", config.display()) };
    let domain = domains.first().map_or("DOMAIN", String::as_str);
    let rows = [
        (format!("comity check{option}"), "is everything in place?"),
        (format!("comity plan{option}"), "all of the plan, to hand on"),
        (start_command(config), "run the server"),
        (format!("comity user add NAME@{domain}{option}"), "a first user, with a password"),
        (format!("comity partner add DOMAIN{option}"), "a first partner"),
    ];
    let width = rows.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let lines = rows.iter().map(|(command, purpose)| format!("  {command:width$}   {purpose}"));
    lines.collect::<Vec<_>>().join("\n")
}

const CONFIG_FILE: &str = "comity.toml";
