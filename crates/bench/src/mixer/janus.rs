//! The AudioBridge of Debian's Janus, with nothing else of it loaded, told by a Unix socket what to do.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use sdp::Encoding;
use serde_json::{Value, json};

use super::phones::payload_type;
use super::{CORE, Mixer};
use crate::usage;

/// With one room. Killed when dropped.
pub struct Janus {
    folder: tempfile::TempDir,
    child: Child,
    socket: UnixDatagram,
    answers: mpsc::Receiver<Value>,
    session: u64,
    asked: u64,
    encoding: Encoding,
}

impl Janus {
    /// # Errors
    /// When it is not installed, or does not start; with what it said.
    pub fn start(encoding: Encoding) -> anyhow::Result<Janus> {
        // Now and then Janus 1.1.2 ends at its start, for want of the transport that it has been given.
        let mut started = Janus::start_once(encoding);
        for _ in 1..ATTEMPTS_MAX {
            match started {
                Ok(_) => break,
                Err(_) => started = Janus::start_once(encoding),
            }
        }
        started
    }

    fn start_once(encoding: Encoding) -> anyhow::Result<Janus> {
        let folder = tempfile::tempdir()?;
        prepare(folder.path())?;
        let socket = UnixDatagram::bind(folder.path().join("asking"))?;
        let log = File::create(folder.path().join("log"))?;
        let child = Command::new("taskset")
            .args(["-c", &CORE.to_string(), PROGRAM, "-F"])
            .arg(folder.path())
            .stdout(log.try_clone()?)
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start Janus")?;
        let answers = read(socket.try_clone()?);
        let mut janus = Janus { folder, child, socket, answers, session: 0, asked: 0, encoding };
        janus.connect()?;
        janus.session = janus.ask(json!({ "janus": "create" }))?["data"]["id"].as_u64().context("no session")?;
        janus.create_room()?;
        Ok(janus)
    }

    fn connect(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.socket.connect(self.folder.path().join("api")).is_err() {
            let ended = self.child.try_wait()?;
            ensure!(ended.is_none() && begun.elapsed() < ANSWER_WITHIN, "Janus does not start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn create_room(&mut self) -> anyhow::Result<()> {
        let handle = self.attach()?;
        let room = json!({
            "request": "create",
            "room": ROOM,
            // As ours mixes them: without a change of rate.
            "sampling_rate": self.encoding.sample_rate(),
            "allow_rtp_participants": true,
            "audiolevel_event": false,
            "default_expectedloss": 10,
        });
        let created = self.message(handle, room)?;
        ensure!(created["plugindata"]["data"]["audiobridge"] == "created", "no room: {created}");
        Ok(())
    }

    fn attach(&mut self) -> anyhow::Result<u64> {
        let request = json!({ "janus": "attach", "session_id": self.session, "plugin": "janus.plugin.audiobridge" });
        self.ask(request)?["data"]["id"].as_u64().context("no handle")
    }

    fn message(&mut self, handle: u64, body: Value) -> anyhow::Result<Value> {
        self.ask(json!({ "janus": "message", "session_id": self.session, "handle_id": handle, "body": body }))
    }

    /// Its answer, which may come as an event.
    fn ask(&mut self, mut request: Value) -> anyhow::Result<Value> {
        self.asked += 1;
        let transaction = self.asked.to_string();
        request["transaction"] = transaction.as_str().into();
        self.socket.send(request.to_string().as_bytes())?;
        loop {
            let answer = self.answers.recv_timeout(ANSWER_WITHIN);
            let answer = answer.with_context(|| format!("no answer to {request}:\n{}", self.log()))?;
            match answer["janus"].as_str() {
                _ if answer["transaction"] != transaction.as_str() => {}
                Some("ack") => {}
                Some("success" | "event") => return Ok(answer),
                _ => bail!("Janus answers {answer} to {request}"),
            }
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Mixer for Janus {
    fn join(&mut self, phone: SocketAddr) -> anyhow::Result<SocketAddr> {
        let handle = self.attach()?;
        let rtp =
            json!({ "ip": phone.ip(), "port": phone.port(), "payload_type": payload_type(self.encoding), "fec": true });
        let codec = self.encoding.name().to_lowercase();
        // As little work for its encoder as ours has.
        let join =
            json!({ "request": "join", "room": ROOM, "codec": codec, "quality": 3, "bitrate": 32_000, "rtp": rtp });
        let joined = self.message(handle, join)?;
        let port = joined["plugindata"]["data"]["rtp"]["port"].as_u64();
        let port = port.with_context(|| format!("nobody may join: {joined}"))?;
        Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), u16::try_from(port)?))
    }

    fn processor_time(&self) -> anyhow::Result<Duration> {
        usage::processor_time(self.child.id())
    }
}

impl Drop for Janus {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // So that who reads does not wait for more.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

/// Takes all that it says, so that it never has to wait for us: it tells each participant of every other.
fn read(socket: UnixDatagram) -> mpsc::Receiver<Value> {
    let (tell, answers) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 18];
        while let Ok(len @ 1..) = socket.recv(&mut buffer) {
            let Ok(answer) = serde_json::from_slice(&buffer[..len]) else { continue };
            if tell.send(answer).is_err() {
                break;
            }
        }
    });
    answers
}

/// Its configuration, and folders in which it finds the two of its modules that are wanted.
fn prepare(folder: &Path) -> anyhow::Result<()> {
    let modules = modules().context("Janus is not installed: apt-get install janus, and stop its service")?;
    for module in ["plugins/libjanus_audiobridge.so", "transports/libjanus_pfunix.so"] {
        let link = folder.join(module);
        fs::create_dir_all(link.parent().context("a module without a folder")?)?;
        symlink(modules.join(module), link)?;
    }
    let path = folder.display();
    let general = format!(
        "general: {{\n configs_folder = \"{path}\"\n plugins_folder = \"{path}/plugins\"\n transports_folder = \"{path}/transports\"\n \
         events_folder = \"{path}\"\n loggers_folder = \"{path}\"\n debug_level = 5\n session_timeout = 0\n}}\n"
    );
    fs::write(folder.join("janus.jcfg"), general)?;
    let socket = format!(
        "general: {{\n enabled = true\n json = \"compact\"\n path = \"{path}/api\"\n type = \"SOCK_DGRAM\"\n}}\n"
    );
    fs::write(folder.join("janus.transport.pfunix.jcfg"), socket)?;
    let bridge = "general: {\n rtp_port_range = \"10000-19999\"\n local_ip = \"127.0.0.1\"\n}\n";
    fs::write(folder.join("janus.plugin.audiobridge.jcfg"), bridge)?;
    Ok(())
}

/// Below a folder that is named for the machine's kind.
fn modules() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path().join("janus"));
    folders.into_iter().find(|folder| folder.join("plugins/libjanus_audiobridge.so").exists())
}

const PROGRAM: &str = "/usr/bin/janus";
const ROOM: u64 = 1_234;
const ATTEMPTS_MAX: usize = 5;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
