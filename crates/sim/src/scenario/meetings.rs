//! Meetings: how people come in and leave, who is heard by whom, and what is left when all have gone.

use std::collections::BTreeSet;

use conference::ConferenceId;
use conference::schedule::{Attendance, Invitee, Meeting, MeetingRole, MeetingSettings};
use federation::decision::{DecisionRecord, Outcome};
use sdp::Direction;
use sip::Aor;

use super::form::{Form, Words};
use super::run::Run;
use crate::phone::Event;
use crate::world::World;

pub static FORMS: &[Form] = &[
    Form { pattern: "PHONE calls the meeting of PHONE", act: |run, words| calls(run, words, true) },
    Form { pattern: "PHONE calls the meeting of PHONE without an offer", act: |run, words| calls(run, words, false) },
    Form { pattern: "PHONE asks the meeting to call USER", act: |run, words| refers(run, words, false) },
    Form { pattern: "PHONE asks the meeting to remove USER", act: |run, words| refers(run, words, true) },
    Form { pattern: "PHONE holds", act: |run, words| turns(run, words, Direction::SendOnly) },
    Form { pattern: "PHONE goes on", act: |run, words| turns(run, words, Direction::SendRecv) },
    Form { pattern: "PHONE writes TEXT to the meeting of PHONE", act: writes },
    Form { pattern: "PHONE says TEXT", act: says },
    Form { pattern: "PHONE presses TEXT", act: presses },
    Form { pattern: "the meeting USER of USER is scheduled", act: is_scheduled },
    Form { pattern: "the meeting USER invites USER", act: invites },
    Form { pattern: "the account of USER is removed", act: account_is_removed },
    Form { pattern: "nothing is heard of PHONE any more", act: falls_silent },
    Form { pattern: "PHONE is in a meeting", act: is_in_meeting },
    Form { pattern: "PHONE is called into the meeting of PHONE", act: is_called_in },
    Form { pattern: "the meeting reports STATUS to PHONE", act: reports },
    Form { pattern: "PHONE receives TEXT from the meeting of PHONE", act: receives },
    Form { pattern: "PHONE is heard by nobody", act: is_heard },
    Form { pattern: "PHONE is heard by PHONE", act: is_heard },
    Form { pattern: "PHONE is heard by PHONE and PHONE", act: is_heard },
    Form { pattern: "PHONE is heard by PHONE and PHONE and PHONE", act: is_heard },
    Form { pattern: "PHONE watches the meeting of PHONE", act: watches },
    Form { pattern: "the roster of PHONE shows nobody", act: shows },
    Form { pattern: "the roster of PHONE shows USER", act: shows },
    Form { pattern: "the roster of PHONE shows USER and USER", act: shows },
    Form { pattern: "the roster of PHONE shows USER and USER and USER", act: shows },
    Form { pattern: "ports of DOMAIN come after TIME", act: ports_are_late },
    Form { pattern: "DOMAIN has no ports left", act: ports_are_used_up },
    Form { pattern: "DOMAIN has COUNT legs of sound", act: has_legs },
    Form { pattern: "DOMAIN has removed a participant of DOMAIN with WORD", act: has_removed },
    Form { pattern: "nobody is left in a meeting of DOMAIN", act: nobody_is_left },
];

/// The address of the conference that a phone knows.
fn conference_of(run: &Run, name: &str) -> Result<String, String> {
    let phone = run.phone(name)?;
    let conference = run.world.phones()[phone].conference();
    conference.map(str::to_owned).ok_or_else(|| format!("{name} knows of no meeting"))
}

fn calls(run: &mut Run, words: &Words, offers: bool) -> Result<(), String> {
    let (phone, to) = (run.phone(words.text(0))?, conference_of(run, words.text(1))?);
    run.world.use_phone(phone, |phone, now| phone.call(now, &to, offers));
    Ok(())
}

fn refers(run: &mut Run, words: &Words, is_removal: bool) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    let asked = run.world.use_phone(phone, |phone, now| phone.refer(now, words.text(1), is_removal));
    if asked { Ok(()) } else { Err("no call stands".to_owned()) }
}

fn turns(run: &mut Run, words: &Words, direction: Direction) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    let turned = run.world.use_phone(phone, |phone, now| phone.turn(now, direction));
    if turned { Ok(()) } else { Err("no call stands".to_owned()) }
}

fn writes(run: &mut Run, words: &Words) -> Result<(), String> {
    let (phone, to) = (run.phone(words.text(0))?, conference_of(run, words.text(2))?);
    run.world.use_phone(phone, |phone, now| phone.send_message(now, &to, words.text(1)));
    Ok(())
}

fn says(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    let said = run.world.use_phone(phone, |phone, now| phone.say(now, words.text(1)));
    if said { Ok(()) } else { Err("no call stands".to_owned()) }
}

fn presses(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    words.text(1).chars().try_for_each(|key| if run.world.press(phone, key) { Ok(()) } else { Err(NO_LEG.to_owned()) })
}

/// Open to all from now on, for two hours.
fn is_scheduled(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let zone: conference::schedule::Zone = "UTC".parse().map_err(|error| format!("{error}"))?;
    let meeting = Meeting {
        id: id_of(words.text(0))?,
        organiser: words.text(1).parse().map_err(|error| format!("{error}"))?,
        subject: "Weekly".to_owned(),
        start: zone.local(run.world.unix_secs()),
        zone,
        minutes: 120,
        recurrence: None,
        exceptions: std::collections::BTreeMap::new(),
        invitees: Vec::new(),
        settings: MeetingSettings::default(),
        sequence: 0,
        is_cancelled: false,
    };
    run.world.schedule(site, meeting);
    Ok(())
}

