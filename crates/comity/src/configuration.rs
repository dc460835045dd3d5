//! Which configuration file a command works with.

use std::path::{Path, PathBuf};

use server::config::{Config, ConfigError};

use crate::failure::Failure;
use crate::owner::{self, ServerUser};

/// Reads the file and everything that it names. A root's command goes on as the server's user, see [`ServerUser`]: what
/// can be read and written is then what the server can.
pub fn load(typed: Option<&Path>) -> Result<Config, Failure> {
    let file = file(typed)?;
    let settings = Config::load_settings(&file).map_err(failure)?;
    become_server_user(&settings)?;
    Config::load(&file).map_err(|error| awaited_certificate(&file).unwrap_or_else(|| refused(error, &settings.data)))
}

/// As [`load`], but the file alone: the certificate may be yet to come.
pub fn load_settings(typed: Option<&Path>) -> Result<Config, Failure> {
    let config = read_settings(typed)?;
    become_server_user(&config)?;
    Ok(config)
}

/// As [`load_settings`], for what goes on as the user who typed the command.
pub fn read_settings(typed: Option<&Path>) -> Result<Config, Failure> {
    Config::load_settings(&file(typed)?).map_err(failure)
}

/// Whether this is the file of the server that the system starts.
pub fn is_the_systems(file: &Path) -> bool {
    file == Path::new(SYSTEM)
}

/// What starts the server of this file: the service where the package brought one, else a command.
pub fn start_command(file: &Path) -> String {
    match file {
        file if is_the_systems(file) && Path::new(UNIT).exists() => "systemctl enable --now comity".to_owned(),
        file if file == Path::new(HERE) => "comity serve".to_owned(),
        file => format!("comity serve --config {}", file.display()),
    }
}

/// Where the system's server has what it keeps.
pub const SYSTEM_DATA: &str = "/var/lib/comity";

fn become_server_user(config: &Config) -> Result<(), Failure> {
    ServerUser::of(&config.data).map_or(Ok(()), |user| user.become_it())
}

fn file(typed: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(file) = typed {
        return check_file(file).map(|()| file.to_owned());
    }
    let usual = [HERE, SYSTEM].map(Path::new);
    usual.into_iter().find(|file| file.exists()).map(Path::to_owned).ok_or_else(|| {
        let error = format!("there is no configuration: neither {HERE} in this folder nor {SYSTEM}");
        Failure::new(error, "name the file with --config FILE, or make one: comity init")
    })
}

/// A file that may not be read says so once it is.
fn check_file(file: &Path) -> Result<(), Failure> {
    if file.is_dir() {
        let hint = format!("name the file in it: --config {}", file.join(HERE).display());
        return Err(Failure::new(format!("{} is a folder", file.display()), hint));
    }
    match file.try_exists() {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        Ok(false) | Err(_) => Err(absent(file)),
    }
}

fn absent(file: &Path) -> Failure {
    let hint = match file.parent().filter(|_| file.file_name().is_some_and(|name| name == HERE)) {
        Some(folder) if folder.as_os_str().is_empty() => "make one: comity init".to_owned(),
        Some(folder) => format!("make one: comity init --directory {}", folder.display()),
        None => format!("make one: comity init --config {}", file.display()),
    };
    Failure::new(format!("there is no {}", file.display()), hint)
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

fn refused(error: ConfigError, data: &Path) -> Failure {
    if error.is_denied() { Failure::new(error.to_string(), owner::denied_hint(data)) } else { failure(error) }
}

fn failure(error: ConfigError) -> Failure {
    let hint = if error.is_denied() { "let the user that this runs as read it, or run it as root" } else { HINT };
    Failure::new(error.to_string(), hint)
}

const HINT: &str = "correct it, then look again: comity check; every key: comity check --keys";
const HERE: &str = "comity.toml";
const UNIT: &str = "/lib/systemd/system/comity.service";
const SYSTEM: &str = "/etc/comity/comity.toml";
