use super::*;

const NOW: u64 = 1_700_000_000_000;

fn certificate(serial: &str) -> CertificateId {
    CertificateId { issuer: "CN=Some CA".into(), serial: serial.into() }
}

/// One partner and the clock.
struct Partner {
    ledgers: Ledgers,
    now: u64,
    certificate: CertificateId,
}

impl Partner {
    fn new() -> Partner {
        Partner { ledgers: Ledgers::default(), now: NOW, certificate: certificate("01") }
    }

    fn ask(&mut self, user: u64) -> Result<(), OverLimit> {
        self.enter(Some(user), false)
    }

    fn enter(&mut self, user: Option<u64>, in_dialog: bool) -> Result<(), OverLimit> {
        self.reach(user, in_dialog, None)
    }

    fn reach(&mut self, user: Option<u64>, in_dialog: bool, reaches: Option<u64>) -> Result<(), OverLimit> {
        let certificate = &self.certificate;
        let entry =
            Entry { certificate, domain: "f.example", look_alike: None, user, in_dialog, reaches, is_paced: false };
        let taken = self.ledgers.take(self.now, &entry);
        self.ledgers.judge(self.now, certificate);
        taken
    }

    /// Writes to somebody.
    fn write(&mut self, user: u64) -> Result<(), OverLimit> {
        self.pass(50);
        self.reach(Some(user), false, Some(user))
    }

    /// Asks for somebody who does not exist.
    fn miss(&mut self, user: u64) -> Option<KeptSuspect> {
        self.ask(user).expect("it is let through");
        self.ledgers.missed(self.now, &self.certificate, user)
    }

    fn pass(&mut self, ms: u64) {
        self.now += ms;
    }

    fn is_suspect(&mut self) -> bool {
        self.ledgers.summaries(self.now)[0].suspect_since_unix_ms.is_some()
    }

    /// Tries names at a rate that is allowed until it is suspect; says after how many.
    fn harvest(&mut self) -> u64 {
        for user in 0..100 {
            self.pass(1000);
            if self.miss(user).is_some() {
                return user + 1;
            }
        }
        panic!("never suspect");
    }
}

#[test]
fn twenty_a_second_pass_for_ever_and_a_burst_is_bounded() {
    let mut partner = Partner::new();
    for _ in 0..20 * 600 {
        partner.pass(50);
        assert_eq!(partner.ask(1), Ok(()));
    }
    partner.pass(3_600_000);
    let passed = (0..500).filter(|_| partner.ask(1).is_ok()).count();
    assert_eq!(passed, 100, "five seconds' worth");
    assert_eq!(partner.ask(1), Err(OverLimit::Rate { per_sec: 20, retry_after_secs: 5 }));
    partner.pass(1_000);
    assert_eq!((0..500).filter(|_| partner.ask(1).is_ok()).count(), 20);
}

#[test]
fn what_is_within_dialogs_passes_where_new_requests_do_not() {
    let mut partner = Partner::new();
    while partner.ask(1).is_ok() {}
    let passed = (0..5_000).filter(|_| partner.enter(None, true).is_ok()).count();
    assert_eq!(passed, 1_000, "more, and not all");
}

#[test]
fn a_clock_that_is_set_back_keeps_nobody_waiting() {
    let mut partner = Partner::new();
    while partner.ask(1).is_ok() {}
    partner.now -= 3_600_000;
    assert!(partner.ask(1).is_err());
    partner.pass(1_000);
    assert_eq!(partner.ask(1), Ok(()));
}

#[test]
fn a_thousand_users_and_those_addressed_before_go_on() {
    let mut partner = Partner::new();
    for user in 0..1_000 {
        partner.pass(50);
        assert_eq!(partner.ask(user), Ok(()), "{user}");
    }
    partner.pass(10_000);
    assert_eq!(partner.ask(1_000), Err(OverLimit::Users { max: 1_000 }));
    assert_eq!(partner.ask(999), Ok(()));
    partner.pass(NAME_LIFE_MS - 10_000);
    assert_eq!(partner.ask(1_001), Ok(()), "those not addressed for a week make room");
}

