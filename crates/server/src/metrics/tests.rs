//! Every metric against its definition, and every count of the workers against the metrics.

use std::collections::{BTreeMap, BTreeSet};

use federation::flow::Direction;
use net::media::MediaCounters;
use signaling::{
    ANSWER_MS_STEPS, AnswerTimes, COUNTED_LIMITS, CoreCounts, CoreStatus, Ending, LegCounts, LinkCounts, LinkStatus,
};
use sip::refusal::Word;

use super::snapshot::WorkerSnapshot;
use super::*;
use crate::acme_service::AcmeStatus;
use crate::certificate::ServedCertificate;

/// Each number of a worker is another one, so that it can be found again.
fn worker(worker: u16) -> WorkerSnapshot {
    let core = CoreStatus {
        worker,
        flows: 1_000,
        client_flows: 101,
        partner_flows: 102,
        server_transactions: 103,
        client_transactions: 104,
        response_contexts: 105,
        waiting: 106,
        bindings: 107,
        watchers: 151,
        publications: 152,
        conferences: 161,
        agent_requests: 162,
        calls_under_way: 163,
        message_sessions_under_way: 165,
        meeting_calls_under_way: 164,
        queues_draining: 108,
        stored_repeats: 109,
        calls_between: 153,
        legs: 306,
        timers: 110,
        undeliverable: 0,
        links_by_state: LinkCounts { idle: 111, resolving: 112, connecting: 113, up: 114 },
        partner_servers_failed: 115,
        partners_away: 400,
        monitored_partners_away: 188,
        discovered_partners: 168,
        suspect_partners: 1,
        is_draining: false,
        links: Vec::new(),
    };
    let limits_hit = COUNTED_LIMITS.into_iter().zip(500..).collect();
    let counts = CoreCounts {
        admitted_of_users: 116,
        admitted_of_allowed_partners: 117,
        admitted_of_discovered_partners: 118,
        look_alikes: 170,
        consents_asked: 190,
        held: 191,
        held_released: 192,
        challenged: 119,
        refused: BTreeMap::from([
            ((Direction::Inbound, Word::NoRoute), 120),
            ((Direction::Outbound, Word::NoRoute), 121),
        ]),
        sent_to_partners: 122,
        over_share_of_partners: [189, 193],
        retried: 123,
        responses_elsewhere: 188,
        answered_by_class: BTreeMap::from([(2, 124), (3, 125), (4, 126), (5, 127), (6, 128)]),
        answer_times: AnswerTimes { counts: [150, 1, 1, 1, 1, 1, 1, 1, 1], sum_ms: 159_000 },
        stored: 129,
        stored_delivered: 130,
        calls_ended: Ending::CAUSES.into_iter().zip(165..).collect(),
        set_up_times: AnswerTimes { counts: [175, 1, 1, 1, 1, 1, 1, 1, 1], sum_ms: 174_000 },
        legs: LegCounts { closed: 184, packets_received: 185, packets_lost: 186, packets_late: 187 },
        limits_hit,
    };
    WorkerSnapshot { worker, has_answered: true, core, counts, sockets: sockets(worker) }
}

/// Without `..`: a new counter must find its metric.
fn sockets(worker: u16) -> net::Counters {
    net::Counters {
        worker,
        flows: 0,
        flows_accepted: 201,
        flows_connected: 202,
        flows_adopted: 203,
        flows_given_away: 0,
        flows_ended: 204,
        flows_idle_ended: 205,
        slow_writers_ended: 236,
        connects_failed: 206,
        dns_questions: 207,
        dns_failures: 208,
        handshakes_completed: 209,
        handshakes_resumed: 210,
        handshakes_failed: 211,
        handshakes_full: 212,
        web_sockets_opened: 232,
        web_sockets_refused: 233,
        web_sockets_silent_ended: 234,
        introductions_full: 0,
        introductions_refused: 0,
        unfinished_displaced: 213,
        unfinished_refused: 0,
        connections_refused: 214,
        connections_per_ip_refused: 215,
        accepts_failed: 216,
        messages_received: 217,
        messages_sent: 218,
        datagrams_received: 219,
        datagrams_sent: 220,
        datagrams_ignored: 221,
        stun_answered: 235,
        datagrams_oversized: 222,
        datagrams_unsent: 223,
        framing_errors: 224,
        parse_errors: 225,
        parse_errors_answered: 226,
        parse_errors_ended: 227,
        tls_errors: 228,
        slow_readers_ended: 229,
        transmits_without_flow: 230,
        handoffs_dropped: 231,
    }
}

