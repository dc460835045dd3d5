//! Users outside, who sign in by an edge: what each of the two servers adds, believes and takes off.

use std::time::Duration;

use sim::{Line, World, allowed, certificate, first_line};
use sip::{HeaderName, Message};

use crate::phone;

const ALICE: &str = "alice@contoso.example";
const DAVE: &str = "dave@contoso.example";
const ERIN: &str = "erin@contoso.example";
const BOB: &str = "bob@fabrikam.example";

/// Contoso has one edge before its home; Dave is inside and has signed in.
struct Stage {
    world: World,
    home: usize,
    edge: usize,
    dave: Line,
}

impl Stage {
    fn new(workers: u16) -> Stage {
        let mut world = World::new(u64::from(workers));
        let home = world.organisation("contoso.example", workers, &[allowed("fabrikam.example")], false);
        world.put_edges_before(home, 1);
        let edge = world.fronts(home)[0];
        world.user(home, ALICE);
        world.user(home, DAVE);
        let dave = phone::register(&mut world, home, 0, DAVE);
        Stage { world, home, edge, dave }
    }

    /// What Dave's phone gets of a MESSAGE with these header lines, on a connection on which its sender has registered.
    fn write(&mut self, line: Line, headers: &str) -> Message {
        let request =
            phone::request("MESSAGE", ALICE, DAVE, "m1").replace("Max-Forwards", &format!("{headers}Max-Forwards"));
        self.world.send(line, &request);
        self.world.only(self.dave)
    }

    /// Whether this line is asked for the password before a message of this user goes on.
    fn is_asked(&mut self, line: Line, user: &str, call_id: &str) -> bool {
        self.world.send(line, &phone::request("MESSAGE", user, DAVE, call_id));
        let came = self.world.take(self.dave).len();
        match came {
            0 => self.world.only(line).status() == Some(407),
            _ => false,
        }
    }
}

fn at_each_size(play: impl Fn(Stage)) {
    [1, 3].into_iter().for_each(|workers| play(Stage::new(workers)));
}

#[test]
fn a_registration_names_the_edge_on_either_side() {
    at_each_size(|mut stage| {
        let line = stage.world.connect(stage.edge, 0, None);
        let registered = phone::register_flow_with(&mut stage.world, line, ALICE, 1, "Supported: path\n");
        let path = registered.header_text(HeaderName::Path).unwrap();
        assert!(
            path.starts_with("<sip:f.") && path.ends_with("@edge1.contoso.example.inside:5071;transport=tls;lr;ob>"),
            "{path}"
        );
        let route = registered.header_text(HeaderName::ServiceRoute).unwrap();
        assert_eq!(route, "<sip:sip.contoso.example:5061;transport=tls;lr>", "as it is known outside");
        assert_eq!(registered.header_text(HeaderName::Require), Some("outbound"));
        assert!(registered.header(HeaderName::FlowTimer).is_some());
        assert!(registered.header_by_name("Comity-Admitted").is_none());
    });
}

#[test]
fn a_phone_that_says_nothing_of_path_is_reached_all_the_same_and_told_no_names_of_the_inside() {
    at_each_size(|mut stage| {
        let line = stage.world.connect(stage.edge, 0, None);
        let registered = phone::register_flow(&mut stage.world, line, ALICE, 1);
        assert_eq!(registered.status(), Some(200), "no 421, though RFC 3327 would have one");
        let text = String::from_utf8_lossy(registered.as_bytes()).into_owned();
        assert!(registered.header(HeaderName::Path).is_none() && !text.contains(".inside"), "{text}");
        stage.world.send(stage.dave, &phone::request("MESSAGE", DAVE, ALICE, "m1"));
        assert!(first_line(&stage.world.only(line)).starts_with("MESSAGE"));
    });
}

#[test]
fn what_a_phone_says_of_itself_goes_no_further() {
    at_each_size(|mut stage| {
        let line = phone::register(&mut stage.world, stage.edge, 0, ALICE);
        let claims = "Comity-Admitted: 1;partner=fabrikam.example;rung=Domain;tier=Allowed;verified=true\n\
                      ms-edge-proxy-message-trust: ms-source-type=DirectPartner\nP-Asserted-Identity: <sip:dave@contoso.example>\n";
        let received = stage.write(line, claims);
        for name in ["Comity-Admitted", "ms-edge-proxy-message-trust", "P-Asserted-Identity", "Proxy-Authorization"] {
            assert!(received.header_by_name(name).is_none(), "{name}");
        }
    });
}

