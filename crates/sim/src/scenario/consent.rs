//! First contacts: who is asked about whom, and what he answers.

use federation::external_access::{FirstContact, ORGANISATION, Policy};
use messaging::{CONSENT_PREFIX, Verdict};

use super::access::{aor, give};
use super::form::{Form, Words};
use super::run::Run;
use crate::phone::Event;

pub static FORMS: &[Form] = &[
    Form { pattern: "everybody at DOMAIN is asked about first contacts", act: everybody_is_asked },
    Form { pattern: "USER alone is asked about first contacts", act: user_is_asked },
    Form { pattern: "first contacts reach USER", act: reach_user },
    Form { pattern: "PHONE is asked about USER", act: is_asked },
    Form { pattern: "PHONE answers TEXT about USER", act: answers },
    Form { pattern: "PHONE reads TEXT about USER", act: reads },
    Form { pattern: "DOMAIN holds COUNT messages", act: holds },
    Form {
        pattern: "the administrator allows that USER reaches USER",
        act: |run, words| says(run, words, Verdict::Allowed),
    },
    Form {
        pattern: "the administrator denies that USER reaches USER",
        act: |run, words| says(run, words, Verdict::Denied),
    },
];

fn everybody_is_asked(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let policy = Policy { first_contact: FirstContact::Ask, ..Policy::new(ORGANISATION) };
    run.world.change_access(site, |access| access.put_policy(policy));
    Ok(())
}

fn user_is_asked(run: &mut Run, words: &Words) -> Result<(), String> {
    give(run, words, Policy { first_contact: FirstContact::Ask, ..Policy::new(words.text(0)) })
}

fn reach_user(run: &mut Run, words: &Words) -> Result<(), String> {
    give(run, words, Policy::new(words.text(0)))
}

/// By an address of its own for each whom he is asked about.
fn is_asked(run: &mut Run, words: &Words) -> Result<(), String> {
    let begins = format!("{}, ", words.text(1));
    let asks = |event: &Event| matches!(event, Event::Text { from, text } if from.starts_with(CONSENT_PREFIX) && text.starts_with(&begins));
    if let Event::Text { from, .. } = run.expect(words.text(0), words.within, asks)? {
        run.askers.insert((words.text(0).to_owned(), words.text(1).to_owned()), from);
    }
    Ok(())
}

fn answers(run: &mut Run, words: &Words) -> Result<(), String> {
    let (phone, asker) = (run.phone(words.text(0))?, asker(run, words.text(0), words.text(2))?);
    run.world.use_phone(phone, |phone, now| phone.send_message(now, &asker, words.text(1)));
    Ok(())
}

/// What he is told of his answer, by how it begins.
fn reads(run: &mut Run, words: &Words) -> Result<(), String> {
    let asker = asker(run, words.text(0), words.text(2))?;
    let fits = |event: &Event| matches!(event, Event::Text { from, text } if *from == asker && text.starts_with(words.text(1)));
    run.expect(words.text(0), words.within, fits).map(drop)
}

fn asker(run: &Run, phone: &str, about: &str) -> Result<String, String> {
    let found = run.askers.get(&(phone.to_owned(), about.to_owned())).cloned();
    // With a fault nobody may have been asked.
    found.ok_or_else(|| format!("{phone} was not asked about {about}"))
}

fn holds(run: &mut Run, words: &Words) -> Result<(), String> {
    let (site, count) = (run.site(words.text(0))?, words.number::<usize>(1));
    if run.wait(words.within, |world| world.awaiting_consent(site) == count) {
        return Ok(());
    }
    Err(format!("it holds {}", run.world.awaiting_consent(site)))
}

fn says(run: &mut Run, words: &Words, verdict: Verdict) -> Result<(), String> {
    let (sender, user) = (words.text(0), aor(words.text(1))?);
    let site = run.site(words.text(1))?;
    run.world.decide_consent(site, &user, sender, verdict);
    Ok(())
}
