//! The end of our certificate is told wherever an administrator looks, before it comes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::place;
use crate::place::Place;
use crate::served;
use crate::served::Served;

const NAMES: [&str; 2] = ["sip.contoso.example", "contoso.example"];
const DAY: Duration = Duration::from_secs(86_400);

fn renew(place: &Place, authority: &place::Authority, end: SystemTime) {
    authority.issue_until(&NAMES, &place.path().join("contoso.pem"), &place.path().join("contoso.key"), end);
}

fn metric(served: &Served, name: &str) -> f64 {
    let text = served.run(&["metrics"]).ok().stdout;
    let line = text.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn check_warns_before_the_server_is_started() {
    let [port] = served::free_ports();
    let place = Place::new(&format!("tls = [\"127.0.0.1:{port}\"]"));
    let authority = place.certify(&NAMES);
    assert!(!place.run(&["check"]).ok().stdout.contains("warning: "));
    renew(&place, &authority, SystemTime::now() + 10 * DAY + DAY / 2);
    let told = place.run(&["check"]).ok().stdout;
    assert!(told.contains("warning: the certificate expires in 10 days on 2"), "{told}");
    let answer = place.run(&["check", "--json"]).ok().json();
    assert!(answer["warnings"][0].as_str().unwrap().contains("expires in 10 days"), "{answer}");
}

#[test]
fn log_status_and_metrics_tell_it_again_as_each_step_is_passed_and_not_after_a_renewal() {
    let mut served = Served::start();
    assert_eq!(metric(&served, "comity_certificate_warnings"), 0.0);

    // Time enough for the new certificate to be seen before the step is passed.
    let end = SystemTime::now() + 7 * DAY + Duration::from_secs(20);
    renew(&served.place, &served.authority, end);
    served.wait_until("the log says it", |served| served.log().contains("WARN the certificate expires in 7 days on 2"));
    let not_after = metric(&served, "comity_certificate_not_after_timestamp_seconds");
    assert_eq!(not_after, end.duration_since(UNIX_EPOCH).unwrap().as_secs() as f64);
    assert_eq!(metric(&served, "comity_certificate_warnings"), 1.0);

    // A week before the end is one of the steps.
    served
        .wait_until("the log says it again", |served| served.log().contains("WARN the certificate expires in 6 days"));
    let status = served.run(&["status"]).ok().stdout;
    assert!(status.contains("warning: the certificate expires in 6 days on 2"), "{status}");
    let status = served.run(&["status", "--json"]).ok().json();
    assert!(status["certificate"]["warnings"][0].as_str().unwrap().contains("in 6 days"), "{status}");

    renew(&served.place, &served.authority, SystemTime::now() + 90 * DAY);
    served.wait_until("nothing is wrong", |served| metric(served, "comity_certificate_warnings") == 0.0);
    assert!(!served.run(&["status"]).ok().stdout.contains("warning: "));
}
