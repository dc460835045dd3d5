//! `comity drain`

use std::process::ExitCode;

use server::config::Roles;
use server::control::answers::{HealthAnswer, StatusAnswer};

use super::Global;
use crate::client::Client;
use crate::configuration;
use crate::failure::Failure;
use crate::table::count;

pub const EXAMPLES: &str = "\
Examples:
  comity drain
  comity drain && sleep 600 && systemctl stop comity

From then on the health endpoint says 503, new connections and new calls and messages are refused, so that whoever has another
server of yours goes there, and calls that are under way go on. There is no way back but to start the server again.
What is still under way: comity status";

/// Makes the running server take nothing new.
pub async fn run(global: &Global) -> Result<ExitCode, Failure> {
    let config = configuration::load_settings(global.config_file())?;
    let mut client = Client::to_running_server(&config).await?;
    let health: HealthAnswer = client.post("/api/drain", &()).await?;
    let status: StatusAnswer = client.get("/api/status").await?;
    global.print(&health, || {
        if config.roles == Roles::Edge {
            return println!(
                "this edge takes nothing new, and lets each connection go as soon as nothing is under way on it: phones and partners \
                 come by another edge"
            );
        }
        let under_way = count(status.calls.under_way, "call", "calls");
        println!("this server takes nothing new; {under_way} under way can go on until you stop it");
    })
}
