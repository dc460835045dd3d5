//! Partner entries in full, hosting providers and external access policies, from the command line on the store.

use serde_json::json;

use crate::place;
use crate::place::Place;

fn place() -> Place {
    Place::new("tls = [\"127.0.0.1:5061\"]")
}

/// That a command failed with an error that begins so.
fn told(answer: &place::Answer, error: &str) {
    assert!(answer.code != Some(0) && answer.stderr.lines().any(|line| line.starts_with(error)), "{}", answer.stderr);
}

fn with_alice() -> Place {
    let place = place();
    place.run(&["user", "add", "alice@contoso.example", "--generate"]).ok();
    place
}

#[test]
fn whoever_lifts_the_block_of_a_wildcard_is_told_of_which() {
    let place = place();
    for entered in [&["partner", "add", "fabrikam.example"][..], &["partner", "block", "*.example"]] {
        place.run(entered).ok();
    }
    for domain in ["fabrikam.example", "adatum.example"] {
        let blocked = format!("error: {domain} is blocked by the entry of *.example");
        let lift = "next: to lift that: comity partner unblock '*.example'";
        place.run(&["partner", "unblock", domain]).fails(&[&blocked, lift]);
    }
    place.run(&["partner", "unblock", "*.example"]).ok();
    place.run(&["partner", "unblock", "fabrikam.example"]).fails(&[
        "error: fabrikam.example is not blocked",
        "next: to see its entry: comity partner show fabrikam.example; to remove it: comity partner remove fabrikam.example",
    ]);
}

#[test]
fn an_entry_that_is_added_again_says_what_it_loses() {
    let place = place();
    place.run(&["partner", "add", "fabrikam.example", "--comment", "the bank"]).ok();
    place.run(&["partner", "set", "fabrikam.example", "--modalities", "messages"]).ok();
    let again = place.run(&["partner", "add", "fabrikam.example", "--edge", "sip.fabrikam.example"]).ok().stdout;
    assert_eq!(
        again,
        "fabrikam.example is allowed, with its edge sip.fabrikam.example\n  \
         kind: allowed server (before: allowed domain)\n  \
         edge: sip.fabrikam.example (before: -)\n  \
         comment: - (before: the bank)\n  \
         modalities: messages, presence, audio, video, sharing, files, meetings (before: messages)\n\
         it begins anew; to change a part of an entry and keep the rest: comity partner set fabrikam.example\n"
    );
    let same = place.run(&["partner", "add", "fabrikam.example", "--edge", "sip.fabrikam.example"]).ok().stdout;
    assert_eq!(same, "fabrikam.example is allowed, with its edge sip.fabrikam.example\n");
}

#[test]
fn the_terms_of_an_entry_are_changed_one_by_one() {
    let place = place();
    place.run(&["partner", "add", "fabrikam.example", "--edge", "sip.fabrikam.example", "--comment", "the bank"]).ok();
    let set = ["partner", "set", "fabrikam.example", "--modalities", "messages,audio", "--verification"];
    let changed = place.run(&[&set[..], &["always-unverifiable"]].concat()).ok().stdout;
    assert_eq!(
        changed,
        "the entry of fabrikam.example is changed\n  \
         verification: always-unverifiable (before: always-verifiable)\n  \
         modalities: messages, audio (before: messages, presence, audio, video, sharing, files, meetings)\n"
    );
    let changed = place.run(&["partner", "set", "fabrikam.example", "--no-edge"]).ok().stdout;
    assert!(changed.contains("kind: allowed domain (before: allowed server)"), "{changed}");
    let entry = &place.run(&["partner", "list", "--json"]).ok().json()[0];
    assert_eq!((&entry["edge"], &entry["comment"]), (&json!(null), &json!("the bank")));
    assert_eq!(
        (&entry["modalities"], &entry["verification"]),
        (&json!(["messages", "audio"]), &json!("always-unverifiable"))
    );
    let shown = place.run(&["partner", "show", "fabrikam.example"]).ok().stdout;
    for line in
        ["tier: allowed", "comment: the bank", "modalities: messages, audio", "verification: always-unverifiable"]
    {
        assert!(shown.contains(line), "{line} is missing in:\n{shown}");
    }
    let unmarked = place.run(&["partner", "set", "fabrikam.example", "--mark-source", "never"]).ok().stdout;
    assert!(unmarked.contains("mark source: never (before: by-default)"), "{unmarked}");
    assert!(place.run(&["partner", "show", "fabrikam.example"]).ok().stdout.contains("mark source: never"));
    let hidden = place.run(&["partner", "set", "fabrikam.example", "--hide-topology", "always"]).ok().stdout;
    assert!(hidden.contains("hide topology: always (before: by-default)"), "{hidden}");
    told(&place.run(&["partner", "set", "fabrikam.example"]), "error: nothing to change was named");
    told(
        &place.run(&["partner", "set", "litware.example", "--no-edge"]),
        "error: there is no entry for litware.example",
    );
    let wrong = place.run(&["partner", "set", "fabrikam.example", "--modalities", "smoke"]);
    assert!(wrong.stderr.contains("\"smoke\" is none of messages, presence"), "{}", wrong.stderr);
}

