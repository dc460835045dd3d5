//! Requests go to a partner over a connection that it has opened (RFC 5923), for the domains that it has proven there and for
//! no other.

use std::time::Duration;

use federation::trust::Purposes;
use sim::{Line, World, allowed, blocked, certificate, first_line};
use sip::{HeaderName, Message};

use crate::neighbours::{self, ALICE, BOB, Play};
use crate::phone;

fn everywhere(act: impl Fn(Play)) {
    neighbours::everywhere(|_, _| {}, act);
}

impl Play {
    /// A connection of a partner on which its domain is proven; it takes requests there.
    fn partner_who_takes(&mut self, n: u64, domain: &str) -> Line {
        let line = self.world.connect(self.contoso, self.worker(n), Some(certificate(&[domain])));
        self.speak(line, n, domain, true);
        line
    }

    fn speak(&mut self, line: Line, n: u64, domain: &str, takes_requests: bool) {
        let hello = phone::request("OPTIONS", &format!("x@{domain}"), "contoso.example", &format!("hi{n}{domain}"));
        let hello = if takes_requests { hello.replace(";rport", ";rport;alias") } else { hello };
        self.world.send(line, &hello);
        assert_eq!(self.world.only(line).status(), Some(200));
    }

    /// What Alice writes to Bob with these names reaches this line, and is answered.
    fn reaches(&mut self, line: Line, call_id: &str) -> Message {
        self.world.send(self.alice, &phone::request("MESSAGE", ALICE, BOB, call_id));
        let arrived = self.world.only(line);
        self.world.send(line, &phone::answer(&arrived, "200 OK", "bob"));
        assert_eq!(self.world.only(self.alice).status(), Some(200));
        arrived
    }
}

#[test]
fn requests_go_over_the_connection_that_the_partner_has_opened() {
    everywhere(|mut play| {
        let line = play.partner_who_takes(1, "fabrikam.example");
        for number in 0..8 {
            let arrived = play.reaches(line, &format!("over{number}"));
            assert!(arrived.top_via().unwrap().param("alias").is_some(), "and we say that it works both ways");
        }
        assert!(play.world.dialled.is_empty());
    });
}

#[test]
fn between_two_of_us_one_connection_serves_both_ways() {
    everywhere(|mut play| {
        play.world.send(play.bob, &phone::request("MESSAGE", BOB, ALICE, "hello"));
        let arrived = play.world.only(play.alice);
        play.world.send(play.alice, &phone::answer(&arrived, "200 OK", "alice"));
        assert_eq!(play.world.only(play.bob).status(), Some(200));
        for number in 0..8 {
            let bob = play.bob;
            play.reaches(bob, &format!("back{number}"));
        }
        assert_eq!(play.world.dialled.len(), 1);
    });
}

/// Closing it would lose what is on its way.
#[test]
fn who_is_blocked_hears_so_over_the_connection_that_we_had_opened_and_after_it_is_lifted_is_heard_there() {
    everywhere(|mut play| {
        play.reaches(play.bob, "opens");
        play.world.replace_partners(play.contoso, vec![blocked("fabrikam.example")]);
        play.world.send(play.bob, &phone::request("MESSAGE", BOB, ALICE, "blocked"));
        assert_eq!(play.world.only(play.bob).status(), Some(403));
        play.world.replace_partners(play.contoso, vec![allowed("fabrikam.example")]);
        play.world.send(play.bob, &phone::request("MESSAGE", BOB, ALICE, "heard"));
        let arrived = play.world.only(play.alice);
        play.world.send(play.alice, &phone::answer(&arrived, "200 OK", "alice"));
        assert_eq!(play.world.only(play.bob).status(), Some(200));
        assert_eq!(play.world.dialled.len(), 1, "the same connection all the time");
    });
}

#[test]
fn who_does_not_say_alias_is_dialled() {
    everywhere(|mut play| {
        let line = play.world.connect(play.contoso, play.worker(1), Some(certificate(&["fabrikam.example"])));
        play.speak(line, 1, "fabrikam.example", false);
        let bob = play.bob;
        play.reaches(bob, "dialled");
        assert_eq!(play.world.dialled.len(), 1);
        play.speak(line, 2, "fabrikam.example", true);
        assert!(play.world.take(line).is_empty());
    });
}

/// A name of a host has 253 bytes at most (RFC 1035 2.3.4): what is remembered of a connection is no longer.
#[test]
fn a_via_that_names_a_host_too_long_to_be_one_makes_its_connection_no_way_to_the_partner() {
    everywhere(|mut play| {
        for (bytes, status) in [(254, 400), (253, 200)] {
            let line = play.world.connect(play.contoso, play.worker(1), Some(certificate(&["fabrikam.example"])));
            let host = format!("{}{}", "x".repeat(bytes - 200), format!(".{}", "y".repeat(49)).repeat(4));
            let name = format!("long{bytes}");
            let hello = phone::request("OPTIONS", "x@fabrikam.example", "contoso.example", &name);
            play.world.send(line, &hello.replace("phone.invalid;branch", &format!("{host};alias;branch")));
            assert_eq!(play.world.only(line).status(), Some(status));
            play.reaches(if status == 200 { line } else { play.bob }, &name);
            assert_eq!(std::mem::take(&mut play.world.dialled).len(), usize::from(status != 200), "{bytes}");
            play.world.cut(play.contoso);
        }
    });
}

