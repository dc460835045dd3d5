//! Many performances: every play with several seeds and numbers of workers, and with each of its outputs failing.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::fault::{Fault, FaultKind};
use crate::scenario::{Failure, Play, Run, ScenarioFile, Setting, run};

/// Which performances of a play to give.
#[derive(Debug, Clone)]
pub struct Programme {
    pub seeds: std::ops::Range<u64>,
    pub workers: Vec<u16>,
    pub edges: usize,
    pub outside: bool,
    /// Every so many outputs one fails, in a performance of its own; 0: none does.
    pub fault_step: u64,
}

/// What came of them.
#[derive(Default)]
pub struct Tally {
    pub performances: u64,
    /// Those in which an output failed.
    pub faults: u64,
    pub failures: Vec<Failure>,
}

impl Tally {
    pub fn add(&mut self, other: Self) {
        self.performances += other.performances;
        self.faults += other.faults;
        self.failures.extend(other.failures);
    }
}

impl Programme {
    /// Gives each of `plays` on one of `threads`. `ended` is told at the end of each, in whatever order they end; the failures are
    /// in the order of the plays.
    pub fn give_all(
        &self,
        plays: &[(&ScenarioFile, &Play)],
        threads: NonZeroUsize,
        ended: impl Fn(&ScenarioFile, &Play, &Tally, Duration) + Sync,
    ) -> Tally {
        let next = AtomicUsize::new(0);
        let give_what_is_left = || {
            let mut given = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((file, play)) = plays.get(index) else { return given };
                let (begun, mut tally) = (Instant::now(), Tally::default());
                self.give(file, play, &mut tally);
                ended(file, play, &tally, begun.elapsed());
                given.push((index, tally));
            }
        };
        let mut given = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads.get()).map(|_| scope.spawn(give_what_is_left)).collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().expect("a thread gives plays to its end"))
                .collect::<Vec<_>>()
        });
        given.sort_by_key(|(index, _)| *index);
        let mut all = Tally::default();
        given.into_iter().for_each(|(_, tally)| all.add(tally));
        all
    }

    pub fn give(&self, file: &ScenarioFile, play: &Play, tally: &mut Tally) {
        for workers in &self.workers {
            for seed in self.seeds.clone() {
                let (edges, outside) = (self.edges, self.outside);
                let setting = Setting { seed, workers: *workers, edges, outside, fault: None, keeps_trace: false };
                tally.performances += 1;
                match run(file, play, setting) {
                    Ok(run) => self.fail_each(file, play, setting, &run, tally),
                    Err(failure) => tally.failures.push(*failure),
                }
            }
        }
    }

    /// The same performance again with one output failing, for one output after the other.
    fn fail_each(&self, file: &ScenarioFile, play: &Play, setting: Setting, whole: &Run, tally: &mut Tally) {
        if self.fault_step == 0 {
            return;
        }
        // Which outputs are left out differs from play to play and from seed to seed.
        let first = 1 + (whole.world.trace.sum() % self.fault_step);
        for output in (first..=whole.play_outputs).step_by(usize::try_from(self.fault_step).unwrap_or(1)) {
            for kind in FaultKind::ALL {
                tally.faults += 1;
                let setting = Setting { fault: Some(Fault { output, kind }), ..setting };
                if let Err(failure) = run(file, play, setting) {
                    tally.failures.push(*failure);
                }
            }
        }
    }
}
