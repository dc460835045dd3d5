//! Which configuration file a command works with.

use std::path::{Path, PathBuf};

use server::config::{Config, ConfigError};

use crate::failure::Failure;

/// Reads the file and everything that it names.
pub fn load(typed: Option<&Path>) -> Result<Config, Failure> {
    Config::load(&file(typed)?).map_err(failure)
}

/// Reads the file alone: the certificate may be yet to come.
pub fn load_settings(typed: Option<&Path>) -> Result<Config, Failure> {
    Config::load_settings(&file(typed)?).map_err(failure)
}

fn file(typed: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(file) = typed {
        return Ok(file.to_owned());
    }
    let usual = [HERE, SYSTEM].map(Path::new);
    usual.into_iter().find(|file| file.exists()).map(Path::to_owned).ok_or_else(|| {
        let error = format!("there is no configuration: neither {HERE} in this folder nor {SYSTEM}");
        Failure::new(error, "name the file with --config FILE, or write one; every key of it: comity check --keys")
    })
}

fn failure(error: ConfigError) -> Failure {
    Failure::new(error.to_string(), "correct it, then look again: comity check; every key: comity check --keys")
}

const HERE: &str = "comity.toml";
const SYSTEM: &str = "/etc/comity/comity.toml";