#[test]
fn an_entry_for_all_below_a_domain_decides_where_there_is_no_other() {
    let place = place();
    place.run(&["partner", "add", "*.fabrikam.example"]).ok();
    place.run(&["partner", "block", "bad.fabrikam.example"]).ok();
    let tier = |domain: &str| place.run(&["partner", "show", domain, "--json"]).ok().json()["tier"].clone();
    assert_eq!(tier("de.fabrikam.example"), json!("allowed"));
    assert_eq!(tier("bad.fabrikam.example"), json!("blocked"));
    assert_eq!(tier("fabrikam.example"), json!(null));
    let shown = place.run(&["partner", "show", "de.fabrikam.example"]).ok().stdout;
    assert!(shown.contains("decided by the entry of *.fabrikam.example"), "{shown}");
    place.run(&["partner", "remove", "*.fabrikam.example"]).ok();
    assert_eq!(tier("de.fabrikam.example"), json!(null));
}

#[test]
fn a_domain_may_be_typed_in_unicode_and_is_shown_in_both_forms() {
    let place = place();
    let both = "xn--bcher-kva.example (bücher.example)";
    let added = place.run(&["partner", "add", "Bücher.example."]).ok().stdout;
    assert_eq!(added, format!("{both} is allowed; its edge is found by DNS\n"));
    for typed in ["bücher.example", "xn--bcher-kva.example"] {
        let shown = place.run(&["partner", "show", typed]).ok().stdout;
        assert!(shown.starts_with(&format!("{both}\n  allowed")), "{shown}");
    }
    let listed = place.run(&["partner", "list"]).ok().stdout;
    assert!(listed.contains(both), "{listed}");
    let json = place.run(&["partner", "list", "--json"]).ok().json();
    assert_eq!(json[0]["domain"], json!("xn--bcher-kva.example"));
    let removed = place.run(&["partner", "remove", "bücher.example"]).ok().stdout;
    assert_eq!(removed, format!("{both} has no entry any more\n"));
}

