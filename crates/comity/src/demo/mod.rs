//! `comity demo`: three federated organisations on this machine, checked from outside as any client would.
//!
//! Each is a `comity serve` process of its own. The demo brings what the world would: DNS, certificates and phones.

mod addresses;
mod arguments;
mod checks;
mod meeting;
mod organisation;
mod peer;
mod phone;
mod phone_folders;
mod pki;
mod stage;
mod tests_hold;
mod zones;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

pub use self::arguments::{DemoArguments, EXAMPLES};

use self::addresses::{Addresses, Place};
use self::organisation::{ORGANISATIONS, Organisation};
use self::peer::Peer;
use self::pki::Authority;
use self::stage::{ClearOnDrop, Stage};
use self::zones::Zone;

/// Everything of a run that checks and printed texts speak of.
pub struct World {
    /// This very program, which is the server and its commands, too.
    pub program: PathBuf,
    pub folder: PathBuf,
    pub dns: SocketAddr,
    pub authority: Authority,
    pub organisations: Vec<Organisation>,
    /// Somebody else's server, where a test program brings one.
    pub peer: Option<Peer>,
    /// The digest algorithms that all of them offer, the most wanted first.
    pub digest: Vec<String>,
}

/// Runs the demo to its end. On SIGINT, SIGTERM and SIGHUP it clears everything away and leaves the program.
pub fn run(arguments: DemoArguments) -> anyhow::Result<ExitCode> {
    let stage = Stage::default();
    let _clear = ClearOnDrop(stage.clone());
    let count = ORGANISATIONS.len() + usize::from(arguments.hold_for_tests.is_some());
    let Addresses { dns, dns_udp, dns_tcp, places } =
        Addresses::choose(arguments.address, arguments.dns_port, count as u8)?;
    let folder = create_folder(&arguments, &stage)?;
    let world = World::new(folder, dns, &places, arguments.digest.clone())?;
    let resting = Arc::new(AtomicBool::new(false));
    serve_dns(world.zones(), (dns_udp, dns_tcp), stage.clone(), resting.clone())?;
    world.start(&arguments, &stage)?;
    if let Some(folder) = &arguments.hold_for_tests {
        return tests_hold::hold(&world, folder, &stage);
    }
    let mut report = checks::run(&world)?;
    if arguments.check {
        report.check("each server ends when it is asked to", || stage.clear());
        report.print_summary();
        return Ok(report.exit_code());
    }
    report.print_summary();
    phone_folders::write_and_print(&world)?;
    resting.store(true, Ordering::Relaxed);
    rest(&world, &stage)
}

impl World {
    /// Nothing runs yet.
    fn new(folder: PathBuf, dns: SocketAddr, places: &[Place], digest: Vec<String>) -> anyhow::Result<World> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let pairs = ORGANISATIONS.iter().zip(places);
        let organisation = |(definition, place): (_, &Place)| Organisation::new(definition, *place, &folder, &program);
        let authority = Authority::create(&folder)?;
        let peer = places.get(ORGANISATIONS.len()).map(|place| Peer::create(*place, &authority, &folder));
        Ok(World {
            dns,
            peer: peer.transpose()?,
            authority,
            organisations: pairs.map(organisation).collect(),
            digest,
            program,
            folder,
        })
    }

    pub fn organisation(&self, domain: &str) -> &Organisation {
        let found = self.organisations.iter().find(|organisation| organisation.definition.domain == domain);
        found.expect("the organisations are known when the program is written")
    }

    /// The zones of the organisations, and of those whom nobody should trust.
    fn zones(&self) -> Vec<Zone> {
        let mut zones: Vec<_> = self.organisations.iter().map(Organisation::zone).collect();
        zones.extend(self.peer.iter().flat_map(Peer::zones));
        let contoso = self.organisation("contoso.example").place.tls;
        for (domain, edge) in OUTSIDERS {
            zones.push(Zone {
                domain,
                hosts: BTreeMap::from([(edge, contoso.ip())]),
                // Nothing of theirs listens anywhere: they send only.
                edge: Some((edge, contoso.port())),
            });
        }
        zones.push(Zone { domain: SILENT_DOMAIN, hosts: BTreeMap::new(), edge: None });
        zones
    }

    /// Starts every server, then fills them through their commands.
    fn start(&self, arguments: &DemoArguments, stage: &Stage) -> anyhow::Result<()> {
        for organisation in &self.organisations {
            DirBuilder::new().mode(0o700).create(&organisation.folder)?;
            self.authority.certify(organisation.definition.names)?.write(&organisation.folder)?;
            fs::write(
                organisation.config_file(),
                organisation.configuration(self.dns, arguments.workers, &self.digest),
            )?;
            let config = organisation.config_file();
            let config = config.to_str().context("the folder's name is not UTF-8")?;
            let log = fs::File::create(organisation.log_file())?;
            stage.start(organisation.definition.domain, &self.program, &["serve", "--config", config], log)?;
        }
        for organisation in &self.organisations {
            organisation.wait_until_ready(|| stage.ended().is_none())?;
            organisation.furnish(|domain| self.organisation(domain).edge())?;
        }
        Ok(())
    }
}

