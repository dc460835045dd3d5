//! A gzip stream that is a thousand times as long once it is unpacked: zeroes, in one DEFLATE block with codes of its own, of
//! which 258 zeroes take two bits.

/// So many bytes at most, and at least so many less 258.
pub fn packed(length: u32) -> Vec<u8> {
    let matches = length.saturating_sub(1) / MATCH_LEN;
    let mut bits = Bits::default();
    // The last block, with dynamic codes: for 286 literals and lengths, and for one distance.
    [(1, 1), (2, 2), (29, 5), (0, 5), (14, 4)].into_iter().for_each(|(value, count)| bits.put(value, count));
    // The code of the codes' lengths: 18 is one bit long, 1 and 2 are two, in the order that DEFLATE has for them.
    let mut lengths = [0; 18];
    (lengths[2], lengths[15], lengths[17]) = (1, 2, 2);
    lengths.into_iter().for_each(|length| bits.put(length, 3));
    // The literal 0 has two bits, the end of the block has two, length 258 has one, distance 1 has one.
    let (one, two) = ((0b01, 2), (0b11, 2));
    let (none_138, none_117, none_28) = ((127 << 1, 8), (106 << 1, 8), (17 << 1, 8));
    [two, none_138, none_117, two, none_28, one, one].into_iter().for_each(|(value, count)| bits.put(value, count));
    bits.put(0b01, 2);
    (0..matches).for_each(|_| bits.put(0, 2));
    bits.put(0b11, 2);
    let length = 1 + matches * MATCH_LEN;
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    [&head[..], &bits.whole(), &checksum(length).to_le_bytes(), &length.to_le_bytes()].concat()
}

/// Bits, from the lowest of each byte on.
#[derive(Default)]
struct Bits {
    whole: Vec<u8>,
    partial: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.partial |= value << self.count;
        self.count += count;
        while self.count >= 8 {
            self.whole.push(self.partial as u8);
            (self.partial, self.count) = (self.partial >> 8, self.count - 8);
        }
    }

    fn whole(mut self) -> Vec<u8> {
        self.put(0, 7);
        self.whole
    }
}

/// CRC-32 of so many zeroes.
fn checksum(length: u32) -> u32 {
    let of_byte = |byte: u32| (0..8).fold(byte, |rest, _| (rest >> 1) ^ if rest & 1 == 1 { 0xedb8_8320 } else { 0 });
    let table: Vec<u32> = (0..256).map(of_byte).collect();
    !(0..length).fold(!0, |rest, _| (rest >> 8) ^ table[(rest & 0xff) as usize])
}

const MATCH_LEN: u32 = 258;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    #[test]
    fn gzip_unpacks_it() -> std::io::Result<()> {
        let packed = super::packed(10_000_000);
        assert!(packed.len() < 10_000, "{}", packed.len());
        let mut gzip = Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut input = gzip.stdin.take().expect("piped");
        let writer = std::thread::spawn(move || input.write_all(&packed));
        let mut unpacked = Vec::new();
        gzip.stdout.take().expect("piped").read_to_end(&mut unpacked)?;
        writer.join().expect("no panic")?;
        assert!(gzip.wait()?.success());
        assert!(unpacked.len() > 9_999_000 && unpacked.iter().all(|byte| *byte == 0), "{}", unpacked.len());
        Ok(())
    }
}