#[test]
fn what_is_wider_or_narrower_than_a_domain_is_asked_about() {
    let place = place();
    place.run(&["partner", "add", "*.example"]).fails(&[
        "error: *.example would allow everybody below a top-level domain",
        "next: name the domains one by one, or the edge that all of it is behind (--edge HOST, in a file kind = \"allowed-server\" \
         and edge = \"HOST\"); whoever proves a domain comes in by discovery",
    ]);
    // One that was entered before this was asked about.
    let store = store::Store::open(&place.path().join("data/comity.db")).unwrap();
    store.put_partner(&federation::partner::Partner::allowed("*.test"), 1).unwrap();
    drop(store);
    place.run(&["partner", "set", "*.test", "--modalities", "messages"]).ok();
    let exported = place.run(&["partner", "export"]).ok().stdout;
    let file = place.path().join("wide.toml");
    std::fs::write(&file, exported.replace("\"messages\"", "\"presence\"")).unwrap();
    place.run(&["partner", "import", file.to_str().unwrap(), "--apply"]).ok();
    let listed = place.run(&["partner", "list", "--json"]).ok().json();
    assert_eq!(listed[0]["modalities"], json!(["presence"]), "{listed}");
    place.run(&["partner", "set", "*.test", "--edge", "sip.fabrikam.example"]).ok();
    told(&place.run(&["partner", "set", "*.test", "--no-edge"]), "error: *.test would allow everybody");
    assert!(
        place.run(&["partner", "add", "*.corp", "--edge", "sip.fabrikam.example"]).ok().stdout.contains("is allowed")
    );
    assert_eq!(place.run(&["partner", "block", "*.example"]).ok().stdout, "*.example is blocked\n");
    let added = place.run(&["partner", "add", "fabrikam"]).ok().stdout;
    assert!(added.ends_with("fabrikam has no dot; if that is a slip: comity partner remove fabrikam\n"), "{added}");
    place.run(&["partner", "remove", "fabrikam"]).ok();
}

#[test]
fn hosting_providers_are_entered_changed_listed_and_removed() {
    let place = place();
    let added = place.run(&["provider", "add", "cloud", "--edge", "Edge.cloud.example"]).ok().stdout;
    assert_eq!(added, "the hosting provider cloud is entered, with its edge edge.cloud.example\n");
    let shares = ["provider", "set", "cloud", "--shared-address-space", "yes", "--hosts-users", "yes"];
    let changed = place.run(&shares).ok().stdout;
    assert!(changed.ends_with("users of our domains who are not here are looked for there\n"), "{changed}");
    let listed = place.run(&["provider", "list"]).ok().stdout;
    assert!(listed.contains("edge.cloud.example") && listed.contains("at home there"), "{listed}");
    assert!(listed.lines().nth(1).is_some_and(|line| line.trim_end().ends_with("  -")), "all is usual:\n{listed}");
    let pins = ["ab", "cd"].map(|byte| byte.repeat(32));
    let terms = ["--monitored", "yes", "--pin", &pins[0], "--pin", &pins[1], "--modalities", "messages,audio"];
    let words = [
        "--verification",
        "use-source-verification",
        "--mark-source",
        "never",
        "--hide-topology",
        "always",
        "--comment",
        "ours",
    ];
    place.run(&[&["provider", "set", "cloud"][..], &terms, &words].concat()).ok();
    let listed = place.run(&["provider", "list"]).ok().stdout;
    let line = "  monitored; 2 pins; passes messages, audio; use-source-verification; source marked never; \
                topology hidden always  ours\n";
    assert!(listed.ends_with(line), "{listed}");
    place.run(&["partner", "add", "fabrikam.example", "--edge", "edge.cloud.example"]).fails(&[
        "error: edge.cloud.example is the edge of the hosting provider cloud",
        "next: a provider's domains are found by their SRV records: add the domain without --edge",
    ]);
    told(
        &place.run(&["provider", "add", "other", "--edge", "edge.cloud.example"]),
        "error: edge.cloud.example is the edge of",
    );
    told(
        &place.run(&["provider", "set", "cloud", "--shared-address-space", "no"]),
        "error: a provider hosts users of ours only in a shared address space",
    );
    place.run(&["provider", "remove", "cloud"]).ok();
    assert_eq!(place.run(&["provider", "list", "--json"]).ok().json(), json!([]));
    told(&place.run(&["provider", "remove", "cloud"]), "error: there is no hosting provider \"cloud\"");
}