#[test]
fn nobody_gets_what_is_for_a_domain_that_he_has_not_proven() {
    everywhere(|mut play| {
        let other = play.partner_who_takes(1, "litware.example");
        // As whom he speaks is not who he is.
        let forged = phone::request("OPTIONS", BOB, "contoso.example", "forged").replace(";rport", ";rport;alias");
        play.world.send(other, &forged);
        let refused = play.world.only(other);
        let word = refused.header_text(HeaderName::Warning).unwrap_or_default();
        assert!(refused.status() == Some(403) && word.contains("certificate-name"), "{word}");
        let bob = play.bob;
        play.reaches(bob, "mine");
        assert!(play.world.take(other).is_empty());
        assert_eq!(play.world.dialled.len(), 1);
    });
}

#[test]
fn a_certificate_for_clients_alone_takes_no_requests() {
    everywhere(|mut play| {
        let mut shown = certificate(&["fabrikam.example"]);
        shown.purposes = Purposes { client_auth: true, stated: true, ..Purposes::default() };
        let line = play.world.connect(play.contoso, play.worker(1), Some(shown));
        play.speak(line, 1, "fabrikam.example", true);
        let bob = play.bob;
        play.reaches(bob, "server");
        assert!(play.world.take(line).is_empty());
    });
}

#[test]
fn what_was_sent_over_it_goes_elsewhere_when_it_ends() {
    everywhere(|mut play| {
        let line = play.partner_who_takes(1, "fabrikam.example");
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "cut"));
        assert_eq!(play.world.take(line).len(), 1);
        play.world.hang_up(line);
        let again = play.world.only(play.bob);
        play.world.send(play.bob, &phone::answer(&again, "200 OK", "bob"));
        assert_eq!(play.world.only(play.alice).status(), Some(200));
        assert_eq!(play.world.dialled.len(), 1);
    });
}

#[test]
fn a_call_goes_on_over_ours_when_it_ends() {
    everywhere(|mut play| {
        let line = play.partner_who_takes(1, "fabrikam.example");
        play.world.send(play.alice, &phone::request("INVITE", ALICE, BOB, "call"));
        let invite = play.world.only(line);
        play.world.send(line, &phone::answer(&invite, "180 Ringing", "bob"));
        play.world.take(play.alice);
        play.world.hang_up(line);
        assert!(play.world.take(play.alice).is_empty());
        let second = play.partner_who_takes(2, "fabrikam.example");
        play.world.send(second, &phone::answer(&invite, "486 Busy Here", "bob"));
        let answers: Vec<_> = play.world.take(play.alice).iter().filter_map(Message::status).collect();
        assert_eq!(answers, [486]);
        assert!(first_line(&play.world.only(second)).starts_with("ACK"), "where the answer came from");
    });
}

#[test]
fn a_server_that_says_503_on_its_own_connection_is_left_for_ours() {
    everywhere(|mut play| {
        let line = play.partner_who_takes(1, "fabrikam.example");
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "full"));
        let arrived = play.world.only(line);
        play.world.send(line, &phone::answer(&arrived, "503 Service Unavailable", "x"));
        let again = play.world.only(play.bob);
        play.world.send(play.bob, &phone::answer(&again, "200 OK", "bob"));
        assert_eq!(play.world.only(play.alice).status(), Some(200));
    });
}

#[test]
fn a_changed_entry_wants_a_new_proof() {
    everywhere(|mut play| {
        let line = play.partner_who_takes(1, "fabrikam.example");
        play.reaches(line, "x");
        play.world.replace_partners(play.contoso, vec![blocked("fabrikam.example")]);
        play.world.send(play.alice, &phone::request("MESSAGE", ALICE, BOB, "blocked"));
        assert_eq!(play.world.only(play.alice).status(), Some(403));
        play.world.replace_partners(play.contoso, vec![allowed("fabrikam.example")]);
        let bob = play.bob;
        play.reaches(bob, "x");
        assert!(play.world.take(line).is_empty());
        play.world.cut(play.contoso);
        play.speak(line, 2, "fabrikam.example", true);
        play.reaches(line, "x");
        play.world.pass(Duration::from_secs(100));
    });
}

#[test]
fn a_partner_has_as_many_connections_of_ours_as_we_say_and_no_more() {
    for most in [1, 3] {
        let arrange = |world: &mut World, fabrikam: usize| {
            let contoso = fabrikam - 1;
            world.configure(contoso, |config| config.limits.partner_connections = most);
        };
        neighbours::everywhere(arrange, |mut play| {
            let bob = play.bob;
            for number in 0..24 {
                play.reaches(bob, &format!("spread{number}"));
            }
            assert_eq!(play.world.dialled.len(), usize::from(most));
        });
    }
}
