//! A home with many partners, and its edge: what of them goes over the wire, and how soon a new one is in force. `--no-capture` shows
//! the figures; `PARTNERS=100000` has as many of them.

use std::time::Instant;

use federation::partner::Partner;
use store::StoreThread;

use crate::apart::{Apart, Side};

fn partners() -> usize {
    std::env::var("PARTNERS").map_or(5_000, |number| number.parse().unwrap())
}

/// All in one commit, before the home serves.
fn fill(home: &Side) {
    let folder = home.place.path().join("data");
    std::fs::create_dir(&folder).unwrap();
    let thread = StoreThread::start(&folder.join("comity.db")).unwrap();
    let (done, wait) = std::sync::mpsc::channel();
    let fill = |store: &store::Store| {
        for number in 0..partners() {
            let (domain, edge) = (format!("partner{number}.example"), format!("sip.partner{number}.example"));
            store.put_partner(&Partner { comment: format!("number {number}"), ..Partner::at(domain, edge) }, 1)?;
        }
        Ok(())
    };
    thread.handle().write_then(fill, move |filled| done.send(filled.is_ok()).unwrap());
    assert!(wait.recv().unwrap());
    thread.stop();
}

/// The last number that the log says of this.
fn logged(side: &Side, line: &str, field: &str) -> u64 {
    let log = side.log();
    let told = log.lines().rfind(|told| told.contains(line)).unwrap_or_else(|| panic!("no {line:?} in\n{log}"));
    let value = told.split_once(&format!("{field}=")).unwrap().1;
    value.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[test]
fn of_many_partners_the_one_that_is_new_goes_to_the_edge() {
    let mut apart = Apart::new("edge.corp.example");
    let began = Instant::now();
    fill(&apart.home);
    println!("filled in {:?}", began.elapsed());
    apart.edge.start();
    let began = Instant::now();
    apart.home.start();
    println!("the home serves after {:?}", began.elapsed());
    let is_current = |home: &Side| {
        let answer = &home.status()["edges"];
        answer["edges"][0]["revision"] == answer["revision"]
    };
    apart.home.wait_until("the edge is current", is_current);
    println!("the edge knows all after {:?}", began.elapsed());
    let whole = logged(&apart.home, "the edge was told what is decided here", "bytes");
    println!(
        "the whole has {whole} bytes; memory: home {} MB, edge {} MB",
        apart.home.memory_mb(),
        apart.edge.memory_mb()
    );
    assert!(whole > 100 * partners() as u64, "{whole}");

    let is_refused = |apart: &Apart, domain: &str| apart.message(domain).status() == Some(403);
    assert!(is_refused(&apart, "new.example"));
    let began = Instant::now();
    apart.home.run(&["partner", "add", "new.example"]).ok();
    let added = began.elapsed();
    apart.edge.wait_until("it is in force at the edge", |_| !is_refused(&apart, "new.example"));
    println!("added after {added:?}, in force at the edge after {:?}", began.elapsed());
    assert_eq!(logged(&apart.home, "the edge was told what has changed here", "entries"), 1);
    assert!(logged(&apart.home, "the edge was told what has changed here", "bytes") < 10_000);

    let began = Instant::now();
    apart.home.run(&["partner", "block", "partner77.example"]).ok();
    apart.edge.wait_until("the block is in force", |_| is_refused(&apart, "partner77.example"));
    println!("blocked at the edge after {:?}", began.elapsed());
    println!("memory: home {} MB, edge {} MB", apart.home.memory_mb(), apart.edge.memory_mb());

    // What the edge has lost it is told again, from the start.
    apart.edge.kill();
    std::fs::remove_dir_all(apart.edge.place.path().join("data")).unwrap();
    apart.edge.start();
    apart.home.run(&["partner", "add", "other.example"]).ok();
    apart.home.wait_until("the edge knows all again", |home| {
        home.log().matches("the edge was told what is decided here").count() == 2
    });
    assert!(!is_refused(&apart, "new.example") && is_refused(&apart, "partner77.example"));
}