#[test]
fn policies_are_set_given_and_shown() {
    let place = with_alice();
    let alice = "alice@contoso.example";
    let holds = || place.run(&["user", "access", alice, "--json"]).ok().json()["holds"].as_str().unwrap().to_owned();
    assert_eq!(holds(), "organisation (the organisation's)");
    let add =
        ["policy", "add", "sales", "--partners", "fabrikam.example,*.litware.example", "--modalities", "messages"];
    let added = place.run(&add).ok().stdout;
    assert_eq!(
        added,
        "sales\n  federation: yes\n  partners: fabrikam.example, *.litware.example\n  modalities: messages\n  from outside: yes\n  first contact: deliver\n  given to: nobody\n"
    );
    told(&place.run(&add), "error: there is a policy \"sales\" already");
    place.run(&["policy", "group", "workers", "sales"]).ok();
    place.run(&["user", "group", alice, "workers"]).ok();
    assert_eq!(holds(), "sales (given to the group workers)");
    place.run(&["user", "policy", alice, "organisation"]).ok();
    assert_eq!(holds(), "organisation (given to the user)");
    place.run(&["user", "policy", alice, "--none"]).ok();
    let changed = place.run(&["policy", "set", "sales", "--federation", "no"]).ok().stdout;
    assert!(changed.contains("federation: no\n  partners: fabrikam.example, *.litware.example\n"), "{changed}");
    assert!(changed.ends_with("given to: group workers\n"), "{changed}");
    told(&place.run(&["policy", "remove", "sales"]), "error: the policy sales is given to group workers");
    told(&place.run(&["user", "policy", alice, "nothing"]), "error: there is no policy \"nothing\"");
    place.run(&["policy", "group", "workers", "--none"]).ok();
    assert_eq!(place.run(&["policy", "remove", "sales"]).ok().stdout, "the policy sales is removed\n");
    assert!(place.run(&["policy", "list"]).ok().stdout.contains("organisation"));
}

#[test]
fn a_dry_run_names_the_policy_and_what_it_refuses() {
    let place = with_alice();
    place.run(&["policy", "set", "organisation", "--modalities", "audio"]).ok();
    place.run(&["partner", "add", "fabrikam.example", "--edge", "127.edge.example"]).ok();
    let why = place.run(&["why", "--from", "alice@contoso.example", "--to", "bob@fabrikam.example", "--dry-run"]);
    for line in ["the policy organisation (the organisation's) holds", "403 modality-not-allowed", "comity policy set"]
    {
        assert!(why.stdout.contains(line), "{line} is missing in:\n{}", why.stdout);
    }
}

#[test]
fn users_let_somebody_in_and_take_it_back() {
    let place = with_alice();
    let allow = ["user", "allow", "alice@contoso.example", "Bob@Fabrikam.example"];
    assert_eq!(place.run(&allow).ok().stdout, "alice@contoso.example lets bob@fabrikam.example in\n");
    assert_eq!(place.run(&allow).ok().stdout, "alice@contoso.example lets bob@fabrikam.example in already\n");
    let shown = place.run(&["user", "access", "alice@contoso.example"]).ok().stdout;
    assert!(shown.contains("lets in though nobody vouches for them: bob@fabrikam.example"), "{shown}");
    let unallow = ["user", "unallow", "alice@contoso.example", "bob@fabrikam.example"];
    assert_eq!(place.run(&unallow).ok().stdout, "alice@contoso.example no longer lets bob@fabrikam.example in\n");
    told(&place.run(&["user", "allow", "nobody@contoso.example", "fabrikam.example"]), "error: there is no user");
}