/// Without `..`, likewise.
fn media() -> MediaCounters {
    MediaCounters {
        thread: 0,
        bridges: 401,
        legs: 402,
        legs_max: 403,
        legs_opened: 404,
        legs_refused: 405,
        legs_expired: 406,
        legs_lost: 414,
        packets_received: 407,
        packets_sent: 408,
        packets_unsent: 409,
        packets_malformed: 410,
        packets_refused: 411,
        packets_stray: 412,
        frames_skipped: 413,
    }
}

fn ending((is_monitored, not_after_unix): (bool, i64)) -> crate::partner_watch::Ending {
    crate::partner_watch::Ending {
        domain: "a.example".into(),
        provider: None,
        is_monitored,
        fingerprint: String::new(),
        not_after_unix,
    }
}

fn snapshot(workers: u16) -> Snapshot {
    let stored = StoredSnapshot { users: 301, ..StoredSnapshot::default() };
    let server = ServerSnapshot {
        uptime_secs: 302,
        now_unix: 2_000,
        certificate: ServedCertificate {
            acme: Some(AcmeStatus { issued: 311, failed: 312, next_unix: 313, ..AcmeStatus::default() }),
            ..ServedCertificate::default()
        },
        stored: Some(stored),
        messages_expired: 303,
        held_discarded: 321,
        store_failures: 304,
        pins_changed: 310,
        records_dropped: 309,
        partner_endings: [(true, 319), (false, 320)].map(ending).into(),
        edges: EdgeCounts {
            current: 314,
            being_told: 315,
            out_of_reach: 316,
            sound_connected: 322,
            sound_draining: 323,
            sound_away: 324,
        },
        told_unix: 317,
        home_heard_unix: 318,
        resources: Some(Resources {
            open_files: 305,
            open_files_max: 306,
            resident_memory_bytes: 307,
            cpu_secs: 308.5,
        }),
    };
    Snapshot { workers: (0..workers).map(worker).collect(), media: vec![media()], server }
}

fn series(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').map(|(name, value)| (name, value.parse().unwrap())).unwrap()).collect()
}

#[test]
fn every_number_of_a_worker_is_in_the_text() {
    let text = render(&snapshot(1));
    let values: BTreeSet<u64> = series(&text).into_values().map(|value| value as u64).collect();
    let of_cores = (101..=130).chain(150..=159).chain(161..=189).chain([193]);
    let expected =
        of_cores.chain(201..=231).chain([236]).chain(301..=309).chain(311..=320).chain(401..=413).chain(500..540);
    let missing: Vec<u64> = expected.filter(|number| !values.contains(number)).collect();
    assert_eq!(missing, [] as [u64; 0], "{text}");
}

#[test]
fn workers_are_summed_or_shown_one_by_one() {
    let text = render(&snapshot(3));
    let all = series(&text);
    assert_eq!(all["comity_requests_admitted_total{sender=\"user\"}"], 3.0 * 116.0);
    assert_eq!(all["comity_requests_refused_total{direction=\"outbound\",word=\"no-route\"}"], 3.0 * 121.0);
    assert_eq!(all["comity_flows{worker=\"2\",kind=\"undecided\"}"], 797.0);
    let place = COUNTED_LIMITS.iter().position(|limit| *limit == "waiting_max").expect("it is counted") as f64;
    assert_eq!(all["comity_limit_hits_total{limit=\"waiting_max\"}"], 3.0 * (500.0 + place));
}

