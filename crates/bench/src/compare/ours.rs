//! Comity, as `comity serve` with a configuration of its own.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::scene::{DOMAIN, EDGE, Job, PASSWORD, Place, Running, Scene, partners};

/// # Errors
/// When it is not built, or does not start.
pub fn start(scene: &Scene, cores: &str) -> anyhow::Result<Running> {
    let program = std::env::current_exe()?.with_file_name("comity");
    ensure!(program.exists(), "there is no {}; build it first: cargo build --release -p comity", program.display());
    let place = Place::prepare()?;
    fs::write(place.path("comity.toml"), configuration(scene, &place))?;
    let running = place.start(&program, &["serve"], cores)?;
    let server = Comity { program, running };
    server.wait_for_control()?;
    server.enter_partners(scene.partners)?;
    if let Job::Registrar { users } = scene.job {
        for user in 0..users {
            let address = format!("user{user}@{DOMAIN}");
            server.command(&["user", "add", &address, "--password-stdin"], &format!("{PASSWORD}\n"))?;
        }
    }
    Ok(server.running)
}

struct Comity {
    program: PathBuf,
    running: Running,
}

impl Comity {
    /// It takes connections a moment before it takes commands.
    fn wait_for_control(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while let Err(error) = self.command(&["status"], "") {
            ensure!(begun.elapsed() < CONTROL_WITHIN, "{error}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn enter_partners(&self, count: usize) -> anyhow::Result<()> {
        let mut text = String::new();
        for domain in partners(count) {
            let _ = writeln!(text, "[[partner]]\ndomain = \"{domain}\"\nkind = \"allowed-domain\"");
        }
        let file = self.running.folder().join("partners.toml");
        fs::write(&file, text)?;
        self.command(&["partner", "import", &file.to_string_lossy(), "--apply"], "")
    }

    fn command(&self, arguments: &[&str], input: &str) -> anyhow::Result<()> {
        let typed = self.running.folder().join("typed");
        fs::write(&typed, input)?;
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.running.folder()).env_remove("COMITY_CONFIG");
        let output = command.stdin(fs::File::open(&typed)?).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "comity {}: {said}", arguments.join(" "));
        Ok(())
    }
}

fn configuration(scene: &Scene, place: &Place) -> String {
    let mut text = format!("domains = [\"{DOMAIN}\"]\nedge = \"{EDGE}\"\nworkers = {}\n", scene.workers);
    if scene.job == Job::Edge {
        text.push_str("roles = [\"edge\"]\n");
    }
    text.push_str("[certificate]\nchain = \"server.pem\"\nkey = \"server.key\"\nroots = \"ca.pem\"\n");
    let _ = writeln!(text, "[listen]\ntls = [\"{}\"]", place.tls);
    if scene.job != Job::Edge {
        let _ = writeln!(text, "udp = [\"{}\"]", place.plain);
    } else {
        let _ = writeln!(
            text,
            "[inside]\nnext_hop = \"sip:{};transport=tcp\"\nlisten = [\"{}\"]\nname = \"inside.{DOMAIN}\"\n\
             peers = [\"127.0.0.1\"]",
            scene.inside, place.plain
        );
    }
    // Nobody answers there: nothing of this needs the DNS.
    text.push_str("[dns]\nservers = [\"127.0.0.1:9\"]\n");
    text
}

const CONTROL_WITHIN: Duration = Duration::from_secs(10);