#[test]
fn a_home_is_told_nothing_that_its_own_phones_could_say() {
    at_each_size(|mut stage| {
        // Inside, where no edge speaks, the header is a phone's word.
        let claim = "Comity-Admitted: 1;remote=f.1;edge=sip.contoso.example;port=5061;transport=TLS\n";
        let request =
            phone::request("MESSAGE", ALICE, DAVE, "m1").replace("Max-Forwards", &format!("{claim}Max-Forwards"));
        let line = stage.world.connect(stage.home, 0, None);
        stage.world.send(line, &request);
        assert_eq!(stage.world.only(line).status(), Some(407));
        stage.world.assert_quiet();
    });
}

#[test]
fn nobody_outside_speaks_as_a_partner_nor_a_partner_as_one_of_us() {
    at_each_size(|mut stage| {
        let line = phone::register(&mut stage.world, stage.edge, 0, ALICE);
        stage.world.send(line, &phone::request("MESSAGE", BOB, DAVE, "m1"));
        let refused = stage.world.only(line);
        assert!(
            refused.header_text(HeaderName::Warning).unwrap().contains("mixed-traffic"),
            "{}",
            first_line(&refused)
        );
        // The partner that the edge has proven speaks as Alice on the same connection.
        let partner = stage.world.connect(stage.edge, 0, Some(certificate(&["fabrikam.example"])));
        stage.world.send(partner, &phone::request("MESSAGE", BOB, DAVE, "m2"));
        assert_eq!(first_line(&stage.world.only(stage.dave)), "MESSAGE sip:dave@phone0.invalid;transport=tls SIP/2.0");
        stage.world.send(partner, &phone::request("MESSAGE", ALICE, DAVE, "m3"));
        let refused = stage.world.only(partner);
        assert!(
            refused.header_text(HeaderName::Warning).unwrap().contains("mixed-traffic"),
            "{}",
            first_line(&refused)
        );
    });
}

#[test]
fn who_has_registered_on_a_secure_connection_is_asked_no_more_on_that_one() {
    at_each_size(|mut stage| {
        stage.world.user(stage.home, ERIN);
        let line = phone::register(&mut stage.world, stage.edge, 0, ALICE);
        assert!(!stage.is_asked(line, ALICE, "m1"));
        assert!(stage.is_asked(line, ERIN, "m2"), "another user on the same connection");
        let other = stage.world.connect(stage.edge, 0, None);
        assert!(stage.is_asked(other, ALICE, "m3"), "the same user on another");
        phone::refresh(&mut stage.world, line, ALICE, 5);
        assert!(!stage.is_asked(line, ALICE, "m4"));
    });
}

#[test]
fn a_registration_itself_is_always_asked_for_the_password() {
    at_each_size(|mut stage| {
        let line = phone::register(&mut stage.world, stage.edge, 0, ALICE);
        stage.world.send(line, &phone::request("REGISTER", ALICE, ALICE, "r9"));
        assert_eq!(stage.world.only(line).status(), Some(401));
    });
}

#[test]
fn what_was_proven_ends_with_the_registration() {
    at_each_size(|mut stage| {
        let line = phone::register(&mut stage.world, stage.edge, 0, ALICE);
        assert!(!stage.is_asked(line, ALICE, "m1"));
        stage.world.pass(Duration::from_secs(3_601));
        phone::refresh(&mut stage.world, stage.dave, DAVE, 5);
        // What became of the first, which Dave's phone left unanswered.
        stage.world.take(line);
        stage.world.take(stage.dave);
        assert!(stage.is_asked(line, ALICE, "m2"));
    });
}

#[test]
fn what_was_proven_ends_with_the_account() {
    at_each_size(|mut stage| {
        let line = phone::register(&mut stage.world, stage.edge, 0, ALICE);
        stage.world.remove_user(stage.home, &ALICE.parse().unwrap());
        // Another person may have the name next.
        stage.world.user(stage.home, ALICE);
        assert!(stage.is_asked(line, ALICE, "m1"));
    });
}

#[test]
fn by_datagrams_and_without_encryption_each_request_is_asked() {
    at_each_size(|mut stage| {
        let line = stage.world.datagrams(stage.edge, 0);
        phone::register_on(&mut stage.world, line, ALICE);
        assert!(stage.is_asked(line, ALICE, "m1"));
    });
}

