//! Entries, providers and policies as one TOML file: export, and import by a plan that is shown first.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use serde_json::json;
use server::control::answers::{
    NewPartner, NewPolicy, NewProvider, PartnerAnswer, PartnerWord, PolicyAnswer, ProviderAnswer,
};

use super::super::Global;
use super::lync;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::table::count;

/// The file.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Transfer {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) partner: Vec<EnteredPartner>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) provider: Vec<Entered<NewProvider>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) policy: Vec<Entered<NewPolicy>>,
}

/// A partner entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EnteredPartner {
    pub(super) domain: String,
    #[serde(flatten)]
    pub(super) entry: NewPartner,
}

/// Something under its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entered<T> {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) entry: T,
}

impl Transfer {
    /// All that is entered now.
    async fn of_server(client: &mut Client) -> Result<Transfer, Failure> {
        let partners: Vec<PartnerAnswer> = client.get("/api/partners").await?;
        let providers: Vec<ProviderAnswer> = client.get("/api/providers").await?;
        let policies: Vec<PolicyAnswer> = client.get("/api/policies").await?;
        let partner = |answer: PartnerAnswer| EnteredPartner { domain: answer.domain.clone(), entry: answer.into() };
        let provider = |ProviderAnswer { provider, .. }| {
            let federation::partner::Provider {
                name,
                edge,
                enabled,
                verification,
                shared_address_space,
                hosts_users,
                comment,
            } = provider;
            let entry = NewProvider { edge, enabled, verification, shared_address_space, hosts_users, comment };
            Entered { name, entry }
        };
        let policy = |PolicyAnswer { policy, .. }| {
            let federation::external_access::Policy { name, federation, partners, modalities } = policy;
            Entered { name, entry: NewPolicy { federation, partners, modalities } }
        };
        Ok(Transfer {
            partner: partners.into_iter().map(partner).collect(),
            provider: providers.into_iter().map(provider).collect(),
            policy: policies.into_iter().map(policy).collect(),
        })
    }
}