#[test]
fn an_import_enters_all_or_nothing() {
    let place = place();
    let domain = |domain: &str| format!("[[partner]]\ndomain = {domain:?}\nkind = \"allowed-domain\"\n");
    let many: String = (0..3_000).map(|number| domain(&format!("p{number}.example"))).collect();
    let text =
        |edge: &str| format!("{many}[[partner]]\ndomain = \"x.example\"\nkind = \"allowed-server\"\nedge = {edge:?}\n");
    std::fs::write(place.path().join("wrong.toml"), text("sip.x.example:0")).unwrap();
    for arguments in [&["partner", "import", "wrong.toml", "--apply"][..], &["partner", "import", "wrong.toml"]] {
        told(&place.run(arguments), "error: partner x.example: ");
    }
    assert_eq!(place.run(&["partner", "list", "--json"]).ok().json(), json!([]));
    std::fs::write(place.path().join("taken.toml"), text("sip.hoster.example")).unwrap();
    place.run(&["provider", "add", "hoster", "--edge", "sip.hoster.example"]).ok();
    told(&place.run(&["partner", "import", "taken.toml", "--apply"]), "error: sip.hoster.example is the edge of");
    let shown = place.run(&["partner", "import", "taken.toml"]);
    told(&shown, "error: sip.hoster.example is the edge of");
    assert!(
        shown.stdout.starts_with("to do, if all of it could be done\n  add partner p0.example"),
        "{}",
        shown.stdout
    );
    std::fs::write(
        place.path().join("three.toml"),
        ["contoso.example", "a b.example", "c.example"].map(domain).concat(),
    )
    .unwrap();
    let refused = place.run(&["partner", "import", "three.toml"]);
    told(&refused, "error: partner contoso.example: ");
    assert!(
        refused.stderr.contains("\n  partner a b.example: ") && !refused.stderr.contains("c.example: "),
        "{}",
        refused.stderr
    );
    assert_eq!(place.run(&["partner", "list", "--json"]).ok().json(), json!([]));
    std::fs::write(place.path().join("right.toml"), text("sip.x.example")).unwrap();
    let done = place.run(&["partner", "import", "right.toml", "--apply"]).ok().stdout;
    assert!(done.ends_with("3001 changes made\n"), "{done}");
    assert_eq!(place.run(&["partner", "list", "--json"]).ok().json().as_array().unwrap().len(), 3_001);
}

#[test]
fn what_one_server_exports_another_imports() {
    let (one, other) = (place(), place());
    one.run(&["partner", "add", "fabrikam.example", "--edge", "sip.fabrikam.example", "--modalities", "audio"]).ok();
    one.run(&["partner", "block", "adatum.example", "--comment", "spam"]).ok();
    one.run(&["provider", "add", "cloud", "--edge", "edge.cloud.example"]).ok();
    one.run(&["policy", "add", "sales", "--partners", "fabrikam.example"]).ok();
    one.run(&["policy", "group", "workers", "sales"]).ok();
    let authority = one.path().join("authority.pem");
    std::fs::write(&authority, place::Authority::named("Of Fabrikam").pem()).unwrap();
    let (pin, authority) = ("5a".repeat(32), authority.to_str().unwrap());
    one.run(&["partner", "trust", "fabrikam.example", "--anchor", authority]).ok();
    one.run(&["partner", "trust", "woodgrove.example", "--pin", &pin]).ok();
    let file = one.path().join("partners.toml");
    let file = file.to_str().unwrap();
    one.run(&["partner", "export", file]).ok();
    told(&one.run(&["partner", "export", file]), "error: cannot write");
    let shown = other.run(&["partner", "import", file]).ok().stdout;
    assert!(shown.contains("add partner fabrikam.example: allowed server, its edge sip.fabrikam.example"), "{shown}");
    for line in [
        "add group workers: its policy is sales",
        "add trust in fabrikam.example: 0 pinned certificates, 1 authority of its own",
        "add trust in woodgrove.example: 1 pinned certificate, 0 authorities of its own",
    ] {
        assert!(shown.contains(line), "{line} is missing in:\n{shown}");
    }
    assert!(shown.ends_with("nothing is changed yet; to do it, add --apply\n"), "{shown}");
    assert_eq!(other.run(&["partner", "list", "--json"]).ok().json(), json!([]));
    assert!(other.run(&["partner", "import", file, "--apply"]).ok().stdout.ends_with("7 changes made\n"));
    let shown = other.run(&["partner", "show", "fabrikam.example"]).ok().stdout;
    assert!(shown.contains("Of Fabrikam"), "{shown}");
    assert_eq!(other.run(&["partner", "export"]).ok().stdout, one.run(&["partner", "export"]).ok().stdout);
    assert_eq!(other.run(&["partner", "import", file]).ok().stdout, "nothing is to be changed\n");
    // A block is not lifted by a file.
    other.run(&["partner", "block", "fabrikam.example"]).ok();
    let refused = other.run(&["partner", "import", file, "--apply"]);
    assert!(refused.code != Some(0) && refused.stdout.contains("lift that first"), "{}", refused.stdout);
}

