//! What the tests of all documents draw by lot.

/// Random enough for tests, and the same each time.
pub struct XorShift(pub u64);

impl XorShift {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    pub fn text(&mut self, letters: &str, length_max: usize) -> String {
        let letters: Vec<char> = letters.chars().collect();
        (0..self.below(length_max + 1)).map(|_| letters[self.below(letters.len())]).collect()
    }

    pub fn notes(&mut self) -> Vec<String> {
        (0..self.below(4)).map(|_| self.text("ab <>&\"'\r\n\t]\u{7f}\u{85}\u{e9}\u{2028}\u{1f600};#", 30)).collect()
    }

    pub fn name(&mut self) -> String {
        format!("n{}", self.text("ab-_.09&<\"'>\u{e9}", 12))
    }

    pub fn some<T>(&mut self, value: T) -> Option<T> {
        (self.below(2) == 0).then_some(value)
    }
}

/// Changes a byte or copies a piece, with a taste for what documents are made of.
pub fn mutate(bytes: &mut Vec<u8>, random: &mut XorShift) {
    const LETTERS: &[u8] = b"\r\n\t <>/&;#x:='\"![]-?ab0\0\xe9\xc3\xef";
    let at = random.below(bytes.len().max(1));
    let letter = LETTERS[random.below(LETTERS.len())];
    match random.below(5) {
        _ if bytes.is_empty() => bytes.push(letter),
        0 => bytes[at] = letter,
        1 => bytes.insert(at, letter),
        2 => drop(bytes.remove(at)),
        3 => bytes.swap(at, 0),
        _ => {
            let end = (at + random.below(60)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            let to = random.below(bytes.len());
            bytes.splice(to..to, piece);
        }
    }
}
