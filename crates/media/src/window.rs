//! Packet indices: which one a sequence number stands for (RFC 3711 section 3.3.1), and which were there (section 3.3.2). The
//! jitter buffer asks the same.

/// Of one source and one direction. An index is the sequence number under the count of its rollovers, 48 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    highest: u64,
    /// Bit n: whether `highest - n` was there.
    seen: u128,
}

impl Window {
    /// With the first packet that counts.
    pub fn beginning_with(index: u64) -> Window {
        Window { highest: index, seen: 1 }
    }

    /// The index that a sequence number most likely stands for; none before the beginning and after the end.
    pub fn estimate(&self, sequence: u16) -> Option<u64> {
        let highest = i64::try_from(self.highest).ok()?;
        let ahead = sequence.wrapping_sub((self.highest & 0xffff) as u16).cast_signed();
        u64::try_from(highest + i64::from(ahead)).ok().filter(|index| *index < INDEX_END)
    }

    /// Whether the index was not there yet and is not too old for us to know.
    pub fn is_new(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => true,
            Some(behind) => behind < u128::BITS.into() && self.seen & 1 << behind == 0,
        }
    }

    /// To be called once a packet proved to be genuine.
    pub fn accept(&mut self, index: u64) {
        match index.checked_sub(self.highest) {
            Some(ahead) => {
                let seen = u32::try_from(ahead).ok().and_then(|ahead| self.seen.checked_shl(ahead));
                self.seen = seen.unwrap_or(0) | 1;
                self.highest = index;
            }
            None => {
                let behind = u32::try_from(self.highest - index).ok();
                self.seen |= behind.and_then(|behind| 1_u128.checked_shl(behind)).unwrap_or(0);
            }
        }
    }
}

const INDEX_END: u64 = 1 << 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rollovers_are_counted_in_both_directions() {
        let mut window = Window::beginning_with(65_534);
        assert_eq!(window.estimate(65_535), Some(65_535));
        assert_eq!(window.estimate(1), Some(65_537));
        window.accept(65_537);
        assert_eq!(window.estimate(65_535), Some(65_535), "late, of the count before");
        assert_eq!(window.estimate(2), Some(65_538));
        assert_eq!(Window::beginning_with(3).estimate(65_535), None, "before the beginning");
        assert_eq!(Window::beginning_with(INDEX_END - 1).estimate(0), None, "after the end");
    }

    #[test]
    fn each_index_is_new_once() {
        let mut window = Window::beginning_with(1000);
        assert!(!window.is_new(1000));
        for index in [1003, 1001, 1128] {
            assert!(window.is_new(index), "{index}");
            window.accept(index);
            assert!(!window.is_new(index), "{index}");
        }
        assert!(!window.is_new(1000), "too old to know");
        assert!(!window.is_new(1001) && !window.is_new(1003));
        assert!(window.is_new(1002) && window.is_new(1127));
        window.accept(1_000_000);
        assert!(!window.is_new(1127) && window.is_new(999_999));
    }
}
