//! What happens to the network, the DNS, identities and servers; and time.

use std::time::Duration;

use federation::discovery::SrvFailure;

use super::form::{Form, Words};
use super::run::Run;
use crate::identity::{Identity, certificate};
use crate::names::Trouble;
use crate::network::Place;
use crate::phone::Phone;
use crate::world::Condition;

pub static FORMS: &[Form] = &[
    Form { pattern: "TIME pass", act: passes },
    Form { pattern: "TIME passes", act: passes },
    Form { pattern: "the network between DOMAIN and DOMAIN is cut", act: |run, words| cut(run, words, true) },
    Form { pattern: "the network from DOMAIN to DOMAIN is cut", act: |run, words| cut(run, words, false) },
    Form { pattern: "the network is whole again", act: whole },
    Form { pattern: "PERCENT % of what is sent between DOMAIN and DOMAIN is lost", act: loses_between },
    Form { pattern: "PERCENT % of what is sent between PHONE and its server is lost", act: phone_loses },
    Form { pattern: "the next COUNT datagrams to PHONE are lost", act: |run, words| drops(run, words, true) },
    Form { pattern: "the next COUNT datagrams from PHONE are lost", act: |run, words| drops(run, words, false) },
    Form { pattern: "what is sent between DOMAIN and DOMAIN is late by TIME", act: late },
    Form { pattern: "what is sent between PHONE and its server is late by TIME", act: phone_is_late },
    Form { pattern: "datagrams from PHONE reach any worker", act: scatters },
    Form { pattern: "connections of DOMAIN to partners break", act: connections_break },
    Form { pattern: "the DNS of DOMAIN answers after TIME", act: dns_late },
    Form { pattern: "the DNS of DOMAIN fails", act: dns_fails },
    Form { pattern: "the DNS of DOMAIN is empty", act: dns_is_empty },
    Form { pattern: "the DNS of DOMAIN is well", act: dns_is_well },
    Form { pattern: "the DNS of DOMAIN forgets its servers", act: dns_forgets },
    Form { pattern: "the DNS says that HOST is at ADDRESS", act: dns_says },
    Form {
        pattern: "the certificate of DOMAIN expires",
        act: |run, words| identity(run, words, |it, now| it.expire(now - 1)),
    },
    Form {
        pattern: "the certificate of DOMAIN is not valid yet",
        act: |run, words| identity(run, words, |it, now| it.begin(now + 86_400)),
    },
    Form {
        pattern: "the certificate of DOMAIN is revoked",
        act: |run, words| identity(run, words, |it, _| it.revoke()),
    },
    Form { pattern: "the certificate of DOMAIN is renewed", act: |run, words| identity(run, words, Identity::renew) },
    Form { pattern: "DOMAIN shows a certificate of HOST", act: shows },
    Form { pattern: "DOMAIN shows a forged certificate of HOST", act: shows_forged },
    Form { pattern: "the server at ADDRESS dies", act: |run, words| condition(run, words, Condition::Dead) },
    Form { pattern: "the server at ADDRESS falls silent", act: |run, words| condition(run, words, Condition::Mute) },
    Form {
        pattern: "the server at ADDRESS is overloaded",
        act: |run, words| condition(run, words, Condition::Overloaded),
    },
    Form {
        pattern: "the server at ADDRESS breaks connections",
        act: |run, words| condition(run, words, Condition::Breaking),
    },
    Form { pattern: "the server at ADDRESS is well", act: |run, words| condition(run, words, Condition::Well) },
    Form { pattern: "the server at ADDRESS shows a certificate of HOST", act: server_shows },
    Form { pattern: "DOMAIN is killed and starts again", act: is_killed },
    Form { pattern: "the home of DOMAIN is killed and starts again", act: home_is_killed },
    Form { pattern: "the clock of DOMAIN is set forward by TIME", act: |run, words| clock_is_set(run, words, 1) },
    Form { pattern: "the clock of DOMAIN is set back by TIME", act: |run, words| clock_is_set(run, words, -1) },
    Form { pattern: "a worker of DOMAIN stalls for TIME", act: stalls },
    Form { pattern: "DOMAIN stalls for TIME", act: all_stall },
    Form { pattern: "DOMAIN drains", act: drains },
    Form { pattern: "DOMAIN resets DOMAIN", act: resets },
    Form { pattern: "the store of DOMAIN breaks", act: |run, words| store(run, words, true) },
    Form { pattern: "the last message to PHONE comes again", act: comes_again },
    Form { pattern: "the store of DOMAIN can only be read", act: store_protected },
    Form { pattern: "the store of DOMAIN loses everything", act: store_loses },
    Form { pattern: "the store of DOMAIN forgets what was delivered", act: store_forgets },
    Form { pattern: "the store of DOMAIN is well", act: |run, words| store(run, words, false) },
];

fn passes(run: &mut Run, words: &Words) -> Result<(), String> {
    run.world.pass(words.time(0));
    Ok(())
}

fn cut(run: &mut Run, words: &Words, both_ways: bool) -> Result<(), String> {
    let (one, other) = (run.place(words.text(0))?, run.place(words.text(1))?);
    run.world.network.cut(one, other);
    if both_ways {
        run.world.network.cut(other, one);
    }
    Ok(())
}

fn whole(run: &mut Run, _: &Words) -> Result<(), String> {
    run.world.network.mend();
    Ok(())
}

fn lose(run: &mut Run, one: Place, other: Place, percent: u8) {
    run.world.network.lose(one, other, percent);
    run.world.network.lose(other, one, percent);
}

