//! A meeting's sound through our media thread and through the AudioBridge of Debian's Janus, in turn on the same core: plain RTP
//! on loopback, and what each participant costs.

mod janus;
mod ours;
mod phones;
mod report;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use sdp::Encoding;
use serde::Serialize;

use phones::{FRAMES_PER_SECOND, Heard, Phones};
use report::{Report, Row};

#[derive(Args)]
pub struct MixerArguments {
    /// In the one room; several numbers, several measures
    #[arg(long, value_delimiter = ',', default_values_t = [10, 50])]
    participants: Vec<usize>,
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Codec::Pcmu, Codec::Opus])]
    codec: Vec<Codec>,
    /// Who says something; the others send the noise of their rooms
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Talking::Two, Talking::All])]
    talking: Vec<Talking>,
    /// How often each of the two has its turn
    #[arg(long, default_value_t = 2)]
    pairs: usize,
    /// How long each figure is measured
    #[arg(long, default_value_t = 6)]
    secs: u64,
    /// Every raw figure
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Codec {
    Pcmu,
    Opus,
}

impl Codec {
    const fn encoding(self) -> Encoding {
        match self {
            Codec::Pcmu => Encoding::Pcmu,
            Codec::Opus => Encoding::Opus,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Talking {
    Two,
    All,
}

/// What both have to bear.
#[derive(Clone, Copy, Debug, Serialize)]
struct Scene {
    codec: Codec,
    participants: usize,
    talking: Talking,
    secs: u64,
}

/// What one turn brought.
#[derive(Debug, Serialize)]
struct Turn {
    /// Of the mixer, for each participant and frame of 20 ms.
    cpu_us: f64,
    #[serde(flatten)]
    heard: Heard,
}

/// A mixer with one room, on a core of its own.
trait Mixer {
    /// Lets this phone in. Returns where it is to send to.
    ///
    /// # Errors
    /// When it may not, with what the mixer said.
    fn join(&mut self, phone: SocketAddr) -> anyhow::Result<SocketAddr>;

    /// On a core, of all that mixes.
    ///
    /// # Errors
    /// When it has ended.
    fn processor_time(&self) -> anyhow::Result<Duration>;
}

#[derive(Clone, Copy, Debug)]
enum Contender {
    Comity,
    Janus,
}

impl Contender {
    fn start(self, encoding: Encoding) -> anyhow::Result<Box<dyn Mixer>> {
        Ok(match self {
            Contender::Comity => Box::new(ours::MediaThread::start(encoding)?),
            Contender::Janus => Box::new(janus::Janus::start(encoding)?),
        })
    }
}

/// # Errors
/// When a mixer does not start, or somebody does not hear what he should.
pub fn run(arguments: &MixerArguments) -> anyhow::Result<()> {
    ensure!(arguments.participants.iter().all(|count| *count > 2), "two talk, and somebody has to listen: 3 or more");
    crate::compare::make_room()?;
    let mut report = Report::default();
    for codec in &arguments.codec {
        for participants in &arguments.participants {
            for talking in &arguments.talking {
                let (codec, participants, talking) = (*codec, *participants, *talking);
                let scene = Scene { codec, participants, talking, secs: arguments.secs };
                report.rows.push(compare(scene, arguments.pairs)?);
            }
        }
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

fn compare(scene: Scene, pairs: usize) -> anyhow::Result<Row> {
    let mut row = Row::new(scene);
    for _ in 0..pairs {
        for (contender, turns) in [(Contender::Janus, &mut row.janus), (Contender::Comity, &mut row.comity)] {
            let turn = turn(contender, scene).with_context(|| format!("{contender:?}, {scene:?}"))?;
            eprintln!("{scene:?}, {contender:?}: {turn:?}");
            turns.push(turn);
        }
    }
    Ok(row)
}

fn turn(contender: Contender, scene: Scene) -> anyhow::Result<Turn> {
    let encoding = scene.codec.encoding();
    let mut mixer = contender.start(encoding)?;
    let talkers = if scene.talking == Talking::All { scene.participants } else { 2 };
    let mut phones = Phones::new(encoding, scene.participants, talkers)?;
    phones.join(|phone| mixer.join(phone))?;
    phones.talk(WARM_UP_FRAMES)?;
    let before = mixer.processor_time()?;
    let frames = usize::try_from(scene.secs)? * FRAMES_PER_SECOND;
    let heard = phones.talk(frames)?;
    let spent = mixer.processor_time()?.saturating_sub(before);
    heard.check(frames, scene.participants)?;
    Ok(Turn { cpu_us: spent.as_secs_f64() * 1e6 / (frames * scene.participants) as f64, heard })
}

/// That of a mixer; the phones have the other.
const CORE: usize = 0;
const WARM_UP_FRAMES: usize = 2 * FRAMES_PER_SECOND;
