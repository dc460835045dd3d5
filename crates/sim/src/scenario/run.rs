//! Performing a play: sentence after sentence, then what must hold in the end.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::closing;
use super::file::{Play, ScenarioFile};
use super::form::Sentence;
use crate::fault::Fault;
use crate::network::{Place, Weather};
use crate::phone::Event;
use crate::world::World;

/// All that a performance follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub seed: u64,
    /// Of each organisation.
    pub workers: u16,
    /// Before each organisation; with none it is one server.
    pub edges: usize,
    /// Phones sign in from outside, by the edges.
    pub outside: bool,
    /// With one, what the play expects need not come to be so: only what must always hold does.
    pub fault: Option<Fault>,
    pub keeps_trace: bool,
}

/// A performance under way, and what is left of it.
pub struct Run {
    pub setting: Setting,
    pub world: World,
    /// Outputs of all cores before the play was closed.
    pub play_outputs: u64,
    sites_by_domain: BTreeMap<String, usize>,
    phones_by_name: BTreeMap<String, usize>,
    /// The addresses that asked a phone about somebody.
    pub(super) askers: BTreeMap<(String, String), String>,
}

/// A performance that went wrong.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Of the file, with the line where there is one.
    pub place: String,
    pub title: String,
    pub what: String,
    pub setting: Setting,
    path: String,
    trace: Vec<String>,
}

/// Performs a play.
///
/// # Errors
/// With all that is needed to see it again.
pub fn run(file: &ScenarioFile, play: &Play, setting: Setting) -> Result<Run, Box<Failure>> {
    let mut run = Run::new(setting);
    let failed = |run: &Run, line: Option<usize>, what: String| {
        Box::new(Failure {
            place: line.map_or_else(|| file.path.clone(), |line| format!("{}:{line}", file.path)),
            title: play.title.clone(),
            what,
            setting,
            path: file.path.clone(),
            trace: run.world.trace.lines().map(str::to_owned).collect(),
        })
    };
    for sentence in &play.sentences {
        let outcome = run.perform(sentence);
        if let Err(what) = outcome
            && setting.fault.is_none()
        {
            return Err(failed(&run, Some(sentence.line), format!("{}\n  {what}", sentence.text)));
        }
    }
    run.play_outputs = run.world.outputs;
    match closing::check(&mut run) {
        Ok(()) => Ok(run),
        Err(what) => Err(failed(&run, None, format!("in the end: {what}"))),
    }
}

impl Run {
    fn new(setting: Setting) -> Run {
        let mut world = World::with_weather(setting.seed, Weather::fair());
        world.fault = setting.fault;
        if setting.keeps_trace {
            world.trace.keep_all();
        }
        Run {
            setting,
            world,
            play_outputs: 0,
            sites_by_domain: BTreeMap::new(),
            phones_by_name: BTreeMap::new(),
            askers: BTreeMap::new(),
        }
    }

    fn perform(&mut self, sentence: &Sentence) -> Result<(), String> {
        self.world.note(format!("-- {}", sentence.text));
        (sentence.form.act)(self, &sentence.words)
    }

    pub(super) fn add_site(&mut self, domain: &str, discovery: bool, edges: usize) {
        let site = self.world.organisation(domain, self.setting.workers, &[], discovery);
        if edges > 0 {
            self.world.put_edges_before(site, edges);
        }
        // With every other seed: what a play tells must not depend on it.
        if self.setting.seed.is_multiple_of(2) {
            self.world.hide_topology(site);
        }
        self.sites_by_domain.insert(domain.to_owned(), site);
    }

    /// The site serves this domain besides; where nobody does, it is the domain's.
    pub(super) fn serve(&mut self, site: usize, domain: &str) {
        self.world.serve(site, domain);
        self.sites_by_domain.entry(domain.to_owned()).or_insert(site);
    }

    pub(super) fn add_phone(&mut self, name: &str, phone: usize) {
        self.phones_by_name.insert(name.to_owned(), phone);
    }

    /// The organisation of a domain, or of the domain of an address.
    pub(super) fn site(&self, domain: &str) -> Result<usize, String> {
        let domain = domain.split(['@', '/']).nth(usize::from(domain.contains('@'))).unwrap_or(domain);
        self.sites_by_domain.get(domain).copied().ok_or_else(|| format!("there is no organisation {domain}"))
    }

    pub(super) fn phone(&self, name: &str) -> Result<usize, String> {
        self.phones_by_name.get(name).copied().ok_or_else(|| format!("{name} has no phone"))
    }

    pub(super) fn phones(&self) -> impl Iterator<Item = usize> + use<> {
        0..self.world.phones().len()
    }

    /// The place of a domain or of a phone.
    pub(super) fn place(&self, name: &str) -> Result<Place, String> {
        if let Ok(phone) = self.phone(name) {
            return self.world.place_of(phone).ok_or_else(|| format!("{name} is not connected"));
        }
        self.site(name).map(Place::Site)
    }

    /// Waits until a phone has such an event, and takes it.
    pub(super) fn expect(
        &mut self,
        name: &str,
        within: Option<Duration>,
        fits: impl Fn(&Event) -> bool,
    ) -> Result<Event, String> {
        let phone = self.phone(name)?;
        let end = self.world.now + within.unwrap_or(WAIT);
        let is_there = |world: &World| world.phones()[phone].events.iter().any(&fits);
        if !self.world.run_until(end, is_there) {
            return Err(format!("it did not; {}", self.told(phone)));
        }
        let events = &mut self.world.phone_mut(phone).events;
        let at = events.iter().position(fits).expect("it is there");
        Ok(events.remove(at).expect("at this place"))
    }

    /// Waits until something is so.
    pub(super) fn wait(&mut self, within: Option<Duration>, is_so: impl Fn(&World) -> bool) -> bool {
        let end = self.world.now + within.unwrap_or(WAIT);
        self.world.run_until(end, is_so)
    }

    /// What a phone has to tell that nobody asked about.
    pub(super) fn told(&self, phone: usize) -> String {
        let phone = &self.world.phones()[phone];
        let events: Vec<String> = phone.events.iter().map(Event::to_string).collect();
        let told = if events.is_empty() { "has nothing to tell".to_owned() } else { events.join(", then ") };
        format!("{} {told}", phone.name())
    }
}

impl Failure {
    /// The command that shows it again.
    pub fn again(&self) -> String {
        let Setting { seed, workers, edges, fault, .. } = self.setting;
        let edges = if edges > 0 { format!(" --edges {edges}") } else { String::new() };
        let fault = fault.map(|fault| format!(" --fault {fault}")).unwrap_or_default();
        let (path, title) = (&self.path, &self.title);
        format!("cargo run -p sim -- {path} --play {title:?} --seed {seed} --workers {workers}{edges}{fault} --trace")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.place, self.title)?;
        writeln!(f, "  {}", self.what)?;
        writeln!(f, "  the last of what happened:")?;
        for line in &self.trace {
            writeln!(f, "    {line}")?;
        }
        write!(f, "  to see it again: {}", self.again())
    }
}

/// How long something may take to come to be so, unless a sentence says it: beyond every timer of a non-INVITE.
const WAIT: Duration = Duration::from_secs(40);
