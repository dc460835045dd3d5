//! Our account at the authority: its key, made once, and whom it is with.

use std::path::Path;

use instant_acme::{Account, AccountBuilder, AccountCredentials, NewAccount};
use serde::{Deserialize, Serialize};

use crate::Settings;
use crate::error::AcmeError;
use crate::folder::AcmeFolder;
use crate::https::Https;

/// As it is on disk.
#[derive(Serialize, Deserialize)]
struct Kept {
    directory: String,
    credentials: AccountCredentials,
}

/// The account of the folder, or a new one where it has none, or one with another authority.
pub(crate) async fn open(settings: &Settings, folder: &AcmeFolder, https: &Https) -> Result<Account, AcmeError> {
    let (file, directory) = (folder.account(), &settings.directory);
    let builder = || Account::builder_with_http(Box::new(https.clone()));
    let refused = |error| AcmeError::of(error, directory, https.retry_after());
    if let Some(kept) = read(&file)?.filter(|kept| kept.directory == *directory) {
        return builder().from_credentials(kept.credentials).await.map_err(refused);
    }
    let (account, credentials) = create(builder(), settings).await.map_err(refused)?;
    let kept = Kept { directory: directory.clone(), credentials };
    let text = serde_json::to_vec_pretty(&kept).expect("an account can always be written");
    folder.write(&file, &text)?;
    tracing::info!(directory, "an account was made with the authority");
    Ok(account)
}

async fn create(
    builder: AccountBuilder,
    settings: &Settings,
) -> Result<(Account, AccountCredentials), instant_acme::Error> {
    let contact: Vec<&str> = settings.contact.iter().map(String::as_str).collect();
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    builder.create(&new, settings.directory.clone(), None).await
}

fn read(file: &Path) -> Result<Option<Kept>, AcmeError> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(broken(file, &error)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| broken(file, &error))
}

fn broken(file: &Path, error: &dyn std::error::Error) -> AcmeError {
    let what = format!("the account with the authority, {}, cannot be read: {error}", file.display());
    AcmeError::here(what, "restore the file, or remove it: a new account is made then")
}
