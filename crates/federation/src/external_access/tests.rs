use super::*;
use crate::modality::Modality;

fn aor(name: &str) -> Aor {
    format!("{name}@contoso.example").parse().expect("an address")
}

fn messages_only(name: &str) -> Policy {
    Policy { modalities: [Modality::Messages].into_iter().collect(), ..Policy::new(name) }
}

fn fabrikam_only(name: &str) -> Policy {
    let list = vec!["fabrikam.example".to_owned(), "*.litware.example".to_owned()];
    Policy { partners: PartnerScope::Only(list), ..Policy::new(name) }
}

fn closed(name: &str) -> Policy {
    Policy { federation: false, ..Policy::new(name) }
}

/// alice has a policy of her own, bob and dan are in a group that has one, carol has the organisation's.
fn access() -> ExternalAccess {
    let policies = [messages_only(ORGANISATION), fabrikam_only("sales"), closed("closed")];
    let mut access = ExternalAccess::new(policies);
    access.give_to_user(aor("alice"), "sales");
    access.give_to_group("floor", "closed");
    for name in ["bob", "dan", "alice"] {
        access.put_into_group(aor(name), "floor");
    }
    access
}

fn partners() -> Partners {
    let limited =
        Partner { modalities: "messages,presence".parse().expect("words"), ..Partner::allowed("tailspin.example") };
    Partners::new(vec![limited], true, true).with_access(access())
}

/// `Ok` or the status and word.
fn decided(user: &str, domain: &str, direction: Direction, modalities: &str) -> String {
    let user = aor(user);
    let crossing = Crossing {
        direction,
        user: Some(&user),
        domain,
        provider: None,
        modalities: modalities.parse().expect("words"),
        part: Part::Begins,
        unverified_sender: None,
    };
    match decide(&partners(), &crossing) {
        Ok(()) => "ok".to_owned(),
        Err(refusal) => format!("{} {}", refusal.status, refusal.word),
    }
}

#[test]
fn the_closest_policy_counts_alone() {
    use Direction::{Inbound, Outbound};
    for (user, domain, direction, modalities, expected) in [
        // Her own: any modality, but only with some partners; the organisation's limit is not merged in.
        ("alice", "fabrikam.example", Outbound, "video", "ok"),
        ("alice", "de.litware.example", Inbound, "audio,video", "ok"),
        ("alice", "litware.example", Outbound, "messages", "403 partner-not-for-user"),
        ("alice", "northwind.example", Inbound, "messages", "404 user-unknown"),
        // His group's.
        ("bob", "fabrikam.example", Outbound, "messages", "403 federation-not-for-user"),
        ("bob", "fabrikam.example", Inbound, "messages", "404 user-unknown"),
        // The organisation's.
        ("carol", "northwind.example", Outbound, "messages", "ok"),
        ("carol", "northwind.example", Inbound, "audio", "403 modality-not-allowed"),
        ("nobody", "northwind.example", Inbound, "audio", "403 modality-not-allowed"),
    ] {
        assert_eq!(
            decided(user, domain, direction, modalities),
            expected,
            "{user} {domain} {direction:?} {modalities}"
        );
    }
}

#[test]
fn a_group_without_a_policy_leaves_the_organisation_s() {
    let mut access = access();
    access.put_into_group(aor("erin"), "nobody's");
    assert_eq!(access.policy_of(Some(&aor("erin"))).1, Scope::Organisation);
    assert_eq!(access.policy_of(None).0.map(|policy| policy.name.as_str()), Some(ORGANISATION));
}