#[test]
fn what_lync_prints_is_planned_then_done_and_the_rest_is_told() {
    let place = place();
    let example = |name: &str| format!("{}/tests/lync/{name}", env!("CARGO_MANIFEST_DIR"));
    let (list, xml) = (example("allowed.txt"), example("configuration.xml"));
    let arguments = ["partner", "import", "--lync", &list, &xml];
    let shown = place.run(&arguments).ok().stdout;
    for line in [
        "add partner adatum.example: blocked",
        "add hosting provider Woodgrove-Cloud: its edge edge.woodgrove.example",
        "change policy organisation: no federation",
        "[federation] discovery = false",
        "organisation: EnableXmppAccess = \"false\": there is no XMPP gateway",
    ] {
        assert!(shown.contains(line), "{line} is missing in:\n{shown}");
    }
    let applied = place.run(&[&arguments[..], &["--apply"]].concat()).ok().stdout;
    assert!(applied.ends_with("6 changes made\n"), "{applied}");
    assert!(place.run(&arguments).ok().stdout.contains("nothing is to be changed"));
    told(&place.run(&["partner", "import", "--lync", "nothing.txt"]), "error: cannot read nothing.txt:");
    let other = place.path().join("other.txt");
    let other = other.to_str().unwrap();
    std::fs::write(other, "# what somebody noted\n").unwrap();
    let nothing = format!("error: {other}: there is nothing that Lync prints of federation in it");
    told(&place.run(&["partner", "import", "--lync", other]), &nothing);
    for (table, key) in [
        ("[[provider]]\nname = \"c\"\nedge = \"e.example\"\n", "enabld"),
        ("[[partner]]\ndomain = \"a.example\"\nkind = \"allowed-domain\"\n", "edgee"),
    ] {
        std::fs::write(other, format!("{table}{key} = false\n")).unwrap();
        let answer = place.run(&["partner", "import", other]);
        let named = format!("unknown field `{key}`");
        assert!(answer.code == Some(1) && answer.stderr.contains(&named), "{}", answer.stderr);
    }
    std::fs::write(other, "# what somebody noted\n").unwrap();
    told(
        &place.run(&["partner", "import", other]),
        &format!("error: {other}: there is no entry in it; for what Lync printed, add --lync"),
    );
    let no_object = "<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\">\r\n</Objs>";
    let utf_16: Vec<u8> = "\u{feff}\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for nothing in [&b"\n"[..], no_object.as_bytes(), &utf_16] {
        std::fs::write(other, nothing).unwrap();
        assert_eq!(place.run(&["partner", "import", "--lync", other]).ok().stdout, "nothing is to be changed\n");
    }
}

