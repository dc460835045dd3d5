//! What a function is called in a picture, and whose it is.

/// A short name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symbol {
    whose: Whose,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    Ours,
    Tls,
    Memory,
    Kernel,
    Other,
}

impl Symbol {
    /// From a demangled name.
    pub fn read(symbol: &str, is_kernel: bool) -> Symbol {
        let path = without_arguments(&of_implementation(without_hash(symbol)));
        let is_said = |part: &&str| !part.is_empty() && !part.starts_with('{');
        let parts: Vec<&str> = path.split("::").filter(is_said).collect();
        let kept = parts.len().saturating_sub(2);
        let whose = if is_kernel { Whose::Kernel } else { whose(&parts) };
        Symbol { whose, name: parts[kept..].join("::") }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn whose(&self) -> Whose {
        self.whose
    }
}

impl Whose {
    pub const ALL: [Whose; 5] = [Whose::Ours, Whose::Tls, Whose::Memory, Whose::Kernel, Whose::Other];

    pub fn title(self) -> &'static str {
        match self {
            Whose::Ours => "Comity",
            Whose::Tls => "TLS",
            Whose::Memory => "memory",
            Whose::Kernel => "kernel",
            Whose::Other => "libraries",
        }
    }

    pub fn colour(self) -> &'static str {
        match self {
            Whose::Ours => "#f2a65a",
            Whose::Tls => "#9cc5a1",
            Whose::Memory => "#e0777d",
            Whose::Kernel => "#8eb1d1",
            Whose::Other => "#d9d2c5",
        }
    }
}

fn whose(parts: &[&str]) -> Whose {
    let first = parts.first().copied().unwrap_or_default();
    let is_one = |names: &[&str]| names.iter().any(|name| first.starts_with(name));
    match first {
        _ if OURS.contains(&first) => Whose::Ours,
        _ if is_one(&["rustls", "aws_lc", "webpki"]) => Whose::Tls,
        _ if is_one(&[
            "mi_",
            "_mi_",
            "mimalloc",
            "malloc",
            "cfree",
            "realloc",
            "_int_",
            "__rust_",
            "__libc_malloc",
        ]) =>
        {
            Whose::Memory
        }
        _ => Whose::Other,
    }
}

/// Old symbols of Rust end so.
fn without_hash(symbol: &str) -> &str {
    match symbol.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => path,
        _ => symbol,
    }
}

/// `<Type as Trait>::function` is a function of the type.
fn of_implementation(symbol: &str) -> String {
    let Some(inner) = symbol.strip_prefix('<') else { return symbol.to_owned() };
    let mut depth = 1;
    for (at, character) in inner.char_indices() {
        match character {
            '<' => depth += 1,
            '>' if !inner[..at].ends_with('-') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let (head, rest) = (&inner[..at], &inner[at + 1..]);
            return format!("{}{rest}", of_implementation(head.split(" as ").next().unwrap_or(head)));
        }
    }
    symbol.to_owned()
}

/// Without what stands in angle brackets.
fn without_arguments(symbol: &str) -> String {
    let (mut depth, mut last, mut path) = (0_usize, ' ', String::new());
    for character in symbol.chars() {
        match character {
            '<' => depth += 1,
            '>' if last != '-' => depth = depth.saturating_sub(1),
            _ if depth == 0 => path.push(character),
            _ => {}
        }
        last = character;
    }
    path
}

const OURS: &[&str] = &[
    "sip",
    "sdp",
    "documents",
    "federation",
    "registrar",
    "messaging",
    "presence",
    "conference",
    "media",
    "signaling",
    "net",
    "store",
    "certificates",
    "server",
    "comity",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(symbol: &str) -> (Whose, String) {
        let symbol = Symbol::read(symbol, false);
        (symbol.whose(), symbol.name().to_owned())
    }

    #[test]
    fn the_last_two_words_and_whose_they_are() {
        assert_eq!(read("signaling::core::Core::handle_input"), (Whose::Ours, "Core::handle_input".into()));
        assert_eq!(read("sip::parse::parse_within::h0123456789abcdef"), (Whose::Ours, "parse::parse_within".into()));
        assert_eq!(read("mi_free"), (Whose::Memory, "mi_free".into()));
        assert_eq!(read("aws_lc_0_45_0_gcm_ghash_avx512"), (Whose::Tls, "aws_lc_0_45_0_gcm_ghash_avx512".into()));
        assert_eq!(Symbol::read("tcp_sendmsg", true).whose(), Whose::Kernel);
    }

    #[test]
    fn types_stay_and_their_arguments_go() {
        let poll = "<core::pin::Pin<P> as core::future::future::Future>::poll";
        assert_eq!(read(poll), (Whose::Other, "Pin::poll".into()));
        assert_eq!(read("alloc::vec::Vec<T,A>::push"), (Whose::Other, "Vec::push".into()));
        assert_eq!(read("net::tcp::run::{{closure}}"), (Whose::Ours, "tcp::run".into()));
        assert_eq!(read("core::ops::FnOnce<fn() -> u8>::call_once"), (Whose::Other, "FnOnce::call_once".into()));
    }
}
