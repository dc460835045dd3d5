//! How many instructions a core takes without its shell: `cargo xtask instructions`.

mod steps;

use std::hint::black_box;

use bytes::Bytes;
use gungraun::{library_benchmark, library_benchmark_group, main};

use steps::Edge;

#[library_benchmark]
#[bench::message(with_request())]
fn pass_in((mut edge, request): (Edge, Bytes)) -> (Edge, Bytes) {
    let sent = edge.pass_in(black_box(request));
    (edge, sent)
}

#[library_benchmark]
#[bench::message(with_answer())]
fn pass_back((mut edge, answer): (Edge, Bytes)) -> (Edge, usize) {
    let length = edge.pass_back(black_box(answer));
    (edge, length)
}

fn with_request() -> (Edge, Bytes) {
    let mut edge = Edge::new();
    let request = edge.request();
    (edge, request)
}

fn with_answer() -> (Edge, Bytes) {
    let (mut edge, request) = with_request();
    let sent = edge.pass_in(request);
    (edge, steps::answer(sent))
}

library_benchmark_group!(name = transactions, benchmarks = [pass_in, pass_back]);
main!(library_benchmark_groups = transactions);