/// `partner export`
pub(super) async fn export(client: &mut Client, file: Option<&Path>) -> Result<ExitCode, Failure> {
    let transfer = Transfer::of_server(client).await?;
    let text = toml::to_string(&transfer).map_err(Failure::told)?;
    match file {
        None => print!("{text}"),
        Some(file) => {
            let named = |error| Failure::new(format!("cannot write {}: {error}", file.display()), "name another file");
            let mut created = std::fs::File::create_new(file).map_err(named)?;
            created.write_all(text.as_bytes()).and_then(|()| created.sync_all()).map_err(named)?;
            println!("written to {}", file.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is asked for by `partner import`.
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArguments {
    /// A file that partner export wrote, or with --lync, files of Lync
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The files are what Get-CsAllowedDomain, Get-CsBlockedDomain, Get-CsHostingProvider, Get-CsAccessEdgeConfiguration
    /// and Get-CsExternalAccessPolicy gave: by Format-List or Export-Clixml
    #[arg(long)]
    lync: bool,
    /// Do it; else only say what would be done
    #[arg(long)]
    apply: bool,
}

/// One thing to do, and what it is in words.
struct Step {
    sentence: String,
    /// `None`: it cannot be done, the sentence says why.
    put: Option<(String, serde_json::Value)>,
}

/// `partner import`
pub(super) async fn import(
    global: &Global,
    client: &mut Client,
    arguments: &ImportArguments,
) -> Result<ExitCode, Failure> {
    let mapped = read(arguments)?;
    let now = Transfer::of_server(client).await?;
    let steps = plan(&mapped.transfer, &now);
    let (doable, refused): (Vec<_>, Vec<_>) = steps.iter().partition(|step| step.put.is_some());
    let sentences = |steps: &[&Step]| steps.iter().map(|step| step.sentence.clone()).collect::<Vec<_>>();
    if arguments.apply {
        for (path, body) in doable.iter().filter_map(|step| step.put.as_ref()) {
            client.put::<serde_json::Value>(path, body).await?;
        }
    }
    let answer = json!({
        "applied": arguments.apply,
        "done": sentences(&doable),
        "refused": sentences(&refused),
        "settings": mapped.settings,
        "rest": mapped.rest,
    });
    let code = global.print(&answer, || {
        section(if arguments.apply { "done" } else { "to do" }, &sentences(&doable));
        section("cannot be done", &sentences(&refused));
        section("to write into comity.toml by hand", &mapped.settings);
        section("has no place here", &mapped.rest);
        match (arguments.apply, doable.len() as u64) {
            (_, 0) => println!("nothing is to be changed"),
            (true, changes) => println!("{} made", count(changes, "change", "changes")),
            (false, _) => println!("nothing is changed yet; to do it, add --apply"),
        }
    })?;
    Ok(if arguments.apply && !refused.is_empty() { ExitCode::FAILURE } else { code })
}

fn section(title: &str, lines: &[String]) {
    if !lines.is_empty() {
        println!("{title}");
        lines.iter().for_each(|line| println!("  {line}"));
        println!();
    }
}

fn read(arguments: &ImportArguments) -> Result<lync::Mapped, Failure> {
    let mut all = lync::Mapped::default();
    for file in &arguments.files {
        let named =
            |error: String| Failure::new(format!("{}: {error}", file.display()), "see: comity partner import --help");
        let bytes = std::fs::read(file).map_err(|error| named(error.to_string()))?;
        let one = match arguments.lync {
            true => lync::read(&bytes).map_err(named)?,
            false => {
                let text = String::from_utf8(bytes).map_err(|_| named("it is not UTF-8".to_owned()))?;
                let transfer = toml::from_str(&text).map_err(|error| named(error.to_string()))?;
                lync::Mapped { transfer, ..lync::Mapped::default() }
            }
        };
        all.transfer.partner.extend(one.transfer.partner);
        all.transfer.provider.extend(one.transfer.provider);
        all.transfer.policy.extend(one.transfer.policy);
        all.settings.extend(one.settings);
        all.rest.extend(one.rest);
    }
    Ok(all)
}

/// What differs from what is there. Nothing is ever removed, and no block is lifted.
fn plan(wanted: &Transfer, now: &Transfer) -> Vec<Step> {
    let mut steps = Vec::new();
    // A partner may name no edge of a provider: what the file says of providers comes after.
    for EnteredPartner { domain: name, entry } in &wanted.partner {
        let before = now.partner.iter().find(|known| known.domain == *name).map(|known| &known.entry);
        let blocked = before.is_some_and(|before| before.kind == PartnerWord::Blocked);
        let kind = entry.kind.as_str();
        let edge = entry.edge.as_deref().map(|edge| format!(", its edge {edge}")).unwrap_or_default();
        let what = format!("partner {name}: {kind}{edge}");
        let twice =
            wanted.partner.iter().filter(|other| other.domain == *name && other.entry.kind != entry.kind).count();
        if twice > 0 && entry.kind != PartnerWord::Blocked {
            let why = "it stands in the file twice, differently; a block counts";
            steps.push(Step { sentence: format!("{what}: {why}"), put: None });
        } else if blocked && entry.kind != PartnerWord::Blocked {
            let why = format!("it is blocked here; lift that first: comity partner unblock {name}");
            steps.push(Step { sentence: format!("{what}: {why}"), put: None });
        } else {
            steps.extend(step("/api/partners/", name, what, (before, entry)));
        }
    }
    for Entered { name, entry } in &wanted.provider {
        let before = now.provider.iter().find(|known| known.name == *name).map(|known| &known.entry);
        let what = format!("hosting provider {name}: its edge {}", entry.edge);
        steps.extend(step("/api/providers/", name, what, (before, entry)));
    }
    for Entered { name, entry } in &wanted.policy {
        let before = now.policy.iter().find(|known| known.name == *name).map(|known| &known.entry);
        let federation = if entry.federation { "federation" } else { "no federation" };
        steps.extend(step("/api/policies/", name, format!("policy {name}: {federation}"), (before, entry)));
    }
    steps
}

fn step<T: Serialize + PartialEq>(
    path: &str,
    name: &str,
    what: String,
    (before, entry): (Option<&T>, &T),
) -> Option<Step> {
    let verb = match before {
        Some(before) if before == entry => return None,
        Some(_) => "change",
        None => "add",
    };
    let body = serde_json::to_value(entry).ok()?;
    Some(Step { sentence: format!("{verb} {what}"), put: Some((format!("{path}{}", segment(name)), body)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_as_it_was_written_and_what_is_absent_is_usual() {
        let text = "[[partner]]\ndomain = \"fabrikam.example\"\nkind = \"allowed-domain\"\n\n\
                    [[policy]]\nname = \"sales\"\npartners = { only = [\"fabrikam.example\"] }\n";
        let transfer: Transfer = toml::from_str(text).expect("it can be read");
        let expected = NewPartner::of(PartnerWord::AllowedDomain, None, String::new());
        assert_eq!(transfer.partner[0].entry, expected);
        assert!(transfer.policy[0].entry.federation);
        let written = toml::to_string(&transfer).expect("it can be written");
        assert_eq!(toml::from_str::<Transfer>(&written).expect("it can be read"), transfer, "{written}");
        assert!(toml::from_str::<Transfer>("[[partners]]\n").is_err());
    }
}
