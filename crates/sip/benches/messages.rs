//! What a message costs on its way: `cargo bench -p sip --bench messages`.

#[path = "../../media/benches/core_time.rs"]
mod core_time;
mod steps;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};

use core_time::CoreTime;
use steps::Exchange;

fn parsing(criterion: &mut Criterion<CoreTime>) {
    let (invite, message) = (steps::invite_bytes(), steps::message_bytes());
    criterion.bench_function("parse an INVITE", |bencher| bencher.iter(|| steps::parse(black_box(invite.clone()))));
    criterion.bench_function("parse a MESSAGE", |bencher| bencher.iter(|| steps::parse(black_box(message.clone()))));
}

fn headers(criterion: &mut Criterion<CoreTime>) {
    let invite = steps::invite();
    let mut of = |name: &str, read: fn(&sip::Message) -> usize| {
        criterion.bench_function(name, |bencher| bencher.iter(|| read(black_box(&invite))));
    };
    of("From", steps::from);
    of("To", steps::to);
    of("top Via", steps::top_via);
    of("Contact", steps::contact);
    of("Route", steps::route);
    of("these five headers", steps::typed_headers);
}

fn edits(criterion: &mut Criterion<CoreTime>) {
    let invite = steps::invite();
    criterion.bench_function("forward an INVITE", |bencher| bencher.iter(|| steps::forward(black_box(&invite))));
}

fn transactions(criterion: &mut Criterion<CoreTime>) {
    let mut exchange = Exchange::new();
    criterion.bench_function("both transactions of a MESSAGE", |bencher| bencher.iter(|| exchange.run()));
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CoreTime);
    targets = parsing, headers, edits, transactions
}
criterion_main!(benches);