#[test]
fn a_partner_s_own_limits_count_besides() {
    let open = Partners::new(
        vec![Partner { modalities: "audio".parse().expect("words"), ..Partner::allowed("*.t.example") }],
        true,
        true,
    );
    let user = aor("alice");
    let decided = |domain: &str, modalities: &str| {
        let modalities = modalities.parse().expect("words");
        let (direction, unverified_sender) = (Direction::Inbound, None);
        decide(
            &open,
            &Crossing {
                direction,
                user: Some(&user),
                domain,
                provider: None,
                modalities,
                part: Part::Begins,
                unverified_sender,
            },
        )
    };
    assert!(decided("a.t.example", "audio").is_ok());
    let refusal = decided("a.t.example", "video").expect_err("it is not allowed");
    assert_eq!(refusal.reason, "the partner entry of *.t.example allows audio, not video");
    assert!(decided("t.example", "video").is_ok(), "the entry is not about it");
}

#[test]
fn a_dialog_that_was_let_in_goes_on_but_gets_no_new_modality() {
    let within = |user: &str, part: Part, modalities: &str| {
        let user = aor(user);
        let modalities = modalities.parse().expect("words");
        let (direction, domain, unverified_sender) =
            (Direction::Inbound, "tailspin.example", Some("x@tailspin.example"));
        let crossing =
            Crossing { direction, user: Some(&user), domain, provider: None, modalities, part, unverified_sender };
        decide(&partners(), &crossing).map_err(|refusal| refusal.word)
    };
    assert_eq!(within("carol", Part::GoesOn, "none"), Ok(()));
    assert_eq!(within("carol", Part::GoesOn, "video"), Err(Word::ModalityNotAllowed));
    // Who may speak to nobody any more can still be hung up on.
    assert_eq!(within("bob", Part::GoesOn, "none"), Err(Word::FederationNotForUser));
    assert_eq!(within("bob", Part::Ends, "none"), Ok(()));
}

#[test]
fn who_is_unverified_reaches_only_those_who_allow_it() {
    let mut access = ExternalAccess::default();
    access.let_reach(aor("alice"), "Bob@fabrikam.example");
    access.let_reach(aor("carol"), "fabrikam.example");
    let partners = Partners::new(vec![], true, true).with_access(access);
    let reaches = |user: Option<&str>, sender: &str| {
        let user = user.map(aor);
        let crossing = Crossing {
            direction: Direction::Inbound,
            user: user.as_ref(),
            domain: "fabrikam.example",
            provider: None,
            modalities: Modalities::NONE,
            part: Part::Begins,
            unverified_sender: Some(sender),
        };
        decide(&partners, &crossing).map_err(|refusal| refusal.word)
    };
    assert_eq!(reaches(Some("alice"), "bob@FABRIKAM.example"), Ok(()));
    assert_eq!(reaches(Some("alice"), "eve@fabrikam.example"), Err(Word::SourceUnverified));
    assert_eq!(reaches(Some("carol"), "eve@fabrikam.example"), Ok(()));
    assert_eq!(reaches(Some("carol"), "eve@b.fabrikam.example"), Err(Word::SourceUnverified));
    assert_eq!(reaches(Some("nobody"), "bob@fabrikam.example"), Err(Word::SourceUnverified));
    assert_eq!(reaches(None, "bob@fabrikam.example"), Err(Word::SourceUnverified));
}

#[test]
fn an_edge_leaves_to_its_home_what_concerns_users() {
    let list = vec![Partner { modalities: Modalities::NONE, ..Partner::allowed("tailspin.example") }];
    let partners = Partners::new(list, true, true).with_access(ExternalAccess::for_home());
    let alice = aor("alice");
    let crossing = |domain, unverified_sender| Crossing {
        direction: Direction::Inbound,
        user: Some(&alice),
        domain,
        provider: None,
        modalities: [Modality::Messages].into_iter().collect(),
        part: Part::Begins,
        unverified_sender,
    };
    decide(&partners, &crossing("fabrikam.example", Some("bob@fabrikam.example"))).expect("the home decides");
    let refusal = decide(&partners, &crossing("tailspin.example", None)).expect_err("the entry is known here");
    assert_eq!(refusal.word.as_str(), "modality-not-allowed");
}
