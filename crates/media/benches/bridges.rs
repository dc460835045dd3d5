//! How many participants one core decodes, mixes and encodes for, and what memory one takes:
//! `cargo bench -p media --bench bridges`. RTP, SRTP and sockets are not in it.

mod core_time;
mod speech;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use media::BridgeKind;
use media::codec::{Decoder, Encoder, FRAME_MS, frame_len};
use media::mixer::Mixer;
use peak_alloc::PeakAlloc;
use sdp::Encoding;

use core_time::{CoreTime, time_on_core};
use speech::{room, speech};

/// Some bridges of the same kind, with what their phones send.
struct Load {
    bridges: Vec<Bridge>,
    frame: usize,
}

struct Bridge {
    mixer: Mixer,
    legs: Vec<Leg>,
}

struct Leg {
    /// Two seconds, again and again. Empty: the phone sends nothing.
    payloads: Vec<Vec<u8>>,
    decoder: Decoder,
    samples: Vec<i16>,
}

#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    bridges: usize,
    legs: usize,
    talkers: usize,
    /// Whether who listens sends the noise of his room.
    do_listeners_send: bool,
}

const SHAPES: [Shape; 4] = [
    Shape { name: "rooms of 3, all talk", bridges: 20, legs: 3, talkers: 3, do_listeners_send: true },
    Shape { name: "rooms of 10, 2 talk", bridges: 6, legs: 10, talkers: 2, do_listeners_send: true },
    Shape { name: "a room of 100, 3 talk", bridges: 1, legs: 100, talkers: 3, do_listeners_send: true },
    Shape {
        name: "a room of 100, 3 talk, 97 send nothing",
        bridges: 1,
        legs: 100,
        talkers: 3,
        do_listeners_send: false,
    },
];

const MIXTURES: [(&str, &[Encoding]); 4] = [
    ("G.711", &[Encoding::Pcma]),
    ("G.722", &[Encoding::G722]),
    ("Opus", &[Encoding::Opus]),
    ("half Opus, half G.711", &[Encoding::Opus, Encoding::Pcma]),
];

impl Load {
    fn new(shape: Shape, encodings: &[Encoding]) -> Self {
        Self { bridges: (0..shape.bridges).map(|_| Bridge::new(shape, encodings)).collect(), frame: 0 }
    }

    /// One frame of all bridges.
    fn tick(&mut self) {
        for bridge in &mut self.bridges {
            for leg in &mut bridge.legs {
                leg.samples.clear();
                if !leg.payloads.is_empty() {
                    let payload = &leg.payloads[self.frame % leg.payloads.len()];
                    leg.decoder.decode(payload, &mut leg.samples).expect("our own payload");
                }
            }
            let sent = bridge.legs.iter().enumerate().filter(|(_, leg)| !leg.samples.is_empty());
            let inputs: Vec<(u32, &[i16])> =
                sent.map(|(number, leg)| (number as u32, leg.samples.as_slice())).collect();
            bridge.mixer.mix(&inputs);
        }
        self.frame += 1;
    }
}

impl Bridge {
    fn new(shape: Shape, encodings: &[Encoding]) -> Self {
        let mut mixer = Mixer::new(BridgeKind::Conference);
        let mut legs = Vec::new();
        for number in 0..shape.legs {
            let encoding = encodings[number % encodings.len()];
            mixer.insert(number as u32, encoding);
            let len = 2 * encoding.sample_rate() as usize;
            let sound = match number {
                _ if number < shape.talkers => speech(number as u32, encoding.sample_rate(), len),
                _ if shape.do_listeners_send => room(number as u32, len),
                _ => Vec::new(),
            };
            legs.push(Leg {
                payloads: encoded(encoding, &sound),
                decoder: Decoder::new(encoding),
                samples: Vec::new(),
            });
        }
        Self { mixer, legs }
    }
}

fn encoded(encoding: Encoding, sound: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(encoding);
    let encode = |frame: &[i16]| {
        let mut payload = Vec::new();
        encoder.encode(frame, &mut payload);
        payload
    };
    sound.chunks(frame_len(encoding.sample_rate())).map(encode).collect()
}

/// The time of one frame of all bridges, by criterion.
fn ticks(criterion: &mut Criterion<CoreTime>) {
    for (mixture, encodings) in MIXTURES {
        let mut group = criterion.benchmark_group(mixture);
        for shape in SHAPES {
            let mut load = Load::new(shape, encodings);
            group.throughput(Throughput::Elements((shape.bridges * shape.legs) as u64));
            group.bench_function(BenchmarkId::from_parameter(shape.name), |bencher| bencher.iter(|| load.tick()));
        }
    }
}

/// Participants for whom one core keeps up with time, in a table.
fn print_participants() {
    println!("participants per core, decoded, mixed and encoded; microseconds a participant and frame:");
    for shape in SHAPES {
        for (mixture, encodings) in MIXTURES {
            let mut load = Load::new(shape, encodings);
            (0..50).for_each(|_| load.tick());
            let each = measured(|| load.tick()) / (shape.bridges * shape.legs) as u32;
            let participants = Duration::from_millis(u64::from(FRAME_MS)).as_nanos() / each.as_nanos().max(1);
            println!("| {} | {mixture} | {participants} | {:.2} |", shape.name, each.as_nanos() as f64 / 1000.0);
        }
    }
}

/// The mean of two seconds on a core.
fn measured(mut work: impl FnMut()) -> Duration {
    let start = time_on_core();
    let mut runs = 0;
    while time_on_core() - start < Duration::from_secs(2) {
        (0..100).for_each(|_| work());
        runs += 100;
    }
    (time_on_core() - start) / runs
}

fn print_memory() {
    println!("bytes of memory:");
    for encoding in [Encoding::Pcma, Encoding::G722, Encoding::Opus] {
        let decoder = allocated(|| Box::new(Decoder::new(encoding)));
        let encoder = allocated(|| Box::new(Encoder::new(encoding)));
        println!("| {encoding:?} | decoder {decoder} | encoder {encoder} |");
    }
    for (mixture, encodings) in MIXTURES {
        for talkers in [0, 4] {
            let shape = Shape { name: "", bridges: 1, legs: 100, talkers, do_listeners_send: false };
            let bytes = allocated(|| {
                let mut load = Load::new(shape, encodings);
                (0..20).for_each(|_| load.tick());
                load.bridges.remove(0).mixer
            });
            println!("| mixer, 100 legs of {mixture}, {talkers} talk | {} a leg |", bytes / 100);
        }
    }
}

/// What is still allocated when the work is done and its outcome is kept.
fn allocated<T>(work: impl FnOnce() -> T) -> usize {
    let before = ALLOCATIONS.current_usage();
    let outcome = work();
    let bytes = ALLOCATIONS.current_usage() - before;
    drop(outcome);
    bytes
}

#[global_allocator]
static ALLOCATIONS: PeakAlloc = PeakAlloc;

fn main() {
    print_memory();
    print_participants();
    let mut criterion = Criterion::default().with_measurement(CoreTime).sample_size(20).configure_from_args();
    ticks(&mut criterion);
    criterion.final_summary();
}
