//! What people do with their phones.

use std::time::{Duration, Instant};

use sdp::{Encoding, ProtectionPolicy};
use sip::Method;

use super::form::{Form, Words};
use super::run::Run;
use crate::phone::{Event, Outcome, Phone, Within};

pub static FORMS: &[Form] = &[
    Form { pattern: "PHONE signs in", act: signs_in },
    Form { pattern: "PHONE tries to sign in", act: |run, words| use_phone(run, words, Phone::register) },
    Form {
        pattern: "PHONE tries to sign in with a wrong password",
        act: |run, words| use_phone(run, words, Phone::guess),
    },
    Form { pattern: "PHONE signs out", act: signs_out },
    Form { pattern: "PHONE writes TEXT to USER", act: writes },
    Form { pattern: "PHONE tries COUNT names at DOMAIN", act: tries_names },
    Form { pattern: "PHONE sends METHOD to USER as USER", act: sends_as },
    Form { pattern: "PHONE sends METHOD to the server", act: sends_to_server },
    Form { pattern: "PHONE calls USER", act: calls },
    Form { pattern: "PHONE answers", act: |run, words| can(run, words, Phone::answer, "nobody calls") },
    Form { pattern: "PHONE declines with STATUS", act: declines },
    Form { pattern: "PHONE gives up", act: |run, words| can(run, words, Phone::give_up, "no call of its own rings") },
    Form { pattern: "PHONE hangs up", act: |run, words| can(run, words, Phone::hang_up, "no call stands") },
    Form { pattern: "PHONE sends METHOD within the call", act: sends_inside },
    Form { pattern: "PHONE watches USER", act: watches },
    Form { pattern: "PHONE stops watching USER", act: stops_watching },
    Form { pattern: "PHONE publishes STATE", act: publishes },
    Form { pattern: "PHONE will answer the next message with STATUS", act: will_answer },
    Form { pattern: "PHONE takes TIME to answer a message", act: ponders },
    Form { pattern: "PHONE demands protected sound", act: demands_protection },
    Form { pattern: "PHONE has IPv6 alone", act: has_six_alone },
    Form { pattern: "PHONE can be moved", act: can_be_moved },
    Form { pattern: "PHONE speaks WORD alone", act: speaks_alone },
    Form { pattern: "PHONE does not mind ringing", act: minds_no_ringing },
    Form { pattern: "PHONE vanishes", act: vanishes },
    Form { pattern: "PHONE comes back", act: comes_back },
    Form { pattern: "PHONE can be reached again", act: can_be_reached },
    Form { pattern: "PHONE loses its connection", act: |run, words| use_phone(run, words, Phone::hang_up_line) },
];

fn use_phone(run: &mut Run, words: &Words, act: fn(&mut Phone, Instant)) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.use_phone(phone, act);
    Ok(())
}

fn can(run: &mut Run, words: &Words, act: fn(&mut Phone, Instant) -> bool, unless: &str) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    if run.world.use_phone(phone, act) { Ok(()) } else { Err(unless.to_owned()) }
}

/// And the server says 200.
fn signs_in(run: &mut Run, words: &Words) -> Result<(), String> {
    use_phone(run, words, Phone::register)?;
    told_of_registration(run, words)
}

fn signs_out(run: &mut Run, words: &Words) -> Result<(), String> {
    use_phone(run, words, Phone::unregister)?;
    told_of_registration(run, words)
}

fn told_of_registration(run: &mut Run, words: &Words) -> Result<(), String> {
    let told =
        run.expect(words.text(0), words.within, |event| matches!(event, Event::Told { method: Method::Register, .. }))?;
    match &told {
        Event::Told { outcome, .. } if outcome.is_success() => Ok(()),
        other => Err(format!("it {other}")),
    }
}

fn writes(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.use_phone(phone, |phone, now| phone.send_message(now, words.text(2), words.text(1)));
    Ok(())
}

