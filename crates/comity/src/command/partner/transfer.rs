//! Entries, providers and policies as one TOML file: export, and import by a plan that is shown first.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use server::control::answers::{
    Entered, EnteredGroup, EnteredPartner, EnteredTrust, GroupPolicy, Import, Imported, PartnerAnswer, PartnerWord,
    PolicyAnswer, ProviderAnswer,
};

use super::super::Global;
use super::imported::{Change, Importable};
use super::lync;
use crate::client::Client;
use crate::failure::Failure;
use crate::table::count;

/// All that is entered now.
async fn of_server(client: &mut Client) -> Result<Import, Failure> {
    let partners: Vec<PartnerAnswer> = client.get("/api/partners").await?;
    let providers: Vec<ProviderAnswer> = client.get("/api/providers").await?;
    let policies: Vec<PolicyAnswer> = client.get("/api/policies").await?;
    let trust: Vec<EnteredTrust> = client.get("/api/trust").await?;
    let groups: Vec<GroupPolicy> = client.get("/api/groups").await?;
    let group = |given: GroupPolicy| Some(EnteredGroup { name: given.group, policy: given.policy? });
    let partner = |answer: PartnerAnswer| EnteredPartner { domain: answer.domain.clone(), entry: answer.into() };
    let provider = |answer: ProviderAnswer| Entered { name: answer.provider.name.clone(), entry: answer.into() };
    let policy = |answer: PolicyAnswer| Entered { name: answer.policy.name.clone(), entry: answer.into() };
    Ok(Import {
        partner: partners.into_iter().map(partner).collect(),
        provider: providers.into_iter().map(provider).collect(),
        policy: policies.into_iter().map(policy).collect(),
        group: groups.into_iter().filter_map(group).collect(),
        trust,
    })
}

