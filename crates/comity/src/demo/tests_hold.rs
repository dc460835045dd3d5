//! The demo as a place for other programs' tests: says in a file where everything is, and stays up for as long as the
//! program that started it holds its standard input open.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use super::World;
use super::addresses::Place;
use super::peer::Peer;
use super::stage::Stage;

/// Writes `demo.env`, lines of NAME=value for a shell, when everything is ready; then waits.
pub fn hold(world: &World, folder: &Path, stage: &Stage) -> anyhow::Result<ExitCode> {
    // In one piece, for those who wait for it.
    let unfinished = folder.join("demo.env.part");
    fs::write(&unfinished, environment(world))?;
    fs::rename(unfinished, folder.join("demo.env"))?;
    // Whatever is written there is nobody's business; the end counts.
    let mut sink = [0; 64];
    while matches!(std::io::stdin().lock().read(&mut sink), Ok(1..)) {}
    stage.clear()?;
    Ok(ExitCode::SUCCESS)
}

fn environment(world: &World) -> String {
    let mut lines = format!("DNS={}\nCA={}\n", world.dns, world.authority.file.display());
    for organisation in &world.organisations {
        let label = organisation.definition.domain.split('.').next().unwrap_or_default().to_uppercase();
        let Place { tls, plain, wss, ws, .. } = organisation.place;
        lines += &format!("{label}_EDGE={}\n", organisation.definition.edge);
        lines += &format!("{label}_TLS={tls}\n{label}_PLAIN={plain}\n{label}_WSS={wss}\n{label}_WS={ws}\n");
        lines += &format!("{label}_CONFIG={}\n", organisation.config_file().display());
        for account in &organisation.accounts {
            let user = account.aor.split('@').next().unwrap_or_default().to_uppercase();
            lines += &format!("{user}_PASSWORD={}\n", account.password);
        }
    }
    lines + &world.peer.as_ref().map(Peer::environment).unwrap_or_default()
}
