//! One output of one core that goes wrong: the k-th of a whole run.

use std::fmt;
use std::str::FromStr;

/// Which output, counted from 1 over all cores, and how it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub output: u64,
    pub kind: FaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// It is tried and fails: what is sent is lost, or its connection breaks; a question is answered with a failure; a
    /// handoff comes late.
    Fails,
    /// Nobody ever says what became of it: what is sent vanishes with its connection left open, a question has no
    /// answer; a handoff comes very late.
    Silent,
    /// The whole server dies before it is performed, and starts again.
    Crash,
}

impl FaultKind {
    pub const ALL: [FaultKind; 3] = [FaultKind::Fails, FaultKind::Silent, FaultKind::Crash];

    pub fn as_str(self) -> &'static str {
        match self {
            FaultKind::Fails => "fails",
            FaultKind::Silent => "silent",
            FaultKind::Crash => "crash",
        }
    }
}

/// As it is typed: `fails:17`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.output)
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Fault, String> {
        let expected = || format!("expected KIND:OUTPUT such as crash:17, with fails, silent or crash, found {text:?}");
        let (kind, output) = text.split_once(':').ok_or_else(expected)?;
        let kind = FaultKind::ALL.into_iter().find(|known| known.as_str() == kind).ok_or_else(expected)?;
        let output = output.parse().ok().filter(|output| *output > 0).ok_or_else(expected)?;
        Ok(Fault { output, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_as_it_is_printed() {
        for kind in FaultKind::ALL {
            let fault = Fault { output: 17, kind };
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        assert!("crash:0".parse::<Fault>().is_err());
        assert!("burn:1".parse::<Fault>().is_err());
    }
}
