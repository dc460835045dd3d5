//! How many instructions it takes to decide who may pass: `cargo xtask instructions`.

mod steps;

use std::hint::black_box;

use federation::admission::Admitted;
use gungraun::{library_benchmark, library_benchmark_group, main};
use sip::Message;
use sip::refusal::Refusal;

use steps::{Edge, SENDER, STRANGER};

#[library_benchmark]
#[bench::partner(Edge::new(), steps::message(SENDER))]
fn admission(mut edge: Edge, request: Message) -> (Edge, Message, Admitted) {
    let admitted = edge.admit_partner(black_box(&request));
    (edge, request, admitted)
}

#[library_benchmark]
#[bench::stranger(Edge::new(), steps::message(STRANGER))]
fn refusal(mut edge: Edge, request: Message) -> (Edge, Message, Refusal) {
    let refusal = edge.refuse(black_box(&request));
    (edge, request, refusal)
}

#[library_benchmark]
#[bench::register(with_request())]
fn digest((mut edge, request): (Edge, Message)) -> (Edge, Message, Admitted) {
    let admitted = edge.admit_user(black_box(&request));
    (edge, request, admitted)
}

/// The second, so that the book of nonces has its room.
fn with_request() -> (Edge, Message) {
    let mut edge = Edge::new();
    let mut phone = edge.phone();
    edge.admit_user(&phone.register());
    let request = phone.register();
    (edge, request)
}

library_benchmark_group!(name = decisions, benchmarks = [admission, refusal, digest]);
main!(library_benchmark_groups = decisions);
