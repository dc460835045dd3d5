//! The server assembled: configuration, the parts started and stopped, and the control API that commands speak to.

mod accounts;
pub mod acme_service;
mod assemble;
mod between;
pub mod call_words;
pub mod certificate;
mod certificate_service;
pub mod config;
pub mod control;
mod discovered_report;
pub mod domain;
mod domain_trust;
mod edges;
pub mod folders;
mod from_home;
mod health;
mod listening;
pub mod logging;
mod mail;
mod media;
mod message_expiry;
pub mod metrics;
pub mod moment;
mod partner_watch;
mod record_expiry;
mod refusal_log;
mod revocation_service;
mod running;
mod supervision;
mod workers;

pub use assemble::{Server, StartError, listen_warnings, lock_folder, taken_addresses};
pub use running::{LostThread, Running};
pub use supervision::Supervision;