#[test]
fn who_tries_names_is_suspect_after_twenty_and_kept_to_whom_he_has_addressed() {
    let mut partner = Partner::new();
    assert_eq!(partner.ask(7_000), Ok(()));
    assert_eq!(partner.harvest(), MISSED_MIN);
    partner.pass(10_000);
    assert_eq!(partner.ask(5_000), Err(OverLimit::Suspect));
    assert_eq!(partner.ask(7_000), Ok(()), "whom he has addressed goes on");
    partner.pass(60_000);
    assert_eq!((0..100).filter(|_| partner.ask(7_000).is_ok()).count(), 5, "one a second, five at once");
}

#[test]
fn who_mostly_writes_to_people_is_not_suspect() {
    let mut partner = Partner::new();
    for user in 0..100 {
        partner.pass(1_000);
        assert_eq!(partner.ask(10_000 + user), Ok(()));
    }
    for user in 0..100 {
        partner.pass(1_000);
        assert_eq!(partner.miss(user), None, "{user}");
    }
    assert_eq!(partner.miss(200).map(|kept| kept.users.len()), Some(100), "half and one");
}

#[test]
fn one_who_is_missing_counts_once_however_often_he_is_asked_for() {
    let mut partner = Partner::new();
    for _ in 0..1_000 {
        partner.pass(1_000);
        assert_eq!(partner.miss(1), None);
    }
    assert!(!partner.is_suspect());
}

#[test]
fn a_day_of_good_conduct_is_the_way_back_and_trying_on_is_not() {
    let mut partner = Partner::new();
    partner.harvest();
    partner.pass(PARDON_MS - WINDOW_MS);
    assert!(partner.is_suspect());
    for user in 0..MISSED_MIN {
        partner.pass(1_000);
        assert_eq!(partner.ask(9_000 + user), Err(OverLimit::Suspect));
    }
    partner.pass(2 * WINDOW_MS);
    assert!(partner.is_suspect(), "it went on trying");
    partner.pass(PARDON_MS);
    assert!(!partner.is_suspect());
    assert_eq!(partner.ask(9_000), Ok(()));
}

#[test]
fn a_pardon_forgets_the_ledger() {
    let mut partner = Partner::new();
    partner.harvest();
    assert_eq!(partner.ledgers.reset("g.example"), []);
    assert_eq!(partner.ledgers.reset("f.example"), [certificate("01")]);
    assert!(partner.ledgers.is_empty());
    assert_eq!(partner.ledgers.names, 0);
    assert_eq!(partner.ask(5_000), Ok(()));
}

#[test]
fn a_suspect_is_one_after_a_restart_and_goes_on_with_whom_he_knew() {
    let mut partner = Partner::new();
    assert_eq!(partner.ask(7_000), Ok(()));
    for user in 0..MISSED_MIN - 1 {
        partner.miss(user);
    }
    let kept = partner.miss(50).expect("suspect");
    assert_eq!((kept.users.as_slice(), kept.domains.as_slice()), ([7_000].as_slice(), ["f.example".into()].as_slice()));
    let mut after = Partner::new();
    after.ledgers.restore(kept);
    after.pass(60_000);
    assert_eq!(after.ask(8_000), Err(OverLimit::Suspect));
    assert_eq!(after.ask(7_000), Ok(()));
}

#[test]
fn ledgers_are_bounded_and_suspects_are_forgotten_last() {
    let limits =
        LedgerLimits { ledgers_max: 3, ledger_names_max: 10, ledger_domains_max: 2, ..LedgerLimits::default() };
    let mut partner = Partner { ledgers: Ledgers::new(DiscoveredTerms::default(), limits, 1), ..Partner::new() };
    partner.ledgers.limits.ledger_names_max = 100;
    partner.harvest();
    for serial in 2..50 {
        partner.pass(1);
        partner.certificate = certificate(&format!("{serial:02}"));
        assert_eq!(partner.ask(1), Ok(()));
    }
    assert_eq!((partner.ledgers.len(), partner.ledgers.suspects(), partner.ledgers.forgotten), (3, 1, 46));
}

