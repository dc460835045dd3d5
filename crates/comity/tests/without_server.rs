//! The command line where no server runs: it works on the store, and says so.

use crate::place::Place;

const LISTEN: &str = "tls = [\"127.0.0.1:5061\"]";

fn place() -> Place {
    Place::new(LISTEN)
}

#[test]
fn help_names_every_command_and_shows_examples() {
    let help = place().run(&["--help"]).ok().stdout;
    for word in
        ["serve", "check", "status", "user", "partner", "route", "why", "demo", "--config", "--json", "Examples:"]
    {
        assert!(help.contains(word), "{word} is missing in:\n{help}");
    }
    for command in [["user", "add"], ["partner", "add"], ["partner", "show"], ["user", "list"]] {
        let help = place().run(&[command[0], command[1], "--help"]).ok().stdout;
        assert!(help.contains("Example"), "{help}");
    }
}

#[test]
fn users_are_added_listed_changed_and_removed() {
    let place = place();
    let added = place.run_with_input(&["user", "add", "Alice@Contoso.Example", "--password-stdin"], "a good one\n");
    assert_eq!(added.stdout, "user alice@contoso.example added\n", "{}", added.stderr);
    assert_eq!(added.stderr, "no server is running: working on data/comity.db directly\n");
    let listed = place.run(&["user", "list"]).ok().stdout;
    assert!(listed.starts_with("USER"), "{listed}");
    assert!(listed.contains("alice@contoso.example"), "{listed}");
    let changed = place.run(&["user", "passwd", "alice@contoso.example", "--generate", "--json"]).ok().json();
    assert_eq!(changed["password"].as_str().unwrap().len(), 19);
    assert_eq!(
        place.run(&["user", "remove", "alice@contoso.example"]).ok().stdout,
        "user alice@contoso.example removed\n"
    );
    assert_eq!(place.run(&["user", "list", "--json"]).ok().json(), serde_json::json!([]));
}

#[test]
fn what_cannot_be_done_with_a_user_says_what_to_do() {
    let place = place();
    place.run(&["user", "add", "alice@contoso.example", "--generate"]).ok();
    place.run(&["user", "add", "alice@contoso.example", "--generate"]).fails(&[
        "error: user alice@contoso.example exists",
        "next: to change its password: comity user passwd alice@contoso.example",
    ]);
    place
        .run(&["user", "remove", "bob@contoso.example"])
        .fails(&["error: there is no user bob@contoso.example", "next: to see the users: comity user list"]);
    place.run(&["user", "add", "alice@fabrikam.example", "--generate"]).fails(&[
        "error: fabrikam.example is not a domain of this server",
        "next: the domains served here are: contoso.example",
    ]);
    let unspeakable = place.run(&["user", "add", "Bob Jones@contoso.example", "--generate"]);
    assert!(unspeakable.stderr.contains("\"Bob Jones\" cannot be the name of a user; letters from a to z, digits, "));
    place.run_with_input(&["user", "add", "bob@contoso.example", "--password-stdin"], "short\n").fails(&[
        "error: the password has 5 characters",
        "next: a password has 8 to 256 characters; --generate makes a good one",
    ]);
    place.run(&["user", "add", "bob@contoso.example"]).fails(&[
        "error: there is no terminal to ask for the password",
        "next: pipe it in with --password-stdin, or let one be made with --generate",
    ]);
}

#[test]
fn partners_are_allowed_blocked_and_shown() {
    let place = place();
    let added = place.run(&["partner", "add", "Fabrikam.Example.", "--edge", "SIP.fabrikam.example:5071"]).ok();
    assert_eq!(added.stdout, "fabrikam.example is allowed, with its edge sip.fabrikam.example:5071\n");
    place.run(&["partner", "add", "litware.example", "--comment", "the print shop"]).ok();
    let blocked = place.run(&["partner", "block", "fabrikam.example"]).ok().stdout;
    let expected = "fabrikam.example is blocked\n  kind: blocked (before: allowed server)\n  \
        edge: - (before: sip.fabrikam.example:5071)\n";
    assert_eq!(blocked, expected);
    let listed = place.run(&["partner", "list"]).ok().stdout;
    let rows: Vec<Vec<&str>> =
        listed.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect();
    assert_eq!(rows[0], ["DOMAIN", "KIND", "EDGE", "SINCE", "COMMENT"]);
    assert_eq!(rows[1][..3], ["fabrikam.example", "blocked", "-"]);
    assert_eq!(rows[2][..3], ["litware.example", "allowed domain", "-"]);
    assert_eq!(rows[2][4], "the print shop");
    let shown = place.run(&["partner", "show", "fabrikam.example"]).ok().stdout;
    assert!(shown.contains("blocked: nothing from it or to it passes"), "{shown}");
    let unknown = place.run(&["partner", "show", "adatum.example", "--json"]).ok().json();
    assert_eq!(unknown["entry"], serde_json::Value::Null);
    assert_eq!(unknown["meaning"], "no entry, and discovery is off: nothing from it or to it passes");
}