#[test]
fn an_import_from_lync_leaves_what_lync_does_not_say_and_tells_what_it_changes() {
    let place = place();
    let pin = "5a".repeat(32);
    let narrowed = [
        &["partner", "add", "fabrikam.example", "--modalities", "messages", "--mark-source", "never"][..],
        &["partner", "set", "fabrikam.example", "--hide-topology", "always"],
        &["partner", "add", "litware.example", "--comment", "since May", "--verification", "always-verifiable"],
        &["provider", "add", "Woodgrove-Cloud", "--edge", "edge.woodgrove.example", "--modalities", "presence"],
        &["provider", "set", "Woodgrove-Cloud", "--monitored", "yes", "--clearing-house", "yes", "--comment", "of May"],
        &["provider", "set", "Woodgrove-Cloud", "--mark-source", "never", "--hide-topology", "never", "--pin", &pin],
        &["policy", "set", "organisation", "--partners", "fabrikam.example", "--modalities", "messages"],
        &[
            "policy",
            "set",
            "organisation",
            "--first-contact",
            "ask",
            "--outside",
            "no",
            "--route",
            "sip:hub.example:5061",
        ],
    ];
    narrowed.iter().for_each(|command| drop(place.run(command).ok()));
    let example = |name: &str| format!("{}/tests/lync/{name}", env!("CARGO_MANIFEST_DIR"));
    let arguments = ["partner", "import", "--lync", &example("allowed.txt"), &example("configuration.xml")];
    let shown = place.run(&arguments).ok().stdout;
    let expected = "\
to do
  change partner fabrikam.example: allowed server, its edge edge.fabrikam.example
    kind: allowed server (before: allowed domain)
    edge: edge.fabrikam.example (before: -)
    comment: Since the merger (before: -)
    monitored: yes (before: no)
    verification: use-source-verification (before: always-verifiable)
  change partner litware.example: allowed domain
    verification: always-unverifiable (before: always-verifiable)
  add partner adatum.example: blocked
    comment: Spam, as told by the help desk
  change hosting provider Woodgrove-Cloud: its edge edge.woodgrove.example
    shared address space: yes (before: no)
    hosts users: yes (before: no)
  change policy organisation: no federation
    federation: no (before: yes)
  add policy Sales---more: federation

";
    assert!(shown.starts_with(expected), "{shown}");
    place.run(&[&arguments[..], &["--apply"]].concat()).ok();
    let listed = place.run(&["partner", "list", "--json"]).ok().json();
    let of = |domain: &str| listed.as_array().unwrap().iter().find(|entry| entry["domain"] == domain).unwrap().clone();
    let fabrikam = of("fabrikam.example");
    assert_eq!((&fabrikam["modalities"], &fabrikam["mark_source"]), (&json!(["messages"]), &json!("never")));
    assert_eq!(of("litware.example")["comment"], "since May");
    let provider = place.run(&["provider", "list", "--json"]).ok().json()[0].clone();
    assert_eq!((&provider["modalities"], &provider["comment"]), (&json!(["presence"]), &json!("of May")));
    assert_eq!((&provider["clearing_house"], &provider["monitored"]), (&json!(true), &json!(true)));
    assert_eq!((&provider["mark_source"], provider["pins"].as_array().unwrap().len()), (&json!("never"), 1));
    let policy = place.run(&["policy", "show", "organisation"]).ok().stdout;
    let expected = "organisation\n  federation: no\n  partners: fabrikam.example\n  modalities: messages\n  from outside: no\n  \
                    first contact: ask\n  route: hub.example:5061";
    assert!(policy.starts_with(expected), "{policy}");
}

