//! The access edge: which partner may speak for which domain, and where a domain is reached.
//!
//! Pure policy. Time, randomness, DNS answers and credentials are arguments; what must be waited for
//! is a [`admission::Question`] whose answer comes back as more [`admission::Evidence`].

pub mod admission;
pub mod bodies;
pub mod border;
pub mod dane;
pub mod decision;
pub mod discovery;
pub mod external_access;
pub mod flow;
pub mod health;
pub mod inside;
pub mod ledger;
pub mod look_alike;
pub mod modality;
pub mod partner;
pub mod refusal;
pub mod rest;
pub mod route;
pub mod screen;
pub mod trust;
pub mod verification;

mod domain_name;

pub use admission::{Admitted, admit};
pub use domain_name::is_dns_name;