fn invites(run: &mut Run, words: &Words) -> Result<(), String> {
    let (site, id) = (run.site(words.text(0))?, id_of(words.text(0))?);
    let address: Aor = words.text(1).parse().map_err(|error| format!("{error}"))?;
    let mut meeting = run.world.meeting(site, &id).cloned().ok_or("there is no such meeting")?;
    let (role, attendance) = (MeetingRole::Attendee, Attendance::Required);
    meeting.invitees.push(Invitee { address, role, attendance });
    run.world.schedule(site, meeting);
    Ok(())
}

fn id_of(address: &str) -> Result<ConferenceId, String> {
    let user = address.split('@').next().unwrap_or_default();
    let id = user.strip_prefix("meet-").and_then(ConferenceId::parse);
    id.ok_or_else(|| format!("{address} is no address of a meeting, such as meet-weekly@contoso.example"))
}

fn account_is_removed(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let aor = words.text(0).parse().map_err(|error| format!("{error}"))?;
    run.world.remove_user(site, &aor);
    Ok(())
}

fn falls_silent(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    if run.world.fall_silent(phone) { Ok(()) } else { Err(NO_LEG.to_owned()) }
}

fn is_in_meeting(run: &mut Run, words: &Words) -> Result<(), String> {
    let fits = |event: &Event| matches!(event, Event::Talks { is_focus: true, .. });
    run.expect(words.text(0), words.within, fits).map(drop)
}

fn is_called_in(run: &mut Run, words: &Words) -> Result<(), String> {
    let conference = conference_of(run, words.text(1))?;
    let fits = |event: &Event| matches!(event, Event::Rings { from, is_focus: true } if *from == conference);
    run.expect(words.text(0), words.within, fits).map(drop)
}

fn reports(run: &mut Run, words: &Words) -> Result<(), String> {
    let reported: u16 = words.number(0);
    let fits = |event: &Event| matches!(event, Event::Reports { status } if *status == reported);
    run.expect(words.text(1), words.within, fits).map(drop)
}

fn receives(run: &mut Run, words: &Words) -> Result<(), String> {
    let (text, conference) = (words.text(1), conference_of(run, words.text(2))?);
    let fits = |event: &Event| matches!(event, Event::Text { from, text: t } if *from == conference && t == text);
    run.expect(words.text(0), words.within, fits).map(drop)
}

/// By these and by nobody else.
fn is_heard(run: &mut Run, words: &Words) -> Result<(), String> {
    let speaker = run.phone(words.text(0))?;
    let listeners = words.texts().skip(1).map(|name| run.phone(name)).collect::<Result<BTreeSet<usize>, String>>()?;
    let is_so = run.wait(words.within, |world: &World| world.heard_by(speaker) == listeners);
    if is_so {
        return Ok(());
    }
    let heard: Vec<&str> =
        run.world.heard_by(speaker).into_iter().map(|phone| run.world.phones()[phone].name()).collect();
    Err(format!("it is heard by {heard:?}"))
}

fn watches(run: &mut Run, words: &Words) -> Result<(), String> {
    let (phone, conference) = (run.phone(words.text(0))?, conference_of(run, words.text(1))?);
    run.world.use_phone(phone, |phone, now| phone.watch_roster(now, &conference));
    Ok(())
}

/// These and nobody else.
fn shows(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    let expected: BTreeSet<&str> = words.texts().skip(1).collect();
    if run.wait(words.within, |world| world.phones()[phone].roster() == expected) {
        return Ok(());
    }
    Err(format!("it shows {:?}", run.world.phones()[phone].roster()))
}

fn ports_are_late(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.delay_ports(site, words.time(1));
    Ok(())
}

fn ports_are_used_up(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.use_up_ports(site);
    Ok(())
}

fn has_legs(run: &mut Run, words: &Words) -> Result<(), String> {
    let (site, count) = (run.site(words.text(0))?, words.number::<usize>(1));
    if run.wait(words.within, |world| world.sound(site).legs().count() == count) {
        return Ok(());
    }
    Err(format!("it has {}", run.world.sound(site).legs().count()))
}

fn has_removed(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let removed = |record: &DecisionRecord| match &record.outcome {
        Outcome::Refused { word, reason, .. } if reason.starts_with("removed from a meeting") => {
            Some((record.to_domain.clone(), word.clone()))
        }
        _ => None,
    };
    let all: Vec<(String, String)> = run.world.decisions(site).filter_map(removed).collect();
    let is_so = all.iter().any(|(domain, word)| domain == words.text(1) && word == words.text(2));
    if is_so { Ok(()) } else { Err(format!("it has removed {all:?}")) }
}

fn nobody_is_left(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let left = |world: &World| {
        let meetings: usize = world.statuses(site).iter().map(|status| status.conferences).sum();
        (meetings, world.sound(site).legs().count())
    };
    if run.wait(words.within, |world| left(world) == (0, 0)) {
        return Ok(());
    }
    let (meetings, legs) = left(&run.world);
    Err(format!("{meetings} meetings and {legs} legs of sound are left"))
}

const NO_LEG: &str = "no mixer has a leg of it";
