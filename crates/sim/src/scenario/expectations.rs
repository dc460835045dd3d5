//! What must come to be so.

use federation::decision::{DecisionRecord, Outcome as Decided};

use super::acts::is_told;
use super::form::{Form, Words};
use super::run::Run;
use crate::phone::{Event, Outcome};

pub static FORMS: &[Form] = &[
    Form { pattern: "PHONE receives TEXT from USER", act: receives },
    Form { pattern: "PHONE is told STATUS", act: |run, words| told(run, words, None) },
    Form { pattern: "PHONE is told STATUS WORD", act: |run, words| told(run, words, Some(words.text(2))) },
    Form { pattern: "PHONE is told of success", act: is_told_of_success },
    Form { pattern: "PHONE gets no answer", act: gets_no_answer },
    Form { pattern: "PHONE is told that its connection is lost", act: is_told_of_loss },
    Form { pattern: "PHONE is called by USER", act: is_called },
    Form { pattern: "PHONE hears ringing", act: |run, words| event(run, words, |event| *event == Event::HearsRinging) },
    Form { pattern: "PHONE talks", act: |run, words| event(run, words, |event| matches!(event, Event::Talks { .. })) },
    Form { pattern: "the call of PHONE ends", act: |run, words| event(run, words, |event| *event == Event::Ends) },
    Form { pattern: "PHONE receives METHOD within the call", act: receives_inside },
    Form { pattern: "PHONE sees USER STATE", act: sees },
    Form { pattern: "PHONE hears nothing for TIME", act: hears_nothing },
    Form { pattern: "PHONE is signed in", act: is_signed_in },
    Form { pattern: "DOMAIN proves DOMAIN by RUNG", act: proves },
    Form { pattern: "DOMAIN keeps COUNT messages", act: keeps },
    Form { pattern: "DOMAIN has refused with WORD", act: has_refused },
    Form { pattern: "DOMAIN has admitted a request of DOMAIN", act: has_admitted },
    Form { pattern: "DOMAIN has routed a request to HOST", act: has_routed },
    Form { pattern: "DOMAIN has tried ADDRESS", act: has_tried },
    Form { pattern: "DOMAIN has COUNT registrations", act: has_registrations },
    Form { pattern: "DOMAIN holds DOMAIN for suspect", act: |run, words| suspects(run, words, true) },
    Form { pattern: "DOMAIN does not hold DOMAIN for suspect", act: |run, words| suspects(run, words, false) },
];

fn event(run: &mut Run, words: &Words, fits: fn(&Event) -> bool) -> Result<(), String> {
    run.expect(words.text(0), words.within, fits).map(drop)
}

fn receives(run: &mut Run, words: &Words) -> Result<(), String> {
    let (text, from) = (words.text(1), words.text(2));
    let fits = |event: &Event| matches!(event, Event::Text { from: f, text: t } if f == from && t == text);
    run.expect(words.text(0), words.within, fits).map(drop)
}

fn told(run: &mut Run, words: &Words, word: Option<&str>) -> Result<(), String> {
    let status = words.number(1);
    // Of a home's 503 an edge makes a 500 with the same word (RFC 3261 section 16.7 step 6).
    let is_of_home = run.setting.outside && status == 503 && word.is_some();
    let fits = |event: &Event| is_told(event, status, word) || (is_of_home && is_told(event, 500, word));
    run.expect(words.text(0), words.within, fits).map(drop)
}

/// An edge apart may not know what an edge and home in one does.
fn is_told_of_success(run: &mut Run, words: &Words) -> Result<(), String> {
    event(run, words, |event| matches!(event, Event::Told { outcome, .. } if outcome.is_success()))
}

fn gets_no_answer(run: &mut Run, words: &Words) -> Result<(), String> {
    event(run, words, |event| matches!(event, Event::Told { outcome: Outcome::TimedOut, .. }))
}

fn is_told_of_loss(run: &mut Run, words: &Words) -> Result<(), String> {
    event(run, words, |event| matches!(event, Event::Told { outcome: Outcome::LineLost, .. }))
}

fn is_called(run: &mut Run, words: &Words) -> Result<(), String> {
    let caller = words.text(1);
    let fits = |event: &Event| matches!(event, Event::Rings { from, .. } if from == caller);
    run.expect(words.text(0), words.within, fits).map(drop)
}