/// One after the other, slower than any rate, and hears what comes of each.
fn tries_names(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    for number in 0..words.number::<u32>(1) {
        let name = format!("name{number}@{}", words.text(2));
        run.world.use_phone(phone, |phone, now| phone.send_message(now, &name, "Who is there?"));
        run.expect(words.text(0), words.within, |event| matches!(event, Event::Told { .. }))?;
        run.world.pass(Duration::from_secs(2));
    }
    Ok(())
}

fn sends_as(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    let method = method(words.text(1));
    run.world.use_phone(phone, |phone, now| phone.send_as(now, method, words.text(3), words.text(2)));
    Ok(())
}

fn sends_to_server(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    let method = method(words.text(1));
    run.world.use_phone(phone, |phone, now| {
        let from = phone.aor().to_owned();
        let domain = from.split('@').next_back().unwrap_or_default().to_owned();
        phone.send_as(now, method, &from, &domain);
    });
    Ok(())
}

fn calls(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.use_phone(phone, |phone, now| phone.call(now, words.text(1), true));
    Ok(())
}

fn declines(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    let declined = run.world.use_phone(phone, |phone, now| phone.decline(now, words.number(1)));
    if declined { Ok(()) } else { Err("nobody calls".to_owned()) }
}

fn sends_inside(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    let method = method(words.text(1));
    let sent = run.world.use_phone(phone, |phone, now| phone.send_inside(now, Within::new(method)));
    if sent { Ok(()) } else { Err("no call stands".to_owned()) }
}

fn watches(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.use_phone(phone, |phone, now| phone.watch(now, words.text(1)));
    Ok(())
}

fn stops_watching(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    let stopped = run.world.use_phone(phone, |phone, now| phone.stop_watching(now, words.text(1)));
    if stopped { Ok(()) } else { Err("it watches nobody of that name".to_owned()) }
}

fn publishes(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.use_phone(phone, |phone, now| phone.publish(now, words.text(1)));
    Ok(())
}

fn will_answer(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.phone_mut(phone).answers = Some(words.number(1));
    Ok(())
}

fn ponders(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.phone_mut(phone).ponders = words.time(1);
    Ok(())
}

/// Whether it is heard or not need not be mentioned.
fn minds_no_ringing(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.phone_mut(phone).is_deaf_to_ringing = true;
    Ok(())
}

/// By REFER and Replaces, as it shows from now on.
fn can_be_moved(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.phone_mut(phone).can_be_moved = true;
    Ok(())
}

fn demands_protection(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.phone_mut(phone).protection = Some(ProtectionPolicy::Required);
    Ok(())
}

/// Before it signs in: its Contact names such an address.
fn has_six_alone(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.phone_mut(phone).has_six_alone = true;
    Ok(())
}

fn speaks_alone(run: &mut Run, words: &Words) -> Result<(), String> {
    let (phone, name) = (run.phone(words.text(0))?, words.text(1));
    let known = Encoding::ALL.into_iter().find(|encoding| encoding.name().eq_ignore_ascii_case(name));
    run.world.phone_mut(phone).encodings = vec![known.ok_or_else(|| format!("no encoding is named {name}"))?];
    Ok(())
}

fn vanishes(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.phone_mut(phone).is_gone = true;
    Ok(())
}

fn comes_back(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.phone_mut(phone).is_gone = false;
    run.world.use_phone(phone, Phone::refresh);
    Ok(())
}

/// As nobody saw that it was gone, it says nothing itself.
fn can_be_reached(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.phone_mut(phone).is_gone = false;
    Ok(())
}

fn method(text: &str) -> Method {
    Method::parse(text.as_bytes()).expect("its shape was checked")
}

/// Whether an event says that a request of the phone's own ended so.
pub(super) fn is_told(event: &Event, status: u16, word: Option<&str>) -> bool {
    let Event::Told { outcome: Outcome::Status { status: told, word: said }, .. } = event else { return false };
    *told == status && word.is_none_or(|word| said.as_deref() == Some(word))
}