#[test]
fn names_of_all_ledgers_together_are_bounded() {
    let limits =
        LedgerLimits { ledgers_max: 100, ledger_names_max: 10, ledger_domains_max: 2, ..LedgerLimits::default() };
    let mut partner = Partner { ledgers: Ledgers::new(DiscoveredTerms::default(), limits, 1), ..Partner::new() };
    for serial in 0..20 {
        partner.pass(1);
        partner.certificate = certificate(&format!("{serial:02}"));
        for user in 0..5 {
            assert_eq!(partner.ask(user), Ok(()));
        }
        assert!(partner.ledgers.names <= 10, "{}", partner.ledgers.names);
    }
    assert_eq!(partner.ledgers.len(), 2);
}

#[test]
fn domains_of_a_ledger_are_bounded_and_its_requests_counted_all_the_same() {
    let mut ledgers = Ledgers::default();
    let certificate = certificate("01");
    for number in 0..100 {
        let domain = format!("d{number}.example");
        let entry = Entry {
            certificate: &certificate,
            domain: &domain,
            look_alike: None,
            user: None,
            in_dialog: false,
            reaches: None,
            is_paced: false,
        };
        ledgers.take(NOW, &entry).expect("within the burst");
    }
    let summary = &ledgers.summaries(NOW)[0];
    assert_eq!((summary.domains.len(), summary.total.passed, summary.this_hour.passed), (32, 100, 100));
    let an_hour_later = &ledgers.summaries(NOW + WINDOW_MS)[0];
    assert_eq!((an_hour_later.this_hour.passed, an_hour_later.last_hour.passed), (0, 100));
}

#[test]
fn a_domain_is_looked_at_once_and_again_after_a_restart() {
    let mut partner = Partner::new();
    let like =
        LookAlike { domain: "f.example".into(), of: "e.example".into(), likeness: crate::look_alike::Likeness::Typo };
    let certificate = certificate("01");
    assert_eq!(partner.ledgers.seen(&certificate, "f.example"), None);
    let entry = Entry {
        certificate: &certificate,
        domain: "f.example",
        look_alike: Some(&like),
        user: None,
        in_dialog: false,
        reaches: None,
        is_paced: false,
    };
    assert_eq!(partner.ledgers.take(NOW, &entry), Ok(()));
    assert_eq!(partner.ledgers.seen(&certificate, "f.example"), Some(Some(&like)));
    assert_eq!(partner.ledgers.summaries(NOW)[0].look_alikes, [like]);
    partner.harvest();
    let kept = partner.ledgers.ledgers_by_certificate[&certificate].kept(&certificate).expect("suspect");
    let mut after = Ledgers::default();
    after.restore(kept);
    assert_eq!(after.seen(&certificate, "f.example"), None);
}

#[test]
fn who_is_not_answered_may_write_three_times_a_day_and_who_is_as_often_as_he_likes() {
    let mut partner = Partner::new();
    let passed = (0..50).filter(|_| partner.write(1).is_ok()).count();
    assert_eq!((passed, partner.write(1)), (3, Err(OverLimit::UnansweredByUser { max: 3 })));
    assert_eq!(partner.write(2), Ok(()), "to others, too");
    partner.pass(KNOCKS_MS);
    assert_eq!((0..50).filter(|_| partner.write(1).is_ok()).count(), 3, "another day");
    assert!(partner.ledgers.turned_to(1, "f.example"), "he answers");
    assert!(!partner.ledgers.turned_to(1, "f.example"), "and that is known");
    assert_eq!((0..50).filter(|_| partner.write(1).is_ok()).count(), 50);
    assert_eq!(partner.write(2), Ok(()));
    assert_eq!((0..50).filter(|_| partner.write(2).is_ok()).count(), 2, "one answers for himself");
}

