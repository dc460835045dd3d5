//! The registrar (RFC 3261 section 10): which devices a user can be reached on, and over which flow.
//!
//! Pure: time is an argument, and nothing here knows a socket. The bindings of a user are kept by one worker, the
//! owner of the address-of-record.

mod binding;
mod gruu;
mod location_service;
mod outbound;

pub use binding::{Binding, BindingSummary, ClientFlow, EdgeFlow};
pub use location_service::{LocationService, Registered, RegistrarLimits};
