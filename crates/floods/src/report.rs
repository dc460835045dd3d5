//! The table: what each attack did to memory and to honest people, and what the attackers got.

use std::collections::BTreeMap;
use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use crate::answers::Answers;
use crate::attack::MemoryMax;
use crate::honest::Summary;

pub struct Row {
    pub attack: &'static str,
    /// Bytes: before, at the peak, after.
    pub memory: [u64; 3],
    pub memory_max: MemoryMax,
    pub before: Summary,
    pub during: Summary,
    pub limits_met: BTreeMap<String, u64>,
    pub answers: Answers,
}

impl Row {
    pub fn honest_p99(&self) -> Duration {
        self.during.percentile(99)
    }

    /// What must not be, however slow the machine is.
    pub fn problems(&self) -> Vec<String> {
        let failed = self.before.failed.iter().chain(&self.during.failed);
        let mut problems: Vec<String> =
            failed.map(|why| format!("{}: an honest request was not answered ({why})", self.attack)).collect();
        if self.during.answered() == 0 {
            problems.push(format!("{}: no honest request was made", self.attack));
        }
        if self.answers.sent == 0 {
            problems.push(format!("{}: it did not take place: {}", self.attack, self.answers));
        }
        if self.answers.surplus_per_sec() > SURPLUS_PER_SEC_MAX {
            problems.push(format!("{}: more bytes come back than are sent: {}", self.attack, self.answers));
        }
        let [before, peak, _] = self.memory;
        self.note_memory(&mut problems, "had at its peak", peak, before + self.memory_max.peak);
        problems
    }

    /// What the server may not keep, of one that had nothing else to do.
    pub fn kept(&self) -> Vec<String> {
        let [before, _, after] = self.memory;
        let mut problems = Vec::new();
        self.note_memory(&mut problems, "keeps", after, before + self.memory_max.kept);
        problems
    }

    fn note_memory(&self, problems: &mut Vec<String>, what: &str, bytes: u64, max: u64) {
        if bytes > max {
            let [bytes, max] = [bytes, max].map(|bytes| bytes >> 20);
            problems.push(format!("{}: the server {what} {bytes} MB, more than {max} MB", self.attack));
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, peak, after] = self.memory.map(|bytes| bytes >> 20);
        let pair = |summary: &Summary| {
            let [p50, p99] = [50, 99].map(|rank| summary.percentile(rank).as_secs_f64() * 1000.0);
            format!("{p50:.0} / {p99:.0}")
        };
        let failed = self.before.failed.len() + self.during.failed.len();
        let met: Vec<_> = self.limits_met.iter().map(|(limit, count)| format!("`{limit}` {count}")).collect();
        write!(
            f,
            "| {} | {before} / {peak} / {after} | {} of {} | {} | {} | {} | {} |",
            self.attack,
            self.during.answered(),
            self.during.answered() + failed,
            pair(&self.before),
            pair(&self.during),
            self.answers,
            met.join(", ")
        )
    }
}

pub fn print_head() {
    println!(
        "| Attack | Memory, MB: before / peak / after | Honest requests answered | Honest, ms: p50 / p99 before | p50 / p99 \
         during | What the attacker got | Limits met |\n| --- | --- | --- | --- | --- | --- | --- |"
    );
}

/// Prints what must not be, if anything.
pub fn verdict(problems: &[String]) -> ExitCode {
    problems.iter().for_each(|problem| println!("FAILED {problem}"));
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What two workers may send beyond what came, and what was under way as the attack ended.
const SURPLUS_PER_SEC_MAX: f64 = 1.5 * 2.0 * 32.0 * 1024.0;
