//! What must hold at the end of every play: nobody is left waiting, nothing is left over, nothing that was acknowledged
//! is lost.

use std::time::Duration;

use super::run::Run;
use crate::phone::Phone;

pub fn check(run: &mut Run) -> Result<(), String> {
    if run.setting.fault.is_none() {
        run.world.pass(QUIET);
        nothing_left_over(run)?;
    }
    // What the play did to the world is over; phones come back, and get what was kept for them.
    run.world.calm();
    run.world.pass(SETTLING);
    for _ in 0..2 {
        for phone in run.phones() {
            run.world.phone_mut(phone).is_gone = false;
            run.world.use_phone(phone, Phone::refresh);
        }
        run.world.pass(SETTLING);
    }
    if run.world.open_legs() > 0 {
        everybody_hangs_up(run);
    }
    run.world.pass(LONGEST_TIMER);
    conversations_fall_silent(run);
    nobody_waits(run)?;
    // First: what a call that stands has open is closed with it.
    no_call_stands(run)?;
    nothing_leaks(run)?;
    nothing_is_lost(run)?;
    repeats_are_accounted_for(run)
}

/// Who cannot say so is not heard any more, and that ends his call too.
fn everybody_hangs_up(run: &mut Run) {
    for phone in run.phones() {
        run.world.use_phone(phone, Phone::leave_all);
    }
    run.world.pass(SETTLING);
    run.world.fall_silent_everywhere();
}

/// A conversation in writing has no end but that nobody says anything any more.
fn conversations_fall_silent(run: &mut Run) {
    if run.world.all_statuses().iter().any(|(_, status)| status.conferences > 0) {
        run.world.pass(CONVERSATION);
    }
}

/// Nothing happened that the play does not mention.
fn nothing_left_over(run: &Run) -> Result<(), String> {
    let has_more = |phone: &usize| {
        let phone = &run.world.phones()[*phone];
        !phone.events.is_empty() && !phone.is_gone
    };
    let left: Vec<String> = run.phones().filter(has_more).map(|phone| run.told(phone)).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("the play does not mention that {}", left.join("; "))) }
}

/// A call that we stand between is over when its phones are, though one of them may not have been able to say so.
fn no_call_stands(run: &mut Run) -> Result<(), String> {
    let standing = |run: &Run| run.world.all_statuses().iter().map(|(_, status)| status.calls_between).sum::<usize>();
    if standing(run) == 0 || run.world.phones().iter().any(Phone::is_in_call) {
        return Ok(());
    }
    run.world.pass(CALL_CHECK);
    match standing(run) {
        0 => Ok(()),
        count => Err(format!("{count} calls stand of which no phone knows")),
    }
}

fn nobody_waits(run: &Run) -> Result<(), String> {
    let waits: Vec<&str> = run.world.phones().iter().filter(|phone| phone.is_waiting()).map(Phone::name).collect();
    if waits.is_empty() { Ok(()) } else { Err(format!("still waiting for an answer: {}", waits.join(", "))) }
}

/// Everything that a request makes a core hold is gone when the request is.
fn nothing_leaks(run: &Run) -> Result<(), String> {
    for (domain, status) in run.world.all_statuses() {
        let held = [
            ("server transactions", status.server_transactions),
            ("client transactions", status.client_transactions),
            ("response contexts", status.response_contexts),
            ("questions", status.waiting),
            ("queues going out", status.queues_draining),
            ("conferences", status.conferences),
            ("legs", status.legs),
            ("unanswered requests of agents", status.agent_requests),
        ];
        let left: Vec<String> =
            held.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect();
        if !left.is_empty() {
            return Err(format!("worker {} of {domain} still has {}", status.worker, left.join(", ")));
        }
    }
    match run.world.open_legs() {
        0 => Ok(()),
        count => Err(format!("{count} legs of sound are still open")),
    }
}

/// What a sender was told is there, is: at a phone, or kept for one.
fn nothing_is_lost(run: &Run) -> Result<(), String> {
    let has_seen =
        |phone: &Phone, call_id: &String| phone.received.contains_key(call_id) || phone.refused.contains(call_id);
    let is_received = |call_id: &String| run.world.phones().iter().any(|phone| has_seen(phone, call_id));
    let kept = run.world.all_kept();
    let not_agreed_to = run.world.all_not_agreed_to();
    let is_kept = |call_id: &String| kept.iter().any(|(_, kept)| kept == call_id) || not_agreed_to.contains(call_id);
    for phone in run.world.phones() {
        for (call_id, status) in &phone.acknowledged {
            if !is_received(call_id) && !is_kept(call_id) {
                return Err(format!("{} was told {status} of {call_id}, and it is lost", phone.name()));
            }
        }
    }
    // What a phone does not want is kept for another.
    let is_kept_back = |aor: &String, call_id: &String| {
        let mut reachable = run.world.phones().iter().filter(|phone| phone.is_registered());
        reachable.any(|phone| phone.aor() == aor && !phone.refused.contains(call_id))
    };
    let expired = run.world.all_expired();
    let waits = |(aor, call_id): &&(String, String)| is_kept_back(aor, call_id) && !expired.contains(call_id);
    match kept.iter().find(waits) {
        None => Ok(()),
        Some((aor, call_id)) => Err(format!("{aor} is signed in, and {call_id} is still kept from him")),
    }
}

/// A phone gets a message twice only where it was never recorded what became of the first time.
fn repeats_are_accounted_for(run: &Run) -> Result<(), String> {
    // With a fault a request may be sent once more over another connection; what a crash makes of counts is its own.
    if run.setting.fault.is_some() || run.world.has_crashed {
        return Ok(());
    }
    let counted: u64 = run.world.all_statuses().iter().map(|(_, status)| status.stored_repeats).sum();
    for phone in run.world.phones() {
        for (call_id, times) in phone.received.iter().filter(|(_, times)| **times > 1) {
            if counted == 0 {
                return Err(format!("{} received {call_id} {times} times, and nobody counted it", phone.name()));
            }
        }
    }
    Ok(())
}

/// Long enough for what should not come to come.
const QUIET: Duration = Duration::from_secs(5);
/// After which a conversation in which nobody has a session is over, and a while.
const CONVERSATION: Duration = Duration::from_secs(25 * 3600);
const SETTLING: Duration = Duration::from_secs(70);
/// Timer C of a proxy (RFC 3261 section 16.6) is more than three minutes; then 64 T1.
const LONGEST_TIMER: Duration = Duration::from_secs(400);
/// After how long both phones of a silent call are asked, and their silence is an answer.
const CALL_CHECK: Duration = Duration::from_secs(1000);