#[test]
fn a_block_is_lifted_before_anything_else() {
    let place = place();
    place.run(&["partner", "block", "fabrikam.example"]).ok();
    let lift = "next: first lift the block: comity partner unblock fabrikam.example";
    place.run(&["partner", "add", "fabrikam.example"]).fails(&["error: fabrikam.example is blocked", lift]);
    place.run(&["partner", "remove", "fabrikam.example"]).fails(&["error: fabrikam.example is blocked", lift]);
    place.run(&["partner", "unblock", "fabrikam.example"]).ok();
    place.run(&["partner", "add", "fabrikam.example"]).ok();
    place.run(&["partner", "unblock", "fabrikam.example"]).fails(&[
        "error: fabrikam.example is not blocked",
        "next: to see its entry: comity partner show fabrikam.example; to remove it: comity partner remove fabrikam.example",
    ]);
    place.run(&["partner", "add", "contoso.example"]).fails(&[
        "error: contoso.example is a domain of this server",
        "next: partners are other organisations' domains; ours are under domains in comity.toml",
    ]);
    let ours = [
        "error: contoso.example is an edge of this organisation",
        "next: name the edge of the partner or provider; what is sent to our own would come back to us",
    ];
    place.run(&["partner", "add", "litware.example", "--edge", "contoso.example"]).fails(&ours);
    place.run(&["provider", "add", "Cloud", "--edge", "contoso.example"]).fails(&ours);
    place.run(&["partner", "add", "litware.example", "--edge", "contoso.example:5071"]).ok();
}

#[test]
fn what_is_mistyped_is_a_usage_error() {
    for arguments in [
        &["partner", "add", "sip:fabrikam.example"][..],
        &["partner", "add", "fabrikam.example", "--edge", "192.0.2.1"],
        &["user", "add", "alice"],
        &["user", "add", "alice@192.0.2.1"],
        &["partner", "befriend", "fabrikam.example"],
        &["user", "add", "alice@contoso.example", "--generate", "--password-stdin"],
    ] {
        let answer = place().run(arguments);
        assert_eq!(answer.code, Some(2), "{arguments:?}: {}", answer.stderr);
        assert!(answer.stderr.starts_with("error: "), "{}", answer.stderr);
    }
}

#[test]
fn a_configuration_that_is_absent_can_be_made() {
    let place = place();
    for (file, hint) in [
        ("new/comity.toml", "next: make one: comity init --directory new"),
        ("other.toml", "next: make one: comity init --config other.toml"),
    ] {
        place.run(&["serve", "--config", file]).fails(&[&format!("error: there is no {file}"), hint]);
    }
}

#[test]
fn status_says_that_no_server_runs_and_how_to_start_one() {
    place().run(&["status"]).fails(&["error: no server is running with comity.toml", "next: start it: comity serve"]);
}

