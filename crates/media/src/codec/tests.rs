//! Each encoding there and back, and each decoder against what no encoder would send.

use sdp::Encoding;

use super::*;
use crate::tests::{attenuation_db, level_of, noise, sine, step_max};

const ENCODINGS: [Encoding; 4] = [Encoding::Pcma, Encoding::Pcmu, Encoding::G722, Encoding::Opus];

fn payloads(encoding: Encoding, frequency: f32) -> Vec<Vec<u8>> {
    let rate = encoding.sample_rate();
    let mut encoder = Encoder::new(encoding);
    let encode = |frame: &[i16]| {
        let mut payload = Vec::new();
        encoder.encode(frame, &mut payload);
        payload
    };
    sine(frequency, rate, rate as usize, 10_000.0).chunks(frame_len(rate)).map(encode).collect()
}

#[test]
fn a_tone_comes_back_as_it_was() {
    for encoding in ENCODINGS {
        let rate = encoding.sample_rate();
        let mut decoder = Decoder::new(encoding);
        let mut heard = Vec::new();
        for payload in payloads(encoding, 440.0) {
            decoder.decode(&payload, &mut heard).expect("our own payload");
        }
        assert_eq!(heard.len(), rate as usize);
        let settled = &heard[rate as usize / 4..];
        let level = level_of(440.0, rate, settled);
        assert!((7_000.0..11_500.0).contains(&level), "{encoding:?}: {level}");
        assert!(attenuation_db(440.0, 1234.0, rate, settled) > 45.0, "{encoding:?}");
    }
}

#[test]
fn payloads_may_be_of_any_length() {
    for encoding in [Encoding::Pcma, Encoding::Pcmu, Encoding::G722] {
        let joined = payloads(encoding, 440.0).concat();
        let mut whole = Vec::new();
        joined
            .chunks(160)
            .for_each(|payload| Decoder::decode(&mut Decoder::new(encoding), payload, &mut Vec::new()).unwrap());
        let mut decoder = Decoder::new(encoding);
        joined.chunks(160).for_each(|payload| decoder.decode(payload, &mut whole).unwrap());
        for bytes in [1, 80, 240, 320, 480, 1600] {
            let mut decoder = Decoder::new(encoding);
            let mut out = Vec::new();
            joined.chunks(bytes).for_each(|payload| decoder.decode(payload, &mut out).unwrap());
            assert_eq!(out, whole, "{encoding:?} by {bytes} bytes");
        }
    }
}

#[test]
fn opus_packets_of_any_length_and_of_two_channels_are_read() {
    for (milliseconds, channels) in [(10, 1), (20, 2), (40, 1), (60, 2), (120, 1)] {
        let layout = if channels == 1 { ropus::Channels::Mono } else { ropus::Channels::Stereo };
        let mut encoder = ropus::Encoder::builder(48_000, layout, ropus::Application::Audio).build().unwrap();
        let samples = 48 * milliseconds;
        let mono = sine(440.0, 48_000, samples * (960 / milliseconds), 10_000.0);
        let mut decoder = Decoder::new(Encoding::Opus);
        let mut heard = Vec::new();
        for frame in mono.chunks_exact(samples) {
            let frame: Vec<i16> = frame.iter().flat_map(|sample| std::iter::repeat_n(*sample, channels)).collect();
            let mut packet = [0; 4000];
            let len = encoder.encode(&frame, &mut packet).unwrap();
            let start = heard.len();
            decoder.decode(&packet[..len], &mut heard).expect("a packet of an encoder");
            assert_eq!(heard.len() - start, samples);
        }
        let level = level_of(440.0, 48_000, &heard[9_600..]);
        assert!((7_000.0..11_500.0).contains(&level), "{milliseconds} ms, {channels} channels: {level}");
    }
}

#[test]
fn no_payload_does_harm() {
    let mut next = noise(7);
    for encoding in ENCODINGS {
        let mut decoder = Decoder::new(encoding);
        let honest = payloads(encoding, 440.0);
        for round in 0..3_000 {
            let mut payload = if round % 3 == 0 {
                (0..next() % 1_500).map(|_| next() as u8).collect()
            } else {
                honest[round % honest.len()].clone()
            };
            match round % 4 {
                0 => payload.truncate(next() as usize % 8),
                1 if !payload.is_empty() => {
                    let place = next() as usize % payload.len();
                    payload[place] ^= 1 << (next() % 8);
                }
                _ => {}
            }
            let mut out = Vec::new();
            if decoder.decode(&payload, &mut out).is_err() {
                assert!(out.is_empty());
            }
            assert!(out.len() <= encoding.sample_rate() as usize * PAYLOAD_MS_MAX / 1000);
            if round % 5 == 0 {
                decoder.recover(&payload, &mut out);
                decoder.conceal(&mut out);
            }
        }
        assert_eq!(decoder.decode(&[], &mut Vec::new()), Err(DecodeError::Empty));
        assert!(decoder.decode(&[0x7f; 9_000], &mut Vec::new()).is_err(), "{encoding:?}");
    }
}

