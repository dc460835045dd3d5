//! Hosting providers, and who of an organisation may speak to whom outside.

use federation::external_access::{PartnerScope, Policy};
use federation::modality::Modalities;
use federation::partner::{EntrySwitch, Partner, Provider, VerificationLevel};
use sip::Aor;

use super::form::{Form, Words};
use super::run::Run;
use crate::world::allowed;

pub static FORMS: &[Form] = &[
    Form { pattern: "DOMAIN also serves DOMAIN", act: also_serves },
    Form { pattern: "PHONE has a phone at DOMAIN", act: phone_at },
    Form { pattern: "DOMAIN has the provider WORD at HOST", act: |run, words| provider(run, words, false) },
    Form { pattern: "DOMAIN lets through TEXT with the provider WORD", act: provider_may },
    Form { pattern: "DOMAIN removes the provider WORD", act: remove_provider },
    Form { pattern: "DOMAIN has the clearing house WORD at HOST", act: clearing_house },
    Form { pattern: "DOMAIN has the default route HOST", act: default_route },
    Form { pattern: "DOMAIN sends USER by way of HOST", act: sends_by_way },
    Form {
        pattern: "DOMAIN shares its users with the provider WORD at HOST",
        act: |run, words| provider(run, words, true),
    },
    Form {
        pattern: "DOMAIN allows DOMAIN but vouches for nobody",
        act: |run, words| level(run, words, VerificationLevel::AlwaysUnverifiable),
    },
    Form {
        pattern: "DOMAIN allows DOMAIN by what it says of senders",
        act: |run, words| level(run, words, VerificationLevel::UseSourceVerification),
    },
    Form { pattern: "DOMAIN allows DOMAIN but does not tell it that its users are verified", act: unmarked },
    Form { pattern: "USER lets USER in", act: lets_in },
    Form { pattern: "USER may TEXT with all partners", act: may },
    Form { pattern: "USER may TEXT with DOMAIN alone", act: may_alone },
    Form { pattern: "USER may speak to nobody outside", act: may_not },
    Form { pattern: "USER may not sign in from outside", act: may_not_outside },
    Form { pattern: "everybody at DOMAIN may TEXT with all partners", act: everybody_may },
];

fn also_serves(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.serve(site, words.text(1));
    Ok(())
}

/// A user of a domain whose organisation is another.
fn phone_at(run: &mut Run, words: &Words) -> Result<(), String> {
    let (name, site) = (words.text(0), run.site(words.text(1))?);
    run.world.user(site, name.split('/').next().unwrap_or(name));
    let phone = run.world.phone(site, name, false);
    run.add_phone(name, phone);
    Ok(())
}

fn provider(run: &mut Run, words: &Words, shares: bool) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let provider =
        Provider { shared_address_space: shares, hosts_users: shares, ..Provider::new(words.text(1), words.text(2)) };
    run.world.add_provider(site, provider);
    Ok(())
}

fn provider_may(run: &mut Run, words: &Words) -> Result<(), String> {
    let (site, name) = (run.site(words.text(0))?, words.text(2));
    let modalities = words.text(1).parse().map_err(|error| format!("{error}"))?;
    run.world.change_provider(site, name, |provider| provider.modalities = modalities);
    Ok(())
}

fn remove_provider(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.remove_provider(site, words.text(1));
    Ok(())
}

fn clearing_house(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let provider = Provider { clearing_house: true, ..Provider::new(words.text(1), words.text(2)) };
    run.world.add_provider(site, provider);
    Ok(())
}

fn default_route(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.set_default_route(site, words.text(1));
    Ok(())
}

/// A policy of the user's own, at whichever of several organisations he is at home.
fn sends_by_way(run: &mut Run, words: &Words) -> Result<(), String> {
    let (site, user) = (run.site(words.text(0))?, aor(words.text(1))?);
    let policy = Policy { route: Some(words.text(2).to_owned()), ..Policy::new(words.text(1)) };
    run.world.change_access(site, |access| {
        access.give_to_user(user, policy.name.clone());
        access.put_policy(policy);
    });
    Ok(())
}

fn level(run: &mut Run, words: &Words, verification: VerificationLevel) -> Result<(), String> {
    enter(run, words, Partner { verification, ..allowed(words.text(1)) })
}

fn unmarked(run: &mut Run, words: &Words) -> Result<(), String> {
    enter(run, words, Partner { mark_source: EntrySwitch::Never, ..allowed(words.text(1)) })
}

/// In the place of the entry that there may be.
fn enter(run: &mut Run, words: &Words, entry: Partner) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let mut partners = run.world.partners(site).to_vec();
    partners.retain(|other| other.domain != entry.domain);
    partners.push(entry);
    run.world.replace_partners(site, partners);
    Ok(())
}

fn lets_in(run: &mut Run, words: &Words) -> Result<(), String> {
    let (site, user) = (run.site(words.text(0))?, aor(words.text(0))?);
    run.world.change_access(site, |access| access.let_reach(user, words.text(1)));
    Ok(())
}

fn may(run: &mut Run, words: &Words) -> Result<(), String> {
    let modalities = modalities(words)?;
    give(run, words, Policy { modalities, ..Policy::new(words.text(0)) })
}

fn may_alone(run: &mut Run, words: &Words) -> Result<(), String> {
    let partners = PartnerScope::Only(vec![words.text(2).to_owned()]);
    let modalities = modalities(words)?;
    give(run, words, Policy { partners, modalities, ..Policy::new(words.text(0)) })
}

fn may_not(run: &mut Run, words: &Words) -> Result<(), String> {
    give(run, words, Policy { federation: false, ..Policy::new(words.text(0)) })
}

fn may_not_outside(run: &mut Run, words: &Words) -> Result<(), String> {
    give(run, words, Policy { outside: false, ..Policy::new(words.text(0)) })
}

fn everybody_may(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let policy = Policy { modalities: modalities(words)?, ..Policy::new(federation::external_access::ORGANISATION) };
    run.world.change_access(site, |access| access.put_policy(policy));
    Ok(())
}

/// A policy of one user's own, with the user's name.
pub(super) fn give(run: &mut Run, words: &Words, policy: Policy) -> Result<(), String> {
    let (site, user) = (run.site(words.text(0))?, aor(words.text(0))?);
    run.world.change_access(site, |access| {
        access.give_to_user(user, policy.name.clone());
        access.put_policy(policy);
    });
    Ok(())
}

fn modalities(words: &Words) -> Result<Modalities, String> {
    words.text(1).parse().map_err(|error| format!("{error}"))
}

pub(super) fn aor(text: &str) -> Result<Aor, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}
