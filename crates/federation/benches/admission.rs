//! What it costs to decide who may pass: `cargo bench -p federation --bench admission`.

#[path = "../../media/benches/core_time.rs"]
mod core_time;
mod steps;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

use core_time::CoreTime;
use steps::{Edge, SENDER, STRANGER};

fn partners(criterion: &mut Criterion<CoreTime>) {
    let mut edge = Edge::new();
    let (known, unknown) = (steps::message(SENDER), steps::message(STRANGER));
    criterion.bench_function("admit one of 10,000 partners", |bencher| {
        bencher.iter(|| edge.admit_partner(black_box(&known)));
    });
    criterion
        .bench_function("refuse whom none of them is", |bencher| bencher.iter(|| edge.refuse(black_box(&unknown))));
}

fn users(criterion: &mut Criterion<CoreTime>) {
    let mut edge = Edge::new();
    let mut phone = edge.phone();
    criterion.bench_function("admit a REGISTER by digest, asking for the credentials", |bencher| {
        bencher.iter_batched(
            || phone.register(),
            |request| edge.admit_user(black_box(&request)),
            BatchSize::SmallInput,
        );
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CoreTime);
    targets = partners, users
}
criterion_main!(benches);
