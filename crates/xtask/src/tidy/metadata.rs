//! What cargo says of our crates.

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub struct Metadata {
    pub packages: Vec<Package>,
}

#[derive(Deserialize)]
pub struct Package {
    pub name: String,
    pub dependencies: Vec<Dependency>,
    /// What a manifest says under `[package.metadata]`.
    pub metadata: Option<Value>,
}

#[derive(Deserialize)]
pub struct Dependency {
    pub name: String,
    /// `dev` or `build`; `None` for what is linked.
    pub kind: Option<String>,
}