/// `partner export`
pub(super) async fn export(client: &mut Client, file: Option<&Path>) -> Result<ExitCode, Failure> {
    let transfer = of_server(client).await?;
    let text = toml::to_string(&transfer).map_err(Failure::told)?;
    match file.filter(|file| !is_standard(file)) {
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
    /// A file that partner export wrote, or with --lync, files of Lync; - is standard input
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

/// `partner import`
pub(super) async fn import(
    global: &Global,
    client: &mut Client,
    arguments: &ImportArguments,
) -> Result<ExitCode, Failure> {
    let now = of_server(client).await?;
    let mapped = read(arguments, &now)?;
    let plan = Plan::of(mapped.transfer, &now);
    let impossible = match plan.is_empty() {
        true => None,
        false => {
            let way = if arguments.apply { "/api/import" } else { "/api/import?dry_run=true" };
            client.post::<Imported>(way, &plan.changes).await.err()
        }
    };
    if let Some(failure) = impossible {
        if !arguments.apply {
            section("to do, if all of it could be done", &plan.lines());
        }
        return Err(failure);
    }
    let sentences: Vec<&str> = plan.told.iter().map(|change| change.sentence.as_str()).collect();
    let answer = json!({
        "applied": arguments.apply,
        "done": sentences,
        "changes": plan.told,
        "refused": plan.refused,
        "settings": mapped.settings,
        "rest": mapped.rest,
    });
    let code = global.print(&answer, || {
        let title = if arguments.apply { "done" } else { "to do" };
        section(title, &plan.lines());
        section("cannot be done", &plan.refused);
        section("to write into comity.toml by hand", &mapped.settings);
        section("has no place here", &mapped.rest);
        match (arguments.apply, plan.told.len() as u64) {
            (_, 0) if !plan.refused.is_empty() => println!("nothing of it can be done"),
            (_, 0) => println!("nothing is to be changed"),
            (true, changes) => println!("{} made", count(changes, "change", "changes")),
            (false, _) => println!("nothing is changed yet; to do it, add --apply"),
        }
    })?;
    Ok(if arguments.apply && !plan.refused.is_empty() { ExitCode::FAILURE } else { code })
}

fn section(title: &str, lines: &[String]) {
    if !lines.is_empty() {
        println!("{title}");
        lines.iter().for_each(|line| println!("  {line}"));
        println!();
    }
}

fn read(arguments: &ImportArguments, now: &Import) -> Result<lync::Mapped, Failure> {
    let mut all = lync::Mapped::default();
    let known = lync::Known::of(now);
    for file in &arguments.files {
        let named =
            |error: String| Failure::new(format!("{}: {error}", file.display()), "see: comity partner import --help");
        let bytes = bytes_of(file).map_err(|error| {
            let hint = "name a file that comity partner export wrote, or with --lync one that Lync printed";
            Failure::new(format!("cannot read {}: {error}", file.display()), hint)
        })?;
        let one = match arguments.lync {
            true => lync::read(&bytes, &known).map_err(named)?,
            false => {
                let text = String::from_utf8(bytes).map_err(|_| named("it is not UTF-8".to_owned()))?;
                let transfer: Import = toml::from_str(&text).map_err(|error| named(error.to_string()))?;
                // Where there is nothing to list, an empty one is exported.
                if transfer == Import::default() && !text.trim().is_empty() {
                    return Err(named("there is no entry in it; for what Lync printed, add --lync".to_owned()));
                }
                lync::Mapped { transfer, ..lync::Mapped::default() }
            }
        };
        all.transfer.partner.extend(one.transfer.partner);
        all.transfer.provider.extend(one.transfer.provider);
        all.transfer.policy.extend(one.transfer.policy);
        all.transfer.group.extend(one.transfer.group);
        all.transfer.trust.extend(one.transfer.trust);
        all.settings.extend(one.settings);
        all.rest.extend(one.rest);
    }
    Ok(all)
}

/// `-`, as usual: what is piped.
fn is_standard(file: &Path) -> bool {
    file == Path::new("-")
}

fn bytes_of(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match is_standard(file) {
        true => std::io::stdin().read_to_end(&mut bytes).map(|_| bytes),
        false => std::fs::read(file),
    }
}

/// What differs from what is there, each with its sentence. Nothing is ever removed, and no block is lifted.
#[derive(Default)]
struct Plan {
    changes: Import,
    told: Vec<Change>,
    /// What cannot be done, and why.
    refused: Vec<String>,
}

impl Plan {
    fn of(wanted: Import, now: &Import) -> Plan {
        let mut plan = Plan::default();
        let partners = plan.possible(canonical(wanted.partner), &now.partner);
        plan.changes.partner = plan.differing(partners, &now.partner);
        plan.changes.provider = plan.differing(canonical(wanted.provider), &now.provider);
        plan.changes.policy = plan.differing(wanted.policy, &now.policy);
        plan.changes.group = plan.differing(wanted.group, &now.group);
        // Of a domain of which nothing was said, nothing is taken away.
        let known: BTreeSet<&str> = now.trust.iter().map(|it| it.domain.as_str()).collect();
        let mut trust = canonical(wanted.trust);
        trust.retain(|it| !it.pins.is_empty() || !it.anchors.is_empty() || known.contains(it.domain.as_str()));
        plan.changes.trust = plan.differing(trust, &now.trust);
        plan
    }

    fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// Each change in a sentence, and below it what becomes of each term.
    fn lines(&self) -> Vec<String> {
        let of_change = |change: &Change| {
            let terms = change.terms.iter().map(|term| format!("  {}", term.told()));
            std::iter::once(change.sentence.clone()).chain(terms).collect::<Vec<_>>()
        };
        self.told.iter().flat_map(of_change).collect()
    }

    fn possible(&mut self, wanted: Vec<EnteredPartner>, now: &[EnteredPartner]) -> Vec<EnteredPartner> {
        let before: BTreeMap<_, _> = now.iter().map(|known| (known.domain.as_str(), known.entry.kind)).collect();
        let twice = differently_twice(&wanted);
        let mut blocked = BTreeSet::new();
        let mut possible = Vec::with_capacity(wanted.len());
        for partner in wanted {
            let domain = partner.domain.as_str();
            let why = match before.get(domain) {
                _ if partner.entry.kind == PartnerWord::Blocked && !blocked.insert(domain.to_owned()) => continue,
                _ if partner.entry.kind == PartnerWord::Blocked => None,
                _ if twice.contains(domain) => {
                    Some("it stands in the file twice, differently; a block counts".to_owned())
                }
                Some(PartnerWord::Blocked) => {
                    Some(format!("it is blocked here; lift that first: comity partner unblock {domain}"))
                }
                _ => None,
            };
            match why {
                Some(why) => self.refused.push(format!("{}: {why}", partner.what())),
                None => possible.push(partner),
            }
        }
        possible
    }

    /// Each name once. Of what stands there in two ways neither is done: nobody can say which is meant.
    fn once<T: Importable>(&mut self, wanted: Vec<T>) -> Vec<T> {
        let mut once = Vec::with_capacity(wanted.len());
        for mut group in by_name(wanted) {
            group.dedup();
            match <[T; 1]>::try_from(group) {
                Ok([one]) => once.push(one),
                Err(group) => {
                    let named = group.first().map(Importable::what).unwrap_or_default();
                    self.refused.push(format!("{named}: it stands in the files {} times, differently", group.len()));
                }
            }
        }
        once
    }

    fn differing<T: Importable>(&mut self, wanted: Vec<T>, now: &[T]) -> Vec<T> {
        let before: BTreeMap<_, _> = now.iter().map(|known| (known.name(), known)).collect();
        let differs = |wanted: &T| before.get(wanted.name()) != Some(&wanted);
        let differing: Vec<_> = self.once(wanted).into_iter().filter(differs).collect();
        self.told.extend(differing.iter().map(|entered| Change::of(entered, before.get(entered.name()).copied())));
        differing
    }
}

fn canonical<T: Importable>(wanted: Vec<T>) -> Vec<T> {
    wanted.into_iter().map(Importable::canonical).collect()
}

/// Those of one name together, in the order of the first of each.
fn by_name<T: Importable>(wanted: Vec<T>) -> Vec<Vec<T>> {
    let (mut places, mut groups) = (BTreeMap::new(), Vec::<Vec<T>>::new());
    for one in wanted {
        let place = *places.entry(one.name().to_owned()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

/// The domains that the file has under more than one kind.
fn differently_twice(wanted: &[EnteredPartner]) -> BTreeSet<String> {
    let mut kinds = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for EnteredPartner { domain, entry } in wanted {
        if kinds.insert(domain, entry.kind).is_some_and(|kind| kind != entry.kind) {
            twice.insert(domain.clone());
        }
    }
    twice
}

#[cfg(test)]
mod tests {
    use server::control::answers::NewPartner;

    use super::*;

    fn plan(wanted: &str, now: &str) -> Plan {
        let read = |text: &str| toml::from_str::<Import>(text).expect("it can be read");
        Plan::of(read(wanted), &read(now))
    }

    #[test]
    fn what_stands_there_twice_is_done_once_or_not_at_all() {
        let partner = |domain: &str, rest: &str| format!("[[partner]]\ndomain = \"{domain}\"\n{rest}\n");
        let allowed = "kind = \"allowed-domain\"";
        let same = [partner("a.example", allowed), partner("A.example.", allowed)].concat();
        let once = plan(&same, "");
        assert_eq!((once.changes.partner.len(), once.refused.len()), (1, 0), "{:?}", once.changes);
        let server = |edge: &str| partner("a.example", &format!("kind = \"allowed-server\"\nedge = \"{edge}\""));
        let differing = plan(&[server("one.example"), server("two.example")].concat(), "");
        assert!(differing.is_empty() && differing.changes.partner.is_empty());
        let told =
            "partner a.example: allowed server, its edge one.example: it stands in the files 2 times, differently";
        assert_eq!(differing.refused, [told]);
        let blocked = |comment: &str| partner("a.example", &format!("kind = \"blocked\"\ncomment = \"{comment}\""));
        let blocked = plan(&[blocked("first"), blocked("second")].concat(), "");
        assert_eq!(blocked.changes.partner[0].entry.comment, "first", "a block counts");
        assert_eq!((blocked.changes.partner.len(), blocked.refused.len()), (1, 0));
    }

    #[test]
    fn a_pin_in_capitals_with_colons_is_the_same_pin() {
        let trust = |domain: &str, pin: &str| format!("[[trust]]\ndomain = \"{domain}\"\npins = [\"{pin}\"]\n");
        let now = trust("a.example", &"ab".repeat(32));
        assert!(plan(&trust("A.Example", &["AB"; 32].join(":")), &now).is_empty());
        assert!(!plan(&trust("a.example", &"ac".repeat(32)), &now).is_empty());
        let nothing = plan("[[trust]]\ndomain = \"A.Example\"\n", &now);
        assert_eq!(nothing.changes.trust.len(), 1, "of a domain that is known, its pins are taken away");
    }

    #[test]
    fn a_file_reads_as_it_was_written_and_what_is_absent_is_usual() {
        let text = "[[partner]]\ndomain = \"fabrikam.example\"\nkind = \"allowed-domain\"\n\n\
                    [[policy]]\nname = \"sales\"\npartners = { only = [\"fabrikam.example\"] }\n";
        let transfer: Import = toml::from_str(text).expect("it can be read");
        let expected = NewPartner::of(PartnerWord::AllowedDomain, None, String::new());
        assert_eq!(transfer.partner[0].entry, expected);
        assert!(transfer.policy[0].entry.federation);
        let written = toml::to_string(&transfer).expect("it can be written");
        assert_eq!(toml::from_str::<Import>(&written).expect("it can be read"), transfer, "{written}");
        assert!(toml::from_str::<Import>("[[partners]]\n").is_err());
    }
}
