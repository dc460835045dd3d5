//! What it takes to encode and to decode one frame of speech: `cargo bench -p media --bench codecs`.

mod core_time;
mod speech;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use media::codec::{Decoder, Encoder, frame_len};
use media::resample::Resampler;
use sdp::Encoding;

use core_time::CoreTime;
use speech::speech;

fn codecs(criterion: &mut Criterion<CoreTime>) {
    for encoding in [Encoding::Pcma, Encoding::G722, Encoding::Opus] {
        let rate = encoding.sample_rate();
        let sound = speech(1, rate, 2 * rate as usize);
        let mut encoder = Encoder::new(encoding);
        let mut payload = Vec::new();
        let mut frames = sound.chunks(frame_len(rate)).cycle();
        criterion.bench_function(&format!("encode {encoding:?}"), |bencher| {
            bencher.iter(|| encoder.encode(frames.next().expect("it goes round"), black_box(&mut payload)));
        });
        let encode = |frame: &[i16]| {
            encoder.encode(frame, &mut payload);
            payload.clone()
        };
        let payloads: Vec<Vec<u8>> = sound.chunks(frame_len(rate)).map(encode).collect();
        let (mut decoder, mut heard) = (Decoder::new(encoding), Vec::new());
        let mut received = payloads.iter().cycle();
        criterion.bench_function(&format!("decode {encoding:?}"), |bencher| {
            bencher.iter(|| {
                heard.clear();
                decoder.decode(received.next().expect("it goes round"), black_box(&mut heard))
            });
        });
        criterion.bench_function(&format!("conceal {encoding:?}"), |bencher| {
            bencher.iter(|| {
                heard.clear();
                decoder.conceal(black_box(&mut heard));
            });
        });
    }
}

fn rates(criterion: &mut Criterion<CoreTime>) {
    for (from, to) in [(8_000, 48_000), (16_000, 48_000), (48_000, 16_000), (48_000, 8_000)] {
        let frame = speech(1, from, frame_len(from));
        let (mut resampler, mut out) = (Resampler::new(from, to), Vec::new());
        criterion.bench_function(&format!("resample {from} to {to}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                resampler.run(&frame, black_box(&mut out));
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CoreTime);
    targets = codecs, rates
}
criterion_main!(benches);
