//! `cargo run -p sim`: performs plays, again and again, and says how to see again what went wrong.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use sim::Fault;
use sim::performance::{Programme, Tally};
use sim::scenario::{self, Failure, Play, ScenarioFile, Setting};

/// Performs scenarios in the simulated world.
#[derive(Parser)]
#[command(after_help = EXAMPLES)]
struct Arguments {
    /// Files of plays [default: all in scenarios/]
    files: Vec<PathBuf>,
    /// The one play of this title
    #[arg(long, value_name = "TITLE")]
    play: Option<String>,
    /// The one performance with this seed
    #[arg(long, value_name = "SEED", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Performances with so many seeds, from 1 on
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    seeds: u64,
    /// Workers of each organisation [default: 1, then 3]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: Option<u16>,
    /// Edges before each organisation, whose home is apart from them; 0: edge and home are one server
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=4))]
    edges: u8,
    /// Phones are outside, and sign in by the edges
    #[arg(long, requires = "edges")]
    outside: bool,
    /// Let one output fail, such as fails:17, silent:17 or crash:17
    #[arg(long, value_name = "KIND:OUTPUT")]
    fault: Option<Fault>,
    /// Perform each play again with every COUNT-th output failing, in every way
    #[arg(long, value_name = "COUNT", num_args = 0..=1, default_missing_value = "1", conflicts_with = "fault")]
    faults: Option<u64>,
    /// Plays performed at a time [default: as many as there are cores]
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,
    /// Print everything that happens
    #[arg(long)]
    trace: bool,
    /// Print every sentence that a play can say
    #[arg(long)]
    sentences: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.sentences {
        scenario::forms().for_each(|form| println!("{}", form.pattern));
        return ExitCode::SUCCESS;
    }
    match perform(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn perform(arguments: &Arguments) -> Result<ExitCode, String> {
    let files = arguments.files()?;
    let plays = arguments.plays(&files)?;
    let tally = if arguments.fault.is_some() || arguments.trace {
        arguments.perform_aloud(&plays)
    } else {
        arguments.programme().give_all(&plays, arguments.threads(), print_play)
    };
    print_failures(&tally.failures);
    let passed = tally.performances + tally.faults - tally.failures.len() as u64;
    println!("{passed} passed, {} failed", tally.failures.len());
    Ok(if tally.failures.is_empty() && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_play(file: &ScenarioFile, play: &Play, tally: &Tally, took: Duration) {
    let mark = if tally.failures.is_empty() { "ok  " } else { "FAIL" };
    let (millis, performances, faults) = (took.as_millis(), tally.performances, tally.faults);
    println!("{mark} {millis:>6} ms {performances:>4} performances {faults:>6} faults  {}: {}", file.path, play.title);
}

/// The first of each play in full, of the others how to see them.
fn print_failures(failures: &[Failure]) {
    let mut last = None;
    for failure in failures {
        let play = (&failure.title, &failure.what);
        if last != Some(play) {
            println!("\n{failure}");
        } else {
            println!("  and: {}", failure.again());
        }
        last = Some(play);
    }
}

impl Arguments {
    fn files(&self) -> Result<Vec<ScenarioFile>, String> {
        let paths = if self.files.is_empty() { scenario::all(Path::new("scenarios"))? } else { self.files.clone() };
        paths.iter().map(|path| ScenarioFile::load(path)).collect()
    }

    fn plays<'a>(&self, files: &'a [ScenarioFile]) -> Result<Vec<(&'a ScenarioFile, &'a Play)>, String> {
        let Some(title) = &self.play else {
            return Ok(files.iter().flat_map(|file| file.plays.iter().map(move |play| (file, play))).collect());
        };
        files.iter().map(|file| Ok((file, file.play(title)?))).collect()
    }

    fn programme(&self) -> Programme {
        Programme {
            seeds: self.seed.map_or(1..self.seeds + 1, |seed| seed..seed + 1),
            workers: self.workers(),
            edges: self.edges.into(),
            outside: self.outside,
            fault_step: self.faults.unwrap_or(0),
        }
    }

    fn workers(&self) -> Vec<u16> {
        self.workers.map_or_else(|| vec![1, 3], |workers| vec![workers])
    }

    fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    /// One performance of each play and number of workers, with all that happens printed if that is wanted.
    fn perform_aloud(&self, plays: &[(&ScenarioFile, &Play)]) -> Tally {
        let mut all = Tally::default();
        for (file, play) in plays {
            let (begun, mut tally) = (Instant::now(), Tally::default());
            for workers in self.workers() {
                self.perform_once_aloud(file, play, workers, &mut tally);
            }
            print_play(file, play, &tally, begun.elapsed());
            all.add(tally);
        }
        all
    }

    fn perform_once_aloud(&self, file: &ScenarioFile, play: &Play, workers: u16, tally: &mut Tally) {
        let (seed, fault) = (self.seed.unwrap_or(1), self.fault);
        let (edges, outside, keeps_trace) = (self.edges.into(), self.outside, self.trace);
        let setting = Setting { seed, workers, edges, outside, fault, keeps_trace };
        tally.performances += 1;
        match scenario::run(file, play, setting) {
            Ok(run) if self.trace => {
                let trace = &run.world.trace;
                trace.lines().for_each(|line| println!("{line}"));
                println!("{} things happened, their sum is {:016x}", trace.count(), trace.sum());
            }
            Ok(_) => {}
            Err(failure) => tally.failures.push(*failure),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  cargo run -p sim                                     every play, a few times
  cargo run -p sim -- --seeds 1000                     more often
  cargo run -p sim -- --faults                         with each output of each play failing in turn
  cargo run -p sim -- scenarios/messages.play --seed 7 --workers 3 --trace
  cargo run -p sim -- --sentences                      what a play can say";
