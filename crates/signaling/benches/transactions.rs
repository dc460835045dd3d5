//! What a core costs without its shell: `cargo bench -p signaling --bench transactions`.

#[path = "../../media/benches/core_time.rs"]
mod core_time;
mod steps;

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};

use core_time::{CoreTime, time_on_core};
use steps::Edge;

/// The two halves of a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Request,
    Answer,
}

fn transactions(criterion: &mut Criterion<CoreTime>) {
    let mut edge = Edge::new();
    let mut of = |name: &str, half: Half| {
        criterion.bench_function(name, |bencher| bencher.iter_custom(|count| run(&mut edge, half, count)));
    };
    of("a partner's MESSAGE, from its bytes to those that go on", Half::Request);
    of("its answer, from its bytes to those that go back", Half::Answer);
}

/// As many under way at a time as a busy edge has. Returns the time of the one half.
fn run(edge: &mut Edge, half: Half, count: u64) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let under_way = left.min(UNDER_WAY);
        left -= under_way;
        let requests: Vec<Bytes> = (0..under_way).map(|_| edge.request()).collect();
        let begun = time_on_core();
        let sent: Vec<Bytes> = requests.into_iter().map(|request| edge.pass_in(black_box(request))).collect();
        let passed_in = time_on_core() - begun;
        let answers: Vec<Bytes> = sent.into_iter().map(steps::answer).collect();
        let begun = time_on_core();
        for answer in answers {
            black_box(edge.pass_back(black_box(answer)));
        }
        spent += if half == Half::Request { passed_in } else { time_on_core() - begun };
    }
    spent
}

const UNDER_WAY: u64 = 128;

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CoreTime);
    targets = transactions
}
criterion_main!(benches);
