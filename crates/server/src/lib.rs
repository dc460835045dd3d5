//! The server assembled: configuration, the parts started and stopped, and the control API that commands speak to.

pub mod config;
pub mod domain;