fn loses_between(run: &mut Run, words: &Words) -> Result<(), String> {
    let (one, other) = (run.place(words.text(1))?, run.place(words.text(2))?);
    lose(run, one, other, words.number(0));
    Ok(())
}

fn phone_loses(run: &mut Run, words: &Words) -> Result<(), String> {
    let (phone, server) = (run.place(words.text(1))?, server_of(run, words.text(1))?);
    lose(run, phone, server, words.number(0));
    Ok(())
}

fn drops(run: &mut Run, words: &Words, to_phone: bool) -> Result<(), String> {
    let (phone, server) = (run.place(words.text(1))?, server_of(run, words.text(1))?);
    let (from, to) = if to_phone { (server, phone) } else { (phone, server) };
    run.world.network.drop_next(from, to, words.number(0));
    Ok(())
}

fn late(run: &mut Run, words: &Words) -> Result<(), String> {
    let (one, other) = (run.place(words.text(0))?, run.place(words.text(1))?);
    run.world.network.delay(one, other, words.time(2));
    run.world.network.delay(other, one, words.time(2));
    Ok(())
}

/// Where a phone signs in: an edge, if it is outside.
fn server_of(run: &Run, phone: &str) -> Result<Place, String> {
    Ok(Place::Site(run.world.phones()[run.phone(phone)?].site))
}

fn phone_is_late(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.place(words.text(0))?;
    let server = server_of(run, words.text(0))?;
    run.world.network.delay(phone, server, words.time(1));
    run.world.network.delay(server, phone, words.time(1));
    Ok(())
}

fn scatters(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.scatter(phone);
    Ok(())
}

fn connections_break(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.cut(site);
    Ok(())
}

fn dns_late(run: &mut Run, words: &Words) -> Result<(), String> {
    run.world.zones.set_trouble(words.text(0), Trouble { late: words.time(1), failure: None });
    Ok(())
}

fn dns_fails(run: &mut Run, words: &Words) -> Result<(), String> {
    let failure = Some(SrvFailure::ServFail("SERVFAIL".into()));
    run.world.zones.set_trouble(words.text(0), Trouble { late: Duration::ZERO, failure });
    Ok(())
}

fn dns_is_empty(run: &mut Run, words: &Words) -> Result<(), String> {
    let failure = Some(SrvFailure::NoRecord);
    run.world.zones.set_trouble(words.text(0), Trouble { late: Duration::ZERO, failure });
    Ok(())
}

fn dns_is_well(run: &mut Run, words: &Words) -> Result<(), String> {
    run.world.zones.set_trouble(words.text(0), Trouble::default());
    Ok(())
}

fn dns_forgets(run: &mut Run, words: &Words) -> Result<(), String> {
    run.world.zones.remove_targets(words.text(0));
    Ok(())
}

fn dns_says(run: &mut Run, words: &Words) -> Result<(), String> {
    run.world.zones.set_addresses(words.text(0), vec![words.number(1)]);
    Ok(())
}

fn identity(run: &mut Run, words: &Words, change: fn(&mut Identity, i64)) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let now = run.world.unix_secs();
    run.world.change_identity(site, |identity| change(identity, now));
    Ok(())
}

fn shows(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.change_identity(site, |identity| *identity = certificate(&[words.text(1)]).into());
    Ok(())
}

fn shows_forged(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.change_identity(site, |identity| *identity = Identity::untrusted(&[words.text(1)]));
    Ok(())
}

fn condition(run: &mut Run, words: &Words, condition: Condition) -> Result<(), String> {
    run.world.set_condition(words.text(0), condition);
    Ok(())
}

fn server_shows(run: &mut Run, words: &Words) -> Result<(), String> {
    run.world.set_certificate(words.text(0), certificate(&[words.text(1)]));
    Ok(())
}

fn is_killed(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.crash_all(site);
    Ok(())
}

fn home_is_killed(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.restart_home(site);
    Ok(())
}

fn clock_is_set(run: &mut Run, words: &Words, sign: i64) -> Result<(), String> {
    let (site, by) = (run.site(words.text(0))?, words.time(1));
    run.world.set_clock(site, sign * i64::try_from(by.as_secs()).expect("a play's time is short"));
    Ok(())
}

fn stalls(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let workers = run.world.workers(site);
    let worker = run.world.draw_worker(workers);
    run.world.stall(site, worker, words.time(1));
    Ok(())
}

fn all_stall(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    (0..run.world.workers(site)).for_each(|worker| run.world.stall(site, worker, words.time(1)));
    Ok(())
}

fn drains(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    match run.setting.outside {
        // An edge that ends lets its phones go to another: these plays are about the home.
        true => run.world.drain_server(site),
        false => run.world.drain_site(site),
    }
    Ok(())
}

fn resets(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.reset_partner(site, words.text(1));
    Ok(())
}

fn store(run: &mut Run, words: &Words, is_broken: bool) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.break_store(site, is_broken);
    Ok(())
}

fn store_protected(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.write_protect_store(site);
    Ok(())
}

fn store_loses(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.messages(site).lose_all();
    Ok(())
}

/// As if the server ended each time before it could be recorded.
fn store_forgets(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.messages(site).is_forgetful = true;
    Ok(())
}

/// As a server would send it that takes it for a new one.
fn comes_again(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    if run.world.use_phone(phone, Phone::receive_again) { Ok(()) } else { Err("it has received none".to_owned()) }
}