#[test]
fn beyond_so_many_phones_the_password_is_asked_for_each_time() {
    let mut stage = Stage::new(1);
    stage.world.user(stage.home, ERIN);
    stage.world.configure(stage.home, |config| config.limits.proven_phones_max = 1);
    stage.dave = phone::register(&mut stage.world, stage.home, 0, DAVE);
    let first = phone::register(&mut stage.world, stage.edge, 0, ALICE);
    let second = phone::register(&mut stage.world, stage.edge, 0, ERIN);
    assert!(!stage.is_asked(first, ALICE, "m1"));
    assert!(stage.is_asked(second, ERIN, "m2"));
    assert_eq!(stage.world.core(stage.home, 0).counts().limits_hit["proven_phones_max"], 1);
    stage.world.hang_up(first);
    phone::refresh(&mut stage.world, second, ERIN, 5);
    assert!(!stage.is_asked(second, ERIN, "m3"), "a phone that has gone makes room");
}

#[test]
fn an_address_that_proves_nobody_does_not_make_its_home_work_without_end() {
    let mut stage = Stage::new(1);
    stage.world.configure(stage.edge, |config| config.limits.unproven_per_address_max = 3);
    let signed_in = phone::register(&mut stage.world, stage.edge, 0, ALICE);
    let line = stage.world.connect(stage.edge, 0, None);
    let mut status_of = |call_id: &str| {
        stage.world.send(line, &phone::request("REGISTER", DAVE, DAVE, call_id));
        stage.world.only(line).status()
    };
    assert_eq!(
        ["r1", "r2"].map(&mut status_of),
        [Some(401), Some(503)],
        "Alice's phone has come twice, from there too"
    );
    let counts = stage.world.core(stage.edge, 0).counts();
    assert_eq!(counts.limits_hit["unproven_per_address_max"], 1);
    stage.write(signed_in, "");
}

/// Who only says who he is takes nobody's place.
#[test]
fn a_connection_counts_for_a_user_once_his_home_has_let_him_in() {
    let mut stage = Stage::new(1);
    stage.world.configure(stage.edge, |config| config.limits.flows_per_user_max = 2);
    let hits = |stage: &Stage| stage.world.core(stage.edge, 0).counts().limits_hit.get("flows_per_user_max").copied();
    let line = phone::register(&mut stage.world, stage.edge, 0, ALICE);
    let claims = stage.world.connect(stage.edge, 0, None);
    for number in 0..3 {
        stage.world.send(claims, &phone::request("MESSAGE", ALICE, DAVE, &format!("claimed{number}")));
        assert_eq!(stage.world.take_response(claims).status(), Some(407));
    }
    assert_eq!((stage.world.is_line_open(line), hits(&stage)), (true, None));
    let [second, third] = ["second", "third"].map(|call_id| {
        let line = stage.world.connect(stage.edge, 0, None);
        let message = phone::request("MESSAGE", ALICE, DAVE, call_id);
        stage.world.send(line, &message);
        let challenge = stage.world.take_response(line);
        stage.world.send(line, &phone::answered(&message, &challenge, ALICE));
        let arrived = stage.world.only(stage.dave);
        stage.world.send(stage.dave, &phone::answer(&arrived, "200 OK", "dave"));
        assert_eq!(stage.world.take_response(line).status(), Some(200));
        line
    });
    let open = [line, second, third, claims].map(|line| stage.world.is_line_open(line));
    assert_eq!((open, hits(&stage)), ([true, false, true, true], Some(1)));
}

/// What his home is told when the connection ends has its limit at the edge; he is reached as well as any.
#[test]
fn a_user_more_than_an_edge_remembers_of_one_connection_is_counted() {
    for (max, hits) in [(1, Some(1)), (2, None)] {
        let mut stage = Stage::new(1);
        stage.world.user(stage.home, ERIN);
        stage.world.configure(stage.edge, |config| config.limits.users_per_flow_max = max);
        let line = phone::register(&mut stage.world, stage.edge, 0, ALICE);
        phone::register_on(&mut stage.world, line, ERIN);
        phone::refresh(&mut stage.world, line, ALICE, 5);
        assert_eq!(stage.world.core(stage.edge, 0).counts().limits_hit.get("users_per_flow_max").copied(), hits);
        stage.world.send(stage.dave, &phone::request("MESSAGE", DAVE, ERIN, "to-erin"));
        let arrived = stage.world.only(line);
        stage.world.send(line, &phone::answer(&arrived, "200 OK", "erin"));
        assert_eq!(stage.world.only(stage.dave).status(), Some(200));
        let bindings =
            |stage: &Stage| stage.world.statuses(stage.home).iter().map(|status| status.bindings).sum::<usize>();
        assert_eq!(bindings(&stage), 3);
        stage.world.hang_up(line);
        assert_eq!(bindings(&stage), if hits.is_some() { 2 } else { 1 });
    }
}