#[test]
fn a_lost_packet_is_heard_as_a_fading_of_what_was() {
    for encoding in ENCODINGS {
        let rate = encoding.sample_rate();
        let mut decoder = Decoder::new(encoding);
        let mut heard = Vec::new();
        let honest = payloads(encoding, 440.0);
        for (index, payload) in honest.iter().enumerate() {
            match index {
                20 | 30..36 => decoder.conceal(&mut heard),
                _ => decoder.decode(payload, &mut heard).unwrap(),
            }
        }
        assert_eq!(heard.len(), rate as usize, "{encoding:?}");
        let frame = |index: usize| &heard[index * frame_len(rate)..(index + 1) * frame_len(rate)];
        let loudest = |index: usize| frame(index).iter().map(|sample| sample.unsigned_abs()).max();
        assert!(loudest(20) > Some(4_000), "{encoding:?}: one lost packet leaves no hole: {:?}", loudest(20));
        assert!(loudest(35) < Some(3_000), "{encoding:?}: after 100 ms it is nearly silent: {:?}", loudest(35));
        if encoding != Encoding::Opus {
            let clean = step_max(&sine(440.0, rate, 1_000, 10_000.0));
            assert!(step_max(&heard[rate as usize / 10..]) < clean * 3 / 2, "{encoding:?} clicks");
        }
    }
}

#[test]
fn opus_recovers_a_lost_frame_from_the_next_packet() {
    let rate = 48_000;
    // A sweep: what was before does not tell what comes, but the next packet does.
    let sweep: Vec<i16> = (0..rate)
        .map(|index| {
            let time = index as f32 / rate as f32;
            ((std::f32::consts::TAU * (200.0 * time + 400.0 * time * time)).sin() * 10_000.0) as i16
        })
        .collect();
    let mut encoder = Encoder::new(Encoding::Opus);
    let packets: Vec<Vec<u8>> = sweep
        .chunks(960)
        .map(|frame| {
            let mut payload = Vec::new();
            encoder.encode(frame, &mut payload);
            payload
        })
        .collect();
    let decoded = |lose: &dyn Fn(&mut Decoder, &mut Vec<i16>)| {
        let mut decoder = Decoder::new(Encoding::Opus);
        let mut heard = Vec::new();
        for (index, packet) in packets.iter().enumerate() {
            match index {
                40 => lose(&mut decoder, &mut heard),
                _ => decoder.decode(packet, &mut heard).unwrap(),
            }
        }
        heard[40 * 960..41 * 960].to_vec()
    };
    let clean = decoded(&|decoder, heard| decoder.decode(&packets[40], heard).unwrap());
    let recovered = decoded(&|decoder, heard| decoder.recover(&packets[41], heard));
    let concealed = decoded(&|decoder, heard| decoder.conceal(heard));
    let error = |other: &[i16]| -> i64 {
        clean.iter().zip(other).map(|(a, b)| (i64::from(*a) - i64::from(*b)).pow(2)).sum::<i64>() / 960
    };
    assert!(error(&recovered) * 2 < error(&concealed), "{} {}", error(&recovered), error(&concealed));
}

#[test]
fn a_forked_encoder_goes_on_without_a_seam() {
    let tone = sine(440.0, 16_000, 16_000, 10_000.0);
    let mut encoder = Encoder::new(Encoding::G722);
    let (mut payload, mut forked_payload) = (Vec::new(), Vec::new());
    tone[..8_000].chunks(320).for_each(|frame| encoder.encode(frame, &mut payload));
    let mut fork = encoder.fork();
    for frame in tone[8_000..].chunks(320) {
        encoder.encode(frame, &mut payload);
        fork.encode(frame, &mut forked_payload);
        assert_eq!(payload, forked_payload);
    }
}

/// Made with another implementation, in C.
#[test]
fn g722_is_what_others_make_of_it() {
    let sound: Vec<i16> = (0..48).map(|index| (index * index * 37 % 20_001 - 10_000) as i16).collect();
    let mut payload = Vec::new();
    Encoder::new(Encoding::G722).encode(&sound, &mut payload);
    let others = [
        0x30, 0x85, 0x20, 0x85, 0x22, 0x84, 0x04, 0x8b, 0x0d, 0x90, 0xd2, 0xd6, 0x5c, 0xbc, 0x35, 0xb1, 0x29, 0x9e,
        0x0d, 0xff, 0xb5, 0x2d, 0x0d, 0x9a,
    ];
    assert_eq!(payload, others);
    let mut heard = Vec::new();
    Decoder::new(Encoding::G722).decode(&payload, &mut heard).unwrap();
    let others = [
        0, -1, -1, 0, 0, -2, -1, 4, 1, -17, 0, 55, -5, -145, 18, 290, -8, -531, -88, 861, 508, -1690, -4490, -6883,
        -8483, -9352, -9670, -9591, -8937, -8129, -7622, -7221, -6602, -5711, -4737, -3732, -2732, -1799, -410, 1175,
        1912, 2439, 4864, 7981, 8090, 3780, -2837, -7657,
    ];
    assert_eq!(heard, others);
}