#[test]
fn a_file_of_ours_holds_as_a_whole_and_what_it_takes_away_is_told_first() {
    let place = place();
    let pin = "5a".repeat(32);
    let entered = [
        &["partner", "add", "fabrikam.example", "--modalities", "messages", "--comment", "since May"][..],
        &["provider", "add", "cloud", "--edge", "edge.cloud.example", "--clearing-house", "yes", "--pin", &pin],
        &["policy", "set", "organisation", "--first-contact", "ask", "--partners", "fabrikam.example"],
        &["partner", "trust", "fabrikam.example", "--pin", &pin],
    ];
    entered.iter().for_each(|command| drop(place.run(command).ok()));
    let file = "[[partner]]\ndomain = \"fabrikam.example\"\nkind = \"allowed-domain\"\n\
                [[provider]]\nname = \"cloud\"\nedge = \"edge.cloud.example\"\n\
                [[policy]]\nname = \"organisation\"\n[[trust]]\ndomain = \"fabrikam.example\"\n";
    std::fs::write(place.path().join("bare.toml"), file).unwrap();
    let shown = place.run(&["partner", "import", "bare.toml"]).ok().stdout;
    let expected = format!(
        "\
to do
  change partner fabrikam.example: allowed domain
    comment: - (before: since May)
    modalities: messages, presence, audio, video, sharing, files, meetings (before: messages)
  change hosting provider cloud: its edge edge.cloud.example
    clearing house: no (before: yes)
    pinned certificates: - (before: {pin})
  change policy organisation: federation
    partners: all (before: fabrikam.example)
    first contact: deliver (before: ask)
  change trust in fabrikam.example: 0 pinned certificates, 0 authorities of its own
    pinned certificates: - (before: {pin})

nothing is changed yet; to do it, add --apply
"
    );
    assert_eq!(shown, expected);
    let told = place.run(&["partner", "import", "bare.toml", "--json"]).ok().json();
    let term = &told["changes"][0]["terms"][1];
    assert_eq!(
        term,
        &json!({"term": "modalities", "now": "messages, presence, audio, video, sharing, files, meetings", "before": "messages"}),
        "{told}"
    );
    place.run(&["partner", "import", "bare.toml", "--apply"]).ok();
    assert_eq!(place.run(&["partner", "import", "bare.toml"]).ok().stdout, "nothing is to be changed\n");
    assert_eq!(place.run(&["partner", "list", "--json"]).ok().json()[0]["modalities"].as_array().unwrap().len(), 7);
}

#[test]
fn who_has_no_entry_goes_through_the_clearing_house_and_who_has_a_route_by_it() {
    let place = with_alice();
    place.run(&["partner", "add", "fabrikam.example"]).ok();
    place.run(&["provider", "add", "hub", "--edge", "edge.hub.example", "--clearing-house", "yes"]).ok();
    let shown = place.run(&["partner", "show", "litware.example"]).ok().stdout;
    assert!(shown.contains("no entry: it is reached through edge.hub.example, the clearing house hub"), "{shown}");
    let wrong = place.run(&["policy", "add", "berlin", "--route", "sip:alice@edge.berlin.example"]);
    told(&wrong, "error: \"sip:alice@edge.berlin.example\" is no next hop: write it as sip:HOST:PORT;transport=tls");
    let route = ["--route", "sip:edge.berlin.example:5071;transport=tls"];
    let set = place.run(&[&["policy", "add", "berlin"][..], &route].concat()).ok().stdout;
    assert!(set.contains("  route: edge.berlin.example:5071\n"), "{set}");
    place.run(&["user", "policy", "alice@contoso.example", "berlin"]).ok();
    let dry = |to: &str| {
        let why = ["why", "--from", "alice@contoso.example", "--to", to, "--dry-run"];
        place.run(&why).stdout
    };
    for to in ["bob@fabrikam.example", "lena@litware.example"] {
        let told = dry(to);
        assert!(
            told.contains("edge.berlin.example:5071\n") && told.contains("the route of the policy berlin"),
            "{told}"
        );
    }
    let shown = place.run(&["partner", "show", "fabrikam.example"]).ok().stdout;
    let by_policy = "users with the policy berlin reach it through edge.berlin.example:5071";
    assert!(shown.contains(by_policy), "{shown}");
    // What does not name the route leaves it; "none" takes it away, and an export keeps it.
    place.run(&["policy", "set", "berlin", "--modalities", "messages"]).ok();
    let exported = place.run(&["partner", "export"]).ok().stdout;
    assert!(exported.contains("route = \"edge.berlin.example:5071\""), "{exported}");
    assert!(exported.contains("clearing_house = true"), "{exported}");
    place.run(&["policy", "set", "berlin", "--route", "none"]).ok();
    let told = dry("lena@litware.example");
    assert!(told.contains("edge.hub.example:5061") && told.contains("which is the clearing house hub"), "{told}");
}