#[test]
fn what_is_said_in_a_session_that_a_program_took_counts_as_well() {
    let mut partner = Partner::new();
    let passed = (0..50).filter(|_| partner.reach(None, true, Some(1)).is_ok()).count();
    assert_eq!((passed, partner.write(1)), (3, Err(OverLimit::UnansweredByUser { max: 3 })));
    partner.ledgers.turned_to(1, "f.example");
    assert_eq!((0..50).filter(|_| partner.reach(None, true, Some(1)).is_ok()).count(), 50);
}

#[test]
fn thirty_users_may_leave_a_partner_unanswered_and_each_answer_makes_room() {
    let mut partner = Partner::new();
    let passed = (0..100).filter(|user| partner.write(*user).is_ok()).count();
    assert_eq!((passed, partner.write(100)), (30, Err(OverLimit::UnansweredByUsers { max: 30 })));
    assert_eq!(partner.write(7), Ok(()), "whom it has written to before");
    partner.ledgers.turned_to(7, "f.example");
    let passed = (100..200).filter(|user| partner.write(*user).is_ok()).count();
    assert_eq!(passed, 31, "his own place, and thirty more");
    partner.pass(KNOCKS_MS);
    assert_eq!((200..300).filter(|user| partner.write(*user).is_ok()).count(), 60);
}

#[test]
fn ten_an_hour_reach_a_user_however_many_strangers_there_are() {
    let mut partner = Partner::new();
    let by = |partner: &mut Partner, serial: u64| {
        partner.certificate = certificate(&format!("{serial:x}"));
        partner.write(1)
    };
    let passed = (0..100).filter(|serial| by(&mut partner, *serial).is_ok()).count();
    assert_eq!((passed, by(&mut partner, 100)), (10, Err(OverLimit::UnansweredInHour { max: 10 })));
    assert_eq!(partner.write(2), Ok(()), "others are not meant");
    partner.pass(WINDOW_MS);
    assert_eq!((0..100).filter(|serial| by(&mut partner, *serial).is_ok()).count(), 10, "another hour");
    partner.ledgers.turned_to(1, "f.example");
    assert_eq!((0..100).filter(|serial| by(&mut partner, *serial).is_ok()).count(), 100, "all of one domain here");
}

#[test]
fn what_was_answered_leaves_room_for_other_strangers_in_the_hour() {
    let mut partner = Partner::new();
    (0..3).for_each(|_| partner.write(1).expect("three pass"));
    partner.ledgers.turned_to(1, "f.example");
    let mut passed = 0;
    for serial in 0..100 {
        partner.certificate = certificate(&format!("{serial:x}"));
        partner.pass(50);
        let entry = Entry {
            certificate: &partner.certificate,
            domain: "other.example",
            look_alike: None,
            user: Some(1),
            in_dialog: false,
            reaches: Some(1),
            is_paced: false,
        };
        passed += u32::from(partner.ledgers.take(partner.now, &entry).is_ok());
    }
    assert_eq!(passed, 10);
}

#[test]
fn workers_share_what_a_user_may_get() {
    let mut partner =
        Partner { ledgers: Ledgers::new(DiscoveredTerms::default(), LedgerLimits::default(), 4), ..Partner::new() };
    let mut passed = 0;
    for serial in 0..100 {
        partner.certificate = certificate(&format!("{serial:x}"));
        passed += u32::from(partner.write(1).is_ok());
    }
    assert_eq!(passed, 3, "of ten, to be sure that each gets one");
}

