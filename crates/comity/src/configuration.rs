//! Which configuration file a command works with.

use std::path::{Path, PathBuf};

use server::config::{Config, ConfigError};

use crate::failure::Failure;

/// Reads the file and everything that it names.
pub fn load(typed: Option<&Path>) -> Result<Config, Failure> {
    let file = file(typed)?;
    Config::load(&file).map_err(|error| awaited_certificate(&file).unwrap_or_else(|| failure(error)))
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
        Failure::new(error, "name the file with --config FILE, or make one: comity init")
    })
}

/// The time between `comity init --request` and the authority's answer. Without the request beside it, the path in the
/// file is more likely to be wrong.
fn awaited_certificate(file: &Path) -> Option<Failure> {
    let config = Config::load_settings(file).ok()?;
    let (chain, key) = (&config.certificate.chain, &config.certificate.key);
    let request = chain.with_extension("csr");
    if chain.try_exists().unwrap_or(true) || !key.exists() || !request.exists() {
        return None;
    }
    let error = format!("the certificate {} is not there yet", chain.display());
    let hint = format!(
        "send {} to a certificate authority and write its answer to {}, the server's own certificate first, then its \
         intermediates",
        request.display(),
        chain.display()
    );
    Some(Failure::new(error, hint))
}

fn failure(error: ConfigError) -> Failure {
    Failure::new(error.to_string(), "correct it, then look again: comity check; every key: comity check --keys")
}

const HERE: &str = "comity.toml";
const SYSTEM: &str = "/etc/comity/comity.toml";