#[test]
fn check_shows_what_the_configuration_means_and_what_partners_will_miss() {
    let place = place();
    place.certify(&["sip.contoso.example"]);
    let checked = place.run(&["check"]).ok().stdout;
    assert!(checked.starts_with("ok: comity.toml means\n\ndomains = [\"contoso.example\"]"), "{checked}");
    assert!(!checked.contains("warning"), "{checked}");
    place.certify(&["www.contoso.example"]);
    let answer = place.run(&["check", "--json"]).ok().json();
    let warnings: Vec<_> = answer["warnings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert!(warnings[0].contains("does not name the edge sip.contoso.example"), "{warnings:?}");
    assert!(warnings[1].contains("does not prove contoso.example"), "{warnings:?}");
    let key = place.path().join("contoso.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let checked = place.run(&["check"]).ok().stdout;
    assert!(checked.contains("warning: everybody on this machine may read the key contoso.key"), "{checked}");
}

#[test]
fn check_and_serve_refuse_a_key_of_another_certificate() {
    let place = place();
    place.certify(&["sip.contoso.example"]);
    let key = std::fs::read(place.path().join("contoso.key")).unwrap();
    place.certify(&["sip.contoso.example"]);
    std::fs::write(place.path().join("contoso.key"), key).unwrap();
    for command in ["check", "serve"] {
        let answer = place.run(&[command]);
        assert_eq!(answer.code, Some(1), "{}", answer.stdout);
        assert!(answer.stderr.contains("the key in contoso.key is not the key of"), "{}", answer.stderr);
    }
}

#[test]
fn every_problem_of_a_file_is_told_with_its_line() {
    let place = place();
    std::fs::write(place.path().join("comity.toml"), "domain = [\"contoso.example\"]\nedge = 5\n").unwrap();
    let answer = place.run(&["check"]);
    assert_eq!(answer.code, Some(1));
    let lines: Vec<_> = answer.stderr.lines().collect();
    assert_eq!(
        lines[0],
        "error: comity.toml:1: unknown key \"domain\" at the top of the file; did you mean \"domains\"?"
    );
    assert!(lines[1].starts_with("comity.toml:2: edge: expected a text in quotes, found an integer"), "{lines:?}");
    assert!(lines[2].starts_with("comity.toml: missing key \"chain\" in [certificate]"), "{lines:?}");
    assert_eq!(
        lines.last().unwrap(),
        &"next: correct it, then look again: comity check; every key: comity check --keys"
    );
}

#[test]
fn a_folder_without_a_configuration_is_told_where_one_is_looked_for() {
    let place = place();
    std::fs::remove_file(place.path().join("comity.toml")).unwrap();
    let answer = place.run(&["user", "list"]);
    // Where the machine has one of its own, that one is used.
    if answer.code == Some(1) {
        assert!(
            answer.stderr.starts_with("error: there is no configuration: neither comity.toml"),
            "{}",
            answer.stderr
        );
        assert!(answer.stderr.contains("\nnext: name the file with --config FILE"), "{}", answer.stderr);
    }
}

#[test]
fn why_answers_from_what_is_stored_and_by_a_dry_run() {
    let place = place();
    place.run(&["user", "add", "alice@contoso.example", "--generate"]).ok();
    place.run(&["partner", "block", "adatum.example"]).ok();
    let try_it = |from: &str, to: &str| place.run(&["why", "--from", from, "--to", to, "--dry-run"]).ok().stdout;
    assert_eq!(
        try_it("alice@contoso.example", "eve@adatum.example"),
        "nothing is sent; it would go like this\n\n\
         alice@contoso.example is a user here, and would be let through with the right password\n\
         refused by us: 403 domain-blocked\n    adatum.example is blocked in the partner list\n\n\
         verdict:    adatum.example is blocked in our partner list\n\
         how sure:   certain: it was seen here\n\
         next:       if it should not be, lift the block: comity partner unblock adatum.example\n\
         whose side: ours\n"
    );
    assert!(try_it("bob@contoso.example", "eve@adatum.example").contains("bob@contoso.example is no user here"));
    assert!(try_it("eve@adatum.example", "alice@contoso.example").ends_with("whose side: ours\n"));
    assert!(
        try_it("eve@adatum.example", "bob@fabrikam.example").contains("neither adatum.example nor fabrikam.example")
    );
    assert!(try_it("alice@contoso.example", "alice@contoso.example").contains("no server runs"));
    place.run(&["why", "nothing-like-it"]).fails(&[
        "error: nothing was decided here about the Call-ID nothing-like-it, as far as is remembered",
        "next: check the Call-ID; admitted requests are remembered until the server restarts or thousands more have come, \
         refused ones for 30 days, but for those that could not be read: of them the last few hundred; if it never came here, ask the sender, or: comity why --from A --to B --dry-run",
    ]);
    place.run(&["why", "--from", "alice@contoso.example", "--to", "bob@fabrikam.example"]).fails(&[
        "error: nothing from contoso.example to fabrikam.example was decided here, as far as is remembered",
        "next: a phone may have gone its own way: it has to have this server as its outbound proxy; see what would happen: \
         comity why --from NAME@contoso.example --to NAME@fabrikam.example --dry-run",
    ]);
    let neither = place.run(&["why"]);
    assert_eq!(neither.code, Some(2), "a Call-ID, or both addresses");
    assert!(neither.stderr.contains("<CALL-ID | --from <ADDRESS> --to <ADDRESS>>\n"), "{}", neither.stderr);
}

#[test]
fn a_way_is_walked_without_a_server_and_without_a_certificate() {
    let place = place();
    let told = |arguments: &[&str]| {
        let answer = place.run(arguments);
        assert_eq!(answer.code, Some(1), "{}{}", answer.stdout, answer.stderr);
        answer.stdout
    };
    // Nobody listens where the configuration says the name server is.
    place.run(&["partner", "add", "fabrikam.example"]).ok();
    let shown = told(&["route", "fabrikam.example"]);
    assert!(shown.contains("_sipfederationtls._tcp.fabrikam.example (SRV): the SRV lookup "), "{shown}");
    assert!(shown.contains("our own certificate cannot be shown: "), "{shown}");
    assert!(shown.contains("verdict:    the DNS gave no usable answer about fabrikam.example\n"), "{shown}");
    assert!(shown.ends_with("whose side: the network between, or the DNS\n"), "{shown}");
    place.run(&["partner", "block", "adatum.example"]).ok();
    let shown = told(&["route", "adatum.example"]);
    assert!(shown.contains("next:       if it should not be, lift the block: comity partner unblock adatum.example\n"));
    assert!(shown.ends_with("whose side: ours\n"), "{shown}");
    let reset = place.run(&["partner", "reset", "fabrikam.example"]).ok().stdout;
    assert_eq!(reset, "nothing is remembered of fabrikam.example where no server runs\n");
    let shown = told(&["route", "contoso.example"]);
    assert!(shown.contains("contoso.example is our own: this is the way on which partners come"), "{shown}");
    assert!(shown.contains("verdict:    the DNS gave no usable answer about contoso.example\n"), "{shown}");
}

#[test]
fn what_newcomers_type_wrongly_is_answered_with_what_to_type() {
    let place = place();
    place
        .run(&["--config", ".", "check"])
        .fails(&["error: . is a folder", "next: name the file in it: --config ./comity.toml"]);
    place
        .run(&["--config", "comity.toml/x.toml", "check"])
        .fails(&["error: there is no comity.toml/x.toml", "next: make one: comity init --config comity.toml/x.toml"]);
    place.run(&["partner", "import", "nofile.toml"]).fails(&[
        "error: cannot read nofile.toml: No such file or directory (os error 2)",
        "next: name a file that comity partner export wrote, or with --lync one that Lync printed",
    ]);
    for (typed, told) in [
        (
            ["partner", "add", "https://fabrikam.example"],
            "write the name alone, without a scheme or a path: fabrikam.example",
        ),
        (
            ["partner", "add", "sip:fabrikam.example"],
            "write the name alone, without a scheme or a path: fabrikam.example",
        ),
        (["partner", "add", "bob@fabrikam.example"], "write the part after the @ alone: fabrikam.example"),
        (["user", "add", "alice"], "write NAME@DOMAIN, such as alice@contoso.example"),
    ] {
        let answer = place.run(&typed);
        assert!(answer.code == Some(2) && answer.stderr.contains(told), "{typed:?}: {}", answer.stderr);
    }
    for edge in ["https://sip.fabrikam.example", "https://sip.fabrikam.example:5061/"] {
        let answer = place.run(&["partner", "add", "fabrikam.example", "--edge", edge]);
        assert!(answer.stderr.contains("write the name alone, without a scheme or a path"), "{}", answer.stderr);
    }
    let answer = place.run(&["partner", "add", "fabrikam.example", "--edge", "sip:sip.fabrikam.example"]);
    assert!(
        answer.stderr.contains("write the name alone, without a scheme or a path: sip.fabrikam"),
        "{}",
        answer.stderr
    );
}