#[test]
fn names_follow_the_conventions_and_samples_their_definitions() {
    let snapshot = snapshot(2);
    let mut names = BTreeSet::new();
    for metric in ALL {
        let Metric { name, kind, labels, help, read } = metric;
        assert!(names.insert(name), "{name} is defined twice");
        assert!(name.starts_with("comity_") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(help.starts_with(|first: char| first.is_ascii_uppercase() || first == '1'), "{name}: {help}");
        assert!(!help.ends_with('.') && !help.contains(['\\', '\n', '"']) && !help.contains("  "), "{name}: {help}");
        let samples = read(&snapshot);
        if *kind == Kind::Histogram {
            check_histogram(name, &samples);
            continue;
        }
        let possible: usize = labels.iter().map(|label| values(label).len()).product();
        assert_eq!(samples.len(), possible, "{name}: a series for each combination of labels");
        let distinct: BTreeSet<&Vec<String>> = samples.iter().map(|sample| &sample.labels).collect();
        assert_eq!(distinct.len(), possible, "{name}");
        for sample in &samples {
            assert_eq!(sample.labels.len(), labels.len(), "{name}");
            for (label, value) in labels.iter().zip(&sample.labels) {
                assert!(values(label).contains(value), "{name}: {}={value}", label.name);
            }
        }
    }
}

/// Steps that rise, each with what lies below it too, and at the end what all come to.
fn check_histogram(name: &str, samples: &[definition::Sample]) {
    let buckets: Vec<_> = samples.iter().filter(|sample| sample.suffix == "_bucket").collect();
    assert_eq!(buckets.len(), ANSWER_MS_STEPS.len() + 1, "{name}");
    assert!(buckets.is_sorted_by(|a, b| a.value <= b.value), "{name}");
    let count = samples.iter().find(|sample| sample.suffix == "_count").unwrap();
    assert_eq!(buckets.last().map(|last| (last.labels[0].as_str(), last.value)), Some(("+Inf", count.value)), "{name}");
}

/// Of a server with two workers.
fn values(label: &Label) -> Vec<String> {
    match label.values {
        Values::Words(words) => words.iter().map(|word| (*word).to_owned()).collect(),
        Values::Workers => vec!["0".to_owned(), "1".to_owned()],
        Values::Version => vec![env!("CARGO_PKG_VERSION").to_owned()],
    }
}

#[test]
fn partners_and_refusals_by_the_thousand_make_no_new_series() {
    let before: Vec<String> = series(&render(&snapshot(2))).into_keys().map(str::to_owned).collect();
    let mut crowded = snapshot(2);
    for (number, worker) in (0..5_000).zip([0, 1].into_iter().cycle()) {
        let core = &mut crowded.workers[worker].core;
        core.links.push(LinkStatus {
            domain: format!("partner{number}.example"),
            connection: 0,
            state: "up".to_owned(),
            rung: Some("domain".to_owned()),
            host: Some(format!("edge.partner{number}.example:5061")),
            last_failure: None,
        });
        core.links_by_state.up += 1;
    }
    let stored = crowded.server.stored.as_mut().unwrap();
    stored.partners_by_kind = BTreeMap::from([("allowed-domain", 5_000)]);
    for word in Word::ALL {
        crowded.workers[0].counts.refused.insert((Direction::Inbound, *word), 1);
    }
    let text = render(&crowded);
    assert_eq!(series(&text).into_keys().collect::<Vec<_>>(), before);
    assert!(!text.contains("example"), "{text}");
}

#[test]
fn a_worker_that_does_not_answer_keeps_its_counts() {
    let mut last = LastAnswers::default();
    let answer = |number| (worker(number).core, worker(number).counts);
    let sockets_of = |numbers: [u16; 2]| numbers.map(sockets).to_vec();
    let all = last.update(2, vec![answer(0), answer(1)], sockets_of([0, 1]));
    assert!(all.iter().all(|worker| worker.has_answered));
    assert_eq!(last.update_media(vec![media()]), [media()]);
    assert_eq!(last.update_media(Vec::new()), [media()]);
    let after = last.update(2, vec![answer(0)], vec![sockets(0)]);
    assert_eq!((after[0].has_answered, after[1].has_answered), (true, false));
    assert_eq!((&after[1].counts, &after[1].sockets), (&all[1].counts, &all[1].sockets));
}

#[test]
fn what_the_store_cannot_say_is_absent_and_not_nothing() {
    let server = ServerSnapshot { stored: None, ..ServerSnapshot::default() };
    let text = render(&Snapshot { server, ..snapshot(1) });
    assert!(!series(&text).keys().any(|name| name.starts_with("comity_users")), "{text}");
}
