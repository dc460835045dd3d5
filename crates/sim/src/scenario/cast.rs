//! Who takes part: organisations, their partners and servers, users, phones and strangers.

use federation::partner::Partner;

use super::form::{Form, Words};
use super::run::Run;
use crate::identity::{Identity, certificate};
use crate::world::{allowed, blocked};

pub static FORMS: &[Form] = &[
    Form { pattern: "organisation DOMAIN", act: |run, words| organisation(run, words, false) },
    Form { pattern: "organisation DOMAIN in one server", act: in_one_server },
    Form { pattern: "organisation DOMAIN with discovery", act: |run, words| organisation(run, words, true) },
    Form { pattern: "DOMAIN allows DOMAIN", act: |run, words| partner(run, words, allowed(words.text(1))) },
    Form { pattern: "DOMAIN allows DOMAIN at HOST", act: allows_at },
    Form { pattern: "DOMAIN allows DOMAIN with TEXT", act: allows_with },
    Form { pattern: "DOMAIN allows all below DOMAIN", act: allows_below },
    Form { pattern: "DOMAIN blocks DOMAIN", act: |run, words| partner(run, words, blocked(words.text(1))) },
    Form { pattern: "DOMAIN removes DOMAIN", act: removes },
    Form { pattern: "DOMAIN has the server HOST at ADDRESS with priority COUNT", act: server },
    Form { pattern: "USER is a user", act: user },
    Form { pattern: "PHONE has a phone", act: |run, words| phone(run, words, false) },
    Form { pattern: "PHONE has a phone by UDP", act: |run, words| phone(run, words, true) },
    Form { pattern: "PHONE has a phone inside", act: |run, words| phone_inside(run, words, false) },
    Form { pattern: "PHONE has a phone inside by UDP", act: |run, words| phone_inside(run, words, true) },
    Form { pattern: "PHONE has a phone outside", act: |run, words| phone_outside(run, words, 1, false) },
    Form { pattern: "PHONE has a phone outside by UDP", act: |run, words| phone_outside(run, words, 1, true) },
    Form {
        pattern: "PHONE has a phone outside at edge COUNT",
        act: |run, words| phone_outside(run, words, words.number(1), false),
    },
    Form { pattern: "PHONE is a stranger at DOMAIN", act: stranger },
    Form { pattern: "PHONE is a stranger at DOMAIN with the certificate of HOST", act: certified_stranger },
    Form { pattern: "PHONE is a stranger at DOMAIN with a forged certificate of HOST", act: forger },
];

fn organisation(run: &mut Run, words: &Words, discovery: bool) -> Result<(), String> {
    run.add_site(words.text(0), discovery, run.setting.edges);
    Ok(())
}

/// Edge and home are not two in any setting: for what a home does not know of what its edges see.
fn in_one_server(run: &mut Run, words: &Words) -> Result<(), String> {
    run.add_site(words.text(0), false, 0);
    Ok(())
}

fn partner(run: &mut Run, words: &Words, partner: Partner) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let mut partners = run.world.partners(site).to_vec();
    partners.retain(|other| other.domain != partner.domain);
    partners.push(partner);
    run.world.replace_partners(site, partners);
    Ok(())
}

fn allows_at(run: &mut Run, words: &Words) -> Result<(), String> {
    partner(run, words, Partner::at(words.text(1), words.text(2)))
}

fn allows_with(run: &mut Run, words: &Words) -> Result<(), String> {
    let modalities = words.text(2).parse().map_err(|error| format!("{error}"))?;
    partner(run, words, Partner { modalities, ..allowed(words.text(1)) })
}

fn allows_below(run: &mut Run, words: &Words) -> Result<(), String> {
    partner(run, words, allowed(&format!("*.{}", words.text(1))))
}

fn removes(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let mut partners = run.world.partners(site).to_vec();
    partners.retain(|other| other.domain != words.text(1));
    run.world.replace_partners(site, partners);
    Ok(())
}

fn server(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.server(site, words.number(3), words.text(1), &[words.text(2)]);
    // What it shows where it is the client names all its servers.
    run.world.change_identity(site, |identity| identity.add_name(words.text(1)));
    Ok(())
}

fn user(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.user(site, words.text(0));
    Ok(())
}

fn phone(run: &mut Run, words: &Words, is_datagram: bool) -> Result<(), String> {
    if run.setting.outside {
        return phone_outside(run, words, 1, is_datagram);
    }
    let site = run.site(words.text(0))?;
    phone_at(run, words, site, is_datagram)
}

/// Whatever the setting: who is connected to an edge that dies or lets go is gone with it, and the play is of who is not.
fn phone_inside(run: &mut Run, words: &Words, is_datagram: bool) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    phone_at(run, words, site, is_datagram)
}

/// It comes where partners do, to one of the edges.
fn phone_outside(run: &mut Run, words: &Words, edge: usize, is_datagram: bool) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let front = *run.world.fronts(site).get(edge.wrapping_sub(1)).ok_or("it has not so many edges")?;
    phone_at(run, words, front, is_datagram)
}

fn phone_at(run: &mut Run, words: &Words, site: usize, is_datagram: bool) -> Result<(), String> {
    let name = words.text(0);
    let home = run.site(name)?;
    run.world.user(home, name.split('/').next().unwrap_or(name));
    let phone = run.world.phone(site, name, is_datagram);
    run.add_phone(name, phone);
    Ok(())
}

/// Somebody who connects to an organisation that is not his.
fn outsider(run: &mut Run, words: &Words, shown: Option<Identity>) -> Result<(), String> {
    let site = run.site(words.text(1))?;
    // Who says to be one of the users comes where they do.
    let is_of_them = run.site(words.text(0)) == Ok(site);
    let site = if is_of_them { site } else { run.world.front(site) };
    let phone = run.world.phone(site, words.text(0), false);
    run.world.phone_mut(phone).shows = shown;
    run.add_phone(words.text(0), phone);
    run.world.use_phone(phone, |phone, _| phone.connect());
    Ok(())
}

fn stranger(run: &mut Run, words: &Words) -> Result<(), String> {
    outsider(run, words, None)
}

fn certified_stranger(run: &mut Run, words: &Words) -> Result<(), String> {
    outsider(run, words, Some(certificate(&[words.text(2)]).into()))
}

fn forger(run: &mut Run, words: &Words) -> Result<(), String> {
    outsider(run, words, Some(Identity::untrusted(&[words.text(2)])))
}
