//! The table: what came through of each attack, and what honest people noticed.

use std::fmt;
use std::time::Duration;

use crate::answers::Answers;
use crate::honest::Summary;

/// What an attack did.
pub struct Harm {
    /// What is counted as harm, as in "messages delivered".
    pub kind: &'static str,
    pub done: u64,
    /// Of so many that were tried.
    pub of: u64,
    /// More than this must not be, however long it lasted: what the rules let through.
    pub done_max: u64,
    pub answers: Answers,
    /// What went wrong with the attack itself.
    pub problems: Vec<String>,
    /// What else was seen.
    pub remark: Option<String>,
}

pub struct Row {
    pub name: &'static str,
    pub harm: Harm,
    pub lasted: Duration,
    pub before: Summary,
    pub during: Summary,
}

impl Row {
    pub fn problems(&self) -> Vec<String> {
        let Harm { kind, done, done_max, problems, answers, .. } = &self.harm;
        let mut all: Vec<String> = problems.iter().map(|problem| format!("{}: {problem}", self.name)).collect();
        if done > done_max {
            all.push(format!("{}: {done} {kind}, where the rules let {done_max} through", self.name));
        }
        if answers.sent == 0 || self.during.answered() == 0 {
            all.push(format!("{}: it did not take place: {answers}", self.name));
        }
        let failed = self.before.failed.len() + self.during.failed.len();
        let made = self.before.answered() + self.during.answered() + failed;
        if failed * 1000 > made {
            let first = self.before.failed.iter().chain(&self.during.failed).next();
            all.push(format!("{}: {failed} of {made} honest requests failed, such as {first:?}", self.name));
        }
        all
    }
}

impl Row {
    /// Who of the honest waited for how long at most.
    pub fn slowest(&self) -> String {
        let kinds = self.during.slowest_by_kind.iter();
        let each: Vec<String> = kinds.map(|(kind, took)| format!("{kind} {} ms", took.as_millis())).collect();
        format!("{}: slowest {}", self.name, each.join(", "))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Harm { kind, done, of, answers, .. } = &self.harm;
        let share = *done as f64 * 100.0 / (*of).max(1) as f64;
        let p99 = |summary: &Summary| summary.percentile(99).as_secs_f64() * 1000.0;
        write!(
            f,
            "| {} | {:.0} s | {answers} | {done} of {of} {kind}: {share:.2} % | {} of {} | {:.0} / {:.0} |",
            self.name,
            self.lasted.as_secs_f64(),
            self.during.failed.len(),
            self.during.answered() + self.during.failed.len(),
            p99(&self.before),
            p99(&self.during),
        )
    }
}

pub fn print_head() {
    println!(
        "| Attack | Lasted | What the attackers got | Harm | Honest requests refused | Honest p99, ms: idle / during |\n\
         | --- | --- | --- | --- | --- | --- |"
    );
}