/// For their owner alone: there are passwords and keys in it.
fn create_folder(arguments: &DemoArguments, stage: &Stage) -> anyhow::Result<PathBuf> {
    if let Some(folder) = &arguments.hold_for_tests {
        return fs::canonicalize(folder).with_context(|| format!("no folder {}", folder.display()));
    }
    let folder = tempfile::Builder::new()
        .prefix("comity-demo-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .tempdir()
        .context("cannot make a temporary folder")?
        .keep();
    if arguments.keep {
        println!("everything is kept in {}", folder.display());
    } else {
        stage.remove_at_end(&folder);
    }
    Ok(folder)
}

/// DNS and signals, on a thread of their own, so that they are served whatever the main thread waits for.
fn serve_dns(
    zones: Vec<Zone>,
    sockets: (UdpSocket, TcpListener),
    stage: Stage,
    resting: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (server, mut signals) = runtime.block_on(async {
        let server = zones::serve(&zones, sockets.0, sockets.1).await?;
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let signals = kinds.map(signal).into_iter().collect::<Result<Vec<_>, _>>()?;
        anyhow::Ok((server, signals))
    })?;
    let serve = move || {
        runtime.block_on(async {
            let [interrupt, terminate, hangup] = &mut signals[..] else { return };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        let outcome = stage.clear();
        drop(server);
        let code = match (outcome, resting.load(Ordering::Relaxed)) {
            (Ok(()), true) => 0,
            (Ok(()), false) => EXIT_INTERRUPTED,
            (Err(error), _) => {
                eprintln!("error: {error:#}");
                1
            }
        };
        std::process::exit(code);
    };
    std::thread::Builder::new().name("dns".to_owned()).spawn(serve)?;
    Ok(())
}

/// Until a signal ends the program, or a server ends by itself.
fn rest(world: &World, stage: &Stage) -> anyhow::Result<ExitCode> {
    loop {
        std::thread::sleep(Duration::from_millis(500));
        if let Some((name, status)) = stage.ended() {
            let log = world.organisation(&name).log_file();
            let end = fs::read_to_string(log).unwrap_or_default();
            anyhow::bail!("the server of {name} ended by itself ({status}):\n{}", end.trim_end());
        }
    }
}

/// Domains that send from outside: one that is blocked, one that claims to be another.
const OUTSIDERS: [(&str, &str); 2] =
    [("northwind.example", "sip.northwind.example"), ("mallory.example", "sip.mallory.example")];
/// A domain that has no federation records.
pub const SILENT_DOMAIN: &str = "adatum.example";
const EXIT_INTERRUPTED: i32 = 130;