fn receives_inside(run: &mut Run, words: &Words) -> Result<(), String> {
    let method = words.text(1);
    let fits = |event: &Event| matches!(event, Event::Inside { method: received } if received.as_str() == method);
    run.expect(words.text(0), words.within, fits).map(drop)
}

fn sees(run: &mut Run, words: &Words) -> Result<(), String> {
    let (user, state) = (words.text(1), words.text(2));
    let fits = |event: &Event| matches!(event, Event::Sees { user: u, state: s } if u == user && s == state);
    run.expect(words.text(0), words.within, fits).map(drop)
}

fn hears_nothing(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    run.world.pass(words.time(1));
    if run.world.phones()[phone].events.is_empty() { Ok(()) } else { Err(run.told(phone)) }
}

fn is_signed_in(run: &mut Run, words: &Words) -> Result<(), String> {
    let phone = run.phone(words.text(0))?;
    let is_so = run.wait(words.within, |world| world.phones()[phone].is_registered());
    if is_so { Ok(()) } else { Err("it is not".to_owned()) }
}

/// One of the connections is up and proven in this way.
fn proves(run: &mut Run, words: &Words) -> Result<(), String> {
    let (site, partner, rung) = (run.site(words.text(0))?, words.text(1), words.text(2));
    let links: Vec<_> = run.world.statuses(site).into_iter().flat_map(|status| status.links).collect();
    let of_partner = links.iter().filter(|link| link.domain == partner);
    let up: Vec<_> = of_partner.filter(|link| link.state == "up").filter_map(|link| link.rung.clone()).collect();
    if up.iter().any(|found| found == rung) { Ok(()) } else { Err(format!("by {up:?}, of the connections {links:?}")) }
}

fn keeps(run: &mut Run, words: &Words) -> Result<(), String> {
    let (site, count) = (run.site(words.text(0))?, words.number::<usize>(1));
    if run.wait(words.within, |world| world.kept(site) == count) {
        return Ok(());
    }
    Err(format!("it keeps {}", run.world.kept(site)))
}

fn has_admitted(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let is_it = |record: &DecisionRecord| {
        record.from_domain == words.text(1) && matches!(record.outcome, Decided::Admitted { .. })
    };
    if run.world.decisions(site).any(is_it) { Ok(()) } else { Err("it has not".to_owned()) }
}

fn has_routed(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    let hop = |record: &DecisionRecord| match &record.outcome {
        Decided::Routed { next_hop, .. } => Some(next_hop.clone()),
        _ => None,
    };
    let hops: Vec<String> = run.world.decisions(site).filter_map(hop).collect();
    let is_it = hops.iter().any(|hop| hop.starts_with(words.text(1)));
    if is_it { Ok(()) } else { Err(format!("it has routed requests to {hops:?}")) }
}

fn has_refused(run: &mut Run, words: &Words) -> Result<(), String> {
    let (site, word) = (run.site(words.text(0))?, words.text(1));
    let said = |record: &DecisionRecord| match &record.outcome {
        Decided::Refused { word, .. } => Some(word.as_str().to_owned()),
        _ => None,
    };
    let refused: Vec<String> = run.world.decisions(site).filter_map(said).collect();
    if refused.iter().any(|found| found == word) { Ok(()) } else { Err(format!("it has refused with {refused:?}")) }
}

fn has_tried(run: &mut Run, words: &Words) -> Result<(), String> {
    let address: std::net::IpAddr = words.number(1);
    let tried = &run.world.dialled;
    if tried.contains(&address) { Ok(()) } else { Err(format!("somebody has tried {tried:?}")) }
}

fn has_registrations(run: &mut Run, words: &Words) -> Result<(), String> {
    let (site, count) = (run.site(words.text(0))?, words.number::<usize>(1));
    let is_so = run
        .wait(words.within, |world| world.statuses(site).iter().map(|status| status.bindings).sum::<usize>() == count);
    if is_so { Ok(()) } else { Err("it has another number".to_owned()) }
}

fn suspects(run: &mut Run, words: &Words, is_expected: bool) -> Result<(), String> {
    let (site, domain) = (run.site(words.text(0))?, words.text(1));
    let ledgers = run.world.ledgers(site);
    let is_suspect = ledgers
        .iter()
        .any(|ledger| ledger.suspect_since_unix_ms.is_some() && ledger.domains.iter().any(|known| known == domain));
    if is_suspect == is_expected { Ok(()) } else { Err(format!("counted are {ledgers:?}")) }
}