#[test]
fn acquaintances_and_recipients_are_bounded() {
    let limits = LedgerLimits { acquaintances_max: 10, recipients_max: 5, ..LedgerLimits::default() };
    let mut partner = Partner { ledgers: Ledgers::new(DiscoveredTerms::default(), limits, 1), ..Partner::new() };
    for user in 0..1_000 {
        partner.ledgers.turned_to(user, "f.example");
        partner.ledgers.turned_to(0, "f.example");
        assert!(partner.ledgers.acquaintances.len() <= 11, "{user}");
    }
    assert!(!partner.ledgers.turned_to(0, "f.example"), "who is needed again and again is kept");
    assert!(partner.ledgers.turned_to(1, "f.example"), "who is not is forgotten");
    let passed = (5_000..5_020).filter(|user| partner.write(*user).is_ok()).count();
    assert_eq!((passed, partner.ledgers.recipients.len()), (5, 5));
    // Of each half four are new, and the first two halves had room.
    assert_eq!(partner.ledgers.limits_met(), [("acquaintances_max", 248), ("ledgers_max", 0), ("recipients_max", 15)]);
    partner.pass(WINDOW_MS);
    assert_eq!((6_000..6_020).filter(|user| partner.write(*user).is_ok()).count(), 5, "when their hours are over");
}

/// What is kept of a message to a user that was let through.
fn knock(partner: &Partner, user: u64) -> KeptAnswer {
    let (domain, certificate) = ("f.example".into(), partner.certificate.clone());
    KeptAnswer::Knock { at_unix_ms: partner.now, user, domain, certificate }
}

fn restarted(before: &Partner, kept: &[KeptAnswer]) -> Partner {
    let mut after = Partner { now: before.now, ..Partner::new() };
    kept.iter().for_each(|kept| after.ledgers.restore_answer(kept));
    after
}

#[test]
fn whoever_was_not_answered_has_no_new_day_after_a_restart() {
    let mut partner = Partner::new();
    let mut kept = Vec::new();
    while partner.write(1).is_ok() {
        kept.push(knock(&partner, 1));
    }
    for user in 2..31 {
        partner.write(user).expect("thirty users");
        kept.push(knock(&partner, user));
    }
    let mut after = restarted(&partner, &kept);
    assert_eq!(after.write(1), Err(OverLimit::UnansweredByUser { max: 3 }));
    assert_eq!(after.write(31), Err(OverLimit::UnansweredByUsers { max: 30 }));
    assert_eq!((after.write(2), after.ledgers.names), (Ok(()), 30));
    after.pass(KNOCKS_MS);
    assert_eq!(after.write(1), Ok(()), "and a new day comes all the same");
}

#[test]
fn whom_a_user_has_turned_to_goes_on_after_a_restart() {
    let partner = Partner::new();
    let turned = KeptAnswer::TurnedTo { at_unix_ms: NOW, user: 1, domain: "f.example".into() };
    let mut after = restarted(&partner, &[turned, knock(&partner, 1), knock(&partner, 2)]);
    assert!((0..50).all(|_| after.write(1).is_ok()));
    // One has answered, so that sixty may leave it unanswered; one has not.
    let unanswered = (2..200).filter(|user| after.write(*user).is_ok()).count();
    assert_eq!(unanswered, 60);
}

#[test]
fn what_reached_a_user_in_this_hour_counts_after_a_restart() {
    let mut partner = Partner::new();
    let kept: Vec<KeptAnswer> = (0..10)
        .map(|serial| {
            partner.certificate = certificate(&format!("{serial:02}"));
            knock(&partner, 1)
        })
        .collect();
    let mut after = restarted(&partner, &kept);
    after.certificate = certificate("99");
    assert_eq!(after.write(1), Err(OverLimit::UnansweredInHour { max: 10 }));
    assert_eq!(after.write(2), Ok(()));
    after.pass(WINDOW_MS);
    assert_eq!(after.write(1), Ok(()));
}

#[test]
fn what_an_edge_has_paced_is_not_paced_again() {
    let mut partner = Partner::new();
    let certificate = partner.certificate.clone();
    let mut enter = |is_paced| {
        let entry = Entry {
            certificate: &certificate,
            domain: "f.example",
            look_alike: None,
            user: Some(1),
            in_dialog: false,
            reaches: None,
            is_paced,
        };
        partner.ledgers.take(NOW, &entry)
    };
    assert_eq!((0..500).filter(|_| enter(true).is_ok()).count(), 500);
    assert_eq!((0..500).filter(|_| enter(false).is_ok()).count(), 100);
}
