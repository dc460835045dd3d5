//! How many instructions a message takes on its way: `cargo xtask instructions`.

mod steps;

use std::hint::black_box;

use bytes::Bytes;
use gungraun::{library_benchmark, library_benchmark_group, main};
use sip::Message;

use steps::{Exchange, invite, invite_bytes, message_bytes};

#[library_benchmark]
#[bench::invite(ready(steps::parse, invite_bytes()))]
#[bench::message(ready(steps::parse, message_bytes()))]
fn parse(bytes: Bytes) -> Message {
    steps::parse(black_box(bytes))
}

#[library_benchmark]
#[bench::invite(ready(|request| steps::forward(&request), invite()))]
fn forward(request: Message) -> Bytes {
    steps::forward(black_box(&request))
}

#[library_benchmark]
#[bench::from(steps::from, invite())]
#[bench::to(steps::to, invite())]
#[bench::via(steps::top_via, invite())]
#[bench::contact(steps::contact, invite())]
#[bench::route(steps::route, invite())]
fn header(read: fn(&Message) -> usize, request: Message) -> usize {
    read(black_box(&request))
}

#[library_benchmark]
#[bench::message(Exchange::used())]
fn transactions(mut exchange: Exchange) -> usize {
    exchange.run()
}

/// The first search for a byte finds out what this processor can do: that is not what is counted.
fn ready<I: Clone, O>(step: fn(I) -> O, input: I) -> I {
    step(input.clone());
    input
}

library_benchmark_group!(name = messages, benchmarks = [parse, forward, header, transactions]);
main!(library_benchmark_groups = messages);
