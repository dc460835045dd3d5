//! What happened, one line for each thing: the same seed gives the same lines.

use std::collections::VecDeque;
use std::time::Duration;

/// The lines of a run, or their sum and the last of them.
#[derive(Debug)]
pub struct Trace {
    lines: VecDeque<String>,
    lines_max: usize,
    count: u64,
    sum: u64,
}

impl Trace {
    /// Keeps the last `lines_max` lines.
    pub fn new(lines_max: usize) -> Trace {
        Trace { lines: VecDeque::new(), lines_max, count: 0, sum: FNV_OFFSET }
    }

    pub fn keep_all(&mut self) {
        self.lines_max = usize::MAX;
    }

    pub fn add(&mut self, at: Duration, what: &str) {
        let line = format!("{:>11.6} {what}", at.as_secs_f64());
        for byte in line.bytes().chain([b'\n']) {
            self.sum = (self.sum ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
        self.count += 1;
        if self.lines.len() >= self.lines_max {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// How many lines there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// FNV-1a over all lines: two runs with the same sum did the same.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_covers_lines_that_are_no_longer_kept() {
        let (mut one, mut other) = (Trace::new(1), Trace::new(1));
        one.add(Duration::ZERO, "alice sends");
        other.add(Duration::ZERO, "bob sends");
        assert_ne!(one.sum(), other.sum());
        one.add(Duration::from_millis(1), "bob receives");
        assert_eq!(one.lines().collect::<Vec<_>>(), ["   0.001000 bob receives"]);
        assert_eq!(one.count(), 2);
    }
}
