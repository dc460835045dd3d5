//! Certificates from an authority that speaks ACME (RFC 8555): ordered, proven by a challenge, kept on disk.
//!
//! What is proven, and how, is in [`challenge`]; an order from its beginning to its certificate in [`order`]; when the
//! next one is due in [`renewal`]. Who serves the certificate is not known here: it is read from [`folder`].

mod account;
pub mod challenge;
mod error;
pub mod folder;
mod https;
mod order;
pub mod renewal;

use std::path::PathBuf;

pub use challenge::Proof;
pub use error::AcmeError;
pub use folder::AcmeFolder;
pub use order::{Issued, order, self_made, suggested_window};

/// Whom to ask, for what, and how the names are proven.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The URL of the authority's directory.
    pub directory: String,
    /// `mailto:` URLs; the authority may write there.
    pub contact: Vec<String>,
    /// Who vouches for the authority's own server; `None`: whom the system trusts.
    pub roots: Option<PathBuf>,
    /// DNS names, the first one first.
    pub names: Vec<String>,
    pub proof: Proof,
}
