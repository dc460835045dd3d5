//! Phones with a socket each, which send a frame every 20 ms and take what comes.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::ensure;
use media::codec::{Decoder, Encoder, FRAME_MS, frame_len};
use media::rtp::{self, Header};
use sdp::Encoding;
use serde::Serialize;

#[path = "../../../media/benches/speech.rs"]
mod speech;

pub struct Phones {
    encoding: Encoding,
    phones: Vec<Phone>,
    /// How many were sent.
    frame: usize,
    /// Of the last phone, who listens.
    decoder: Decoder,
}

struct Phone {
    socket: UdpSocket,
    /// Two seconds, again and again.
    payloads: Vec<Vec<u8>>,
    ssrc: u32,
}

/// What came.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Heard {
    /// To all phones.
    pub packets: usize,
    /// Of these, to the last.
    pub packets_of_last: usize,
    /// Of what the last phone heard: the mean of the samples' sizes.
    pub loudness: f64,
    /// Frames that we began to send so late that the mixer may have had less to do for it.
    pub frames_late: usize,
}

impl Heard {
    /// # Errors
    /// When it is not a packet a frame for each phone, the last heard nothing, or we were too slow.
    pub fn check(&self, frames: usize, phones: usize) -> anyhow::Result<()> {
        let is_near = |packets: usize, expected: usize| packets.abs_diff(expected) * 20 <= expected;
        ensure!(is_near(self.packets, frames * phones), "{frames} frames to {phones} phones, but {self:?}");
        ensure!(is_near(self.packets_of_last, frames), "{frames} frames to the last phone, but {self:?}");
        ensure!(self.loudness > LOUDNESS_MIN, "nobody is heard: {self:?}");
        ensure!(self.frames_late * 20 <= frames, "this machine is too busy to measure: {self:?}");
        Ok(())
    }
}

impl Phones {
    /// `talkers`: how many of them say something.
    ///
    /// # Errors
    /// When there is no socket to be had.
    pub fn new(encoding: Encoding, count: usize, talkers: usize) -> anyhow::Result<Phones> {
        let phone = |number: u32| -> anyhow::Result<Phone> {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.set_nonblocking(true)?;
            let len = 2 * encoding.sample_rate() as usize;
            let sound = if (number as usize) < talkers {
                speech::speech(number, encoding.sample_rate(), len)
            } else {
                speech::room(number, len)
            };
            Ok(Phone { socket, payloads: encoded(encoding, &sound), ssrc: 0x1000 + number })
        };
        let phones = (0..u32::try_from(count)?).map(phone).collect::<Result<_, _>>()?;
        Ok(Phones { encoding, phones, frame: 0, decoder: Decoder::new(encoding) })
    }

    /// Each in turn learns where it is to send to.
    ///
    /// # Errors
    /// When one may not join.
    pub fn join(&self, mut join: impl FnMut(SocketAddr) -> anyhow::Result<SocketAddr>) -> anyhow::Result<()> {
        for phone in &self.phones {
            phone.socket.connect(join(phone.socket.local_addr()?)?)?;
        }
        Ok(())
    }

    /// For so many frames.
    ///
    /// # Errors
    /// When a socket fails.
    pub fn talk(&mut self, frames: usize) -> anyhow::Result<Heard> {
        let begun = Instant::now();
        let (mut heard, mut samples) = (Heard::default(), Vec::new());
        for number in 0..frames {
            let due = begun + FRAME * u32::try_from(number)?;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            heard.frames_late += usize::from(due.elapsed() > FRAME);
            self.send()?;
            self.receive(&mut heard, &mut samples)?;
        }
        let sum: f64 = samples.iter().map(|sample: &i16| f64::from(sample.unsigned_abs())).sum();
        Ok(Heard { loudness: sum / samples.len().max(1) as f64, ..heard })
    }

    fn send(&mut self) -> anyhow::Result<()> {
        for phone in &self.phones {
            let header = Header {
                marker: self.frame == 0,
                payload_type: payload_type(self.encoding),
                sequence: u16::try_from(self.frame % (1 << 16))?,
                timestamp: u32::try_from(self.frame)?.wrapping_mul(self.encoding.clock_rate() * FRAME_MS / 1000),
                ssrc: phone.ssrc,
            };
            let payload = &phone.payloads[self.frame % phone.payloads.len()];
            phone.socket.send(&[&header.print()[..], payload].concat())?;
        }
        self.frame += 1;
        Ok(())
    }

    fn receive(&mut self, heard: &mut Heard, samples: &mut Vec<i16>) -> anyhow::Result<()> {
        let mut buffer = [0; 2048];
        let last = self.phones.len() - 1;
        for (number, phone) in self.phones.iter().enumerate() {
            while let Some(packet) = next(&phone.socket, &mut buffer)? {
                let Ok((_, at)) = Header::parse(packet) else { continue };
                heard.packets += 1;
                if number == last {
                    heard.packets_of_last += 1;
                    // What cannot be decoded is not heard.
                    let _ = self.decoder.decode(&packet[at..], samples);
                }
            }
        }
        Ok(())
    }
}

/// Of RTP; RTCP is passed over.
fn next<'a>(socket: &UdpSocket, buffer: &'a mut [u8]) -> anyhow::Result<Option<&'a [u8]>> {
    loop {
        match socket.recv(buffer) {
            Ok(len) if rtp::is_rtcp(&buffer[..len]) => {}
            Ok(len) => return Ok(Some(&buffer[..len])),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// As all use them.
pub const fn payload_type(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::Pcmu => 0,
        Encoding::Pcma => 8,
        Encoding::G722 => 9,
        Encoding::Opus => 100,
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

pub const FRAMES_PER_SECOND: usize = (1000 / FRAME_MS) as usize;
const FRAME: Duration = Duration::from_millis(FRAME_MS as u64);
/// Less than one who talks has, more than the noise of all rooms together.
const LOUDNESS_MIN: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_another_rate_are_not_taken_for_sound() {
        let good = || Heard { packets: 1_000, packets_of_last: 100, loudness: 500.0, frames_late: 0 };
        assert!(good().check(100, 10).is_ok());
        let bad = [
            Heard { packets: 900, ..good() },
            Heard { packets_of_last: 90, ..good() },
            Heard { packets_of_last: 110, ..good() },
            Heard { loudness: 30.0, ..good() },
            Heard { frames_late: 6, ..good() },
        ];
        for heard in bad {
            assert!(heard.check(100, 10).is_err(), "{heard:?}");
        }
    }

    #[test]
    fn who_talks_is_louder_than_all_rooms_together() {
        let loudness = |samples: &[i16]| {
            samples.iter().map(|sample| f64::from(sample.unsigned_abs())).sum::<f64>() / samples.len() as f64
        };
        assert!(loudness(&speech::speech(0, 8_000, 16_000)) > 2.0 * LOUDNESS_MIN);
        let rooms: Vec<Vec<i16>> = (0..100).map(|number| speech::room(number, 16_000)).collect();
        let sum = |index: usize| rooms.iter().map(|room| room[index]).sum();
        assert!(loudness(&(0..16_000).map(sum).collect::<Vec<i16>>()) < LOUDNESS_MIN);
    }
}
