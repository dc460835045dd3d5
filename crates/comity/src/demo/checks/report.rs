//! One line for each check, and the sum.

use std::process::ExitCode;
use std::time::Instant;

#[derive(Debug, Default)]
pub struct Report {
    passed: usize,
    failed: usize,
}

impl Report {
    /// Does one check and prints how it went.
    pub fn check(&mut self, name: &str, check: impl FnOnce() -> anyhow::Result<()>) {
        let started = Instant::now();
        let outcome = check();
        let millis = started.elapsed().as_millis();
        match outcome {
            Ok(()) => {
                self.passed += 1;
                println!("ok   {millis:>5} ms  {name}");
            }
            Err(error) => {
                self.failed += 1;
                println!("FAIL {millis:>5} ms  {name}: {error:#}");
            }
        }
    }

    pub fn print_summary(&self) {
        println!("{} passed, {} failed", self.passed, self.failed);
    }

    pub fn exit_code(&self) -> ExitCode {
        if self.failed == 0 && self.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_checked_is_no_success() {
        let code = |report: &Report| format!("{:?}", report.exit_code());
        let mut report = Report::default();
        assert_eq!(code(&report), format!("{:?}", ExitCode::FAILURE));
        report.check("right", || Ok(()));
        assert_eq!(code(&report), format!("{:?}", ExitCode::SUCCESS));
        report.check("wrong", || anyhow::bail!("so it is"));
        assert_eq!(code(&report), format!("{:?}", ExitCode::FAILURE));
    }
}
