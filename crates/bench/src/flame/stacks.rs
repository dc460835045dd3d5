//! Samples of a profile, put together by who called whom.

use std::collections::BTreeMap;

use super::symbol::Symbol;

/// A function as it was called from one place, with all that it called.
#[derive(Debug, Default)]
pub struct Frame {
    samples: u64,
    callees: BTreeMap<Symbol, Frame>,
}

impl Frame {
    /// Of `perf script -F ip,sym`: a paragraph each sample, the innermost function first.
    pub fn read(script: &str) -> Frame {
        let mut whole = Frame::default();
        for sample in script.split("\n\n") {
            let stack: Vec<Symbol> = sample.lines().rev().filter_map(read_line).collect();
            if !stack.is_empty() {
                whole.add(stack);
            }
        }
        whole
    }

    pub fn samples(&self) -> u64 {
        self.samples
    }

    pub fn callees(&self) -> impl Iterator<Item = (&Symbol, &Frame)> {
        self.callees.iter()
    }

    /// Without those at the bottom that are in nearly every sample: they start the thread and its loop.
    pub fn above_trunk(&self) -> &Frame {
        let mut frame = self;
        while let Some(only) =
            frame.callees.values().find(|callee| callee.samples * 100 >= self.samples * TRUNK_PERCENT)
        {
            frame = only;
        }
        frame
    }

    /// The outermost first. What calls itself by way of the same name is one.
    fn add(&mut self, stack: Vec<Symbol>) {
        self.samples += 1;
        let mut frame = self;
        let mut last = None;
        for symbol in stack {
            if last.as_ref() != Some(&symbol) {
                frame = frame.callees.entry(symbol.clone()).or_default();
                frame.samples += 1;
                last = Some(symbol);
            }
        }
    }
}

/// An address and a name.
fn read_line(line: &str) -> Option<Symbol> {
    let (address, name) = line.trim().split_once(' ')?;
    let is_address = address.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_address.then(|| Symbol::read(name.trim(), address.len() == 16 && address.starts_with("ffff")))
}

const TRUNK_PERCENT: u64 = 90;

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "\
            55d0 sip::parse::parse
            55d1 net::worker::Worker::take
            55d2 std::thread::start

            55d3 sip::edit::apply
            55d1 net::worker::Worker::take
            55d2 std::thread::start

ffffffff8100 tcp_sendmsg
            55d1 net::worker::Worker::take
            55d2 std::thread::start
";

    #[test]
    fn samples_meet_in_those_who_called() {
        let whole = Frame::read(SCRIPT);
        assert_eq!(whole.samples(), 3);
        let top = whole.above_trunk();
        assert_eq!(top.samples(), 3);
        let names: Vec<&str> = top.callees().map(|(symbol, _)| symbol.name()).collect();
        assert_eq!(names.len(), 3, "the two at the bottom are left out: {names:?}");
        assert!(names.contains(&"parse::parse") && names.contains(&"tcp_sendmsg"), "{names:?}");
        assert!(top.callees().all(|(_, frame)| frame.samples() == 1));
    }
}
