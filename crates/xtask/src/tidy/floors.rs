//! A crate depends only on floors below it or on its own; middle crates not on each other, but for the one proof
//! that a request was admitted. Crates that must do no I/O ban it.

use std::collections::HashMap;

use super::metadata::{Metadata, Package};
use super::{Finding, Source, finding};

pub fn check(metadata: &Metadata, sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut floors = HashMap::new();
    for package in &metadata.packages {
        match package.floor() {
            Some(floor) => {
                floors.insert(package.name.as_str(), floor);
            }
            None => findings.push(finding(
                manifest(&package.name),
                format!("says no floor; [package.metadata] floor must be one of {}", FLOORS.join(", ")),
            )),
        }
    }
    for package in &metadata.packages {
        if let Some(floor) = floors.get(package.name.as_str()) {
            findings.extend(package.check_edges(*floor, &floors));
            findings.extend(check_bans(&package.name, *floor, sources));
        }
    }
    findings.extend(check_lateral(sources));
    findings
}

impl Package {
    /// The floor's number, counted from the ground.
    fn floor(&self) -> Option<usize> {
        let named = self.metadata.as_ref()?.get("floor")?.as_str()?;
        FLOORS.iter().position(|floor| *floor == named)
    }

    fn check_edges(&self, floor: usize, floors: &HashMap<&str, usize>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for dependency in self.dependencies.iter().filter(|dependency| dependency.kind.is_none()) {
            let Some(below) = floors.get(dependency.name.as_str()).copied() else { continue };
            if below > floor {
                let what = format!("{} ({}) is above {}", dependency.name, FLOORS[below], FLOORS[floor]);
                findings.push(finding(manifest(&self.name), what));
            }
            if below == floor && floor == MIDDLE && dependency.name != PROOF_CRATE {
                let what = format!("middle crates do not depend on each other, and {} is one", dependency.name);
                findings.push(finding(manifest(&self.name), what));
            }
        }
        findings
    }
}

/// What a middle crate may name of `federation` is the proof of admission, nothing else.
fn check_lateral(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| LATERAL.iter().any(|krate| source.path.starts_with(krate))) {
        for (number, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for (at, _) in code.match_indices("federation::") {
                let named = &code[at..];
                if !PROOF.iter().any(|proof| named.starts_with(proof)) {
                    let what = "a middle crate may name federation::Admitted only";
                    findings.push(finding(format!("{}:{}", source.path, number + 1), what));
                }
            }
        }
    }
    findings
}

/// The floors below the shell ban clocks, sockets and threads; the nearest clippy.toml replaces the root's.
fn check_bans(name: &str, floor: usize, sources: &[Source]) -> Vec<Finding> {
    if floor > SIGNALING {
        return Vec::new();
    }
    let path = format!("crates/{name}/clippy.toml");
    let text = sources.iter().find(|source| source.path == path).map_or("", |source| source.text.as_str());
    BANNED
        .iter()
        .filter(|banned| !text.contains(**banned))
        .map(|banned| finding(path.clone(), format!("must ban {banned}")))
        .collect()
}

fn manifest(name: &str) -> String {
    format!("crates/{name}/Cargo.toml")
}

const FLOORS: [&str; 6] = ["ground", "middle", "signaling", "shell", "top", "dev"];
const MIDDLE: usize = 1;
const SIGNALING: usize = 2;
const PROOF_CRATE: &str = "federation";
const PROOF: [&str; 2] = ["federation::Admitted", "federation::admission::Admitted"];
const LATERAL: [&str; 3] = ["crates/registrar/src/", "crates/messaging/src/", "crates/presence/src/"];
const BANNED: [&str; 8] = [
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::thread::spawn",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::collections::HashMap",
    "std::collections::HashSet",
];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn package(name: &str, floor: &str, dependencies: &[&str]) -> Value {
        let dependencies: Vec<_> = dependencies.iter().map(|name| json!({"name": name, "kind": null})).collect();
        json!({"name": name, "dependencies": dependencies, "metadata": {"floor": floor}})
    }

    fn edges(packages: &[Value]) -> Vec<String> {
        let metadata = serde_json::from_value(json!({ "packages": packages })).unwrap();
        let found = check(&metadata, &[]);
        found.into_iter().map(|finding| finding.what).filter(|what| !what.starts_with("must ban")).collect()
    }

    #[test]
    fn an_edge_upward_is_found() {
        let found = edges(&[package("sip", "ground", &["net"]), package("net", "shell", &["sip"])]);
        assert_eq!(found, ["net (shell) is above ground"]);
    }

    #[test]
    fn middle_crates_may_lean_on_the_proof_of_admission_only() {
        let packages = [
            package("federation", "middle", &[]),
            package("registrar", "middle", &["federation"]),
            package("messaging", "middle", &["registrar"]),
        ];
        assert_eq!(edges(&packages), ["middle crates do not depend on each other, and registrar is one"]);
        let text = "use federation::Admitted;\nuse federation::partner::Partners;\n".to_owned();
        let found = check_lateral(&[Source { path: "crates/registrar/src/lib.rs".into(), text }]);
        assert_eq!(
            found,
            [finding("crates/registrar/src/lib.rs:2", "a middle crate may name federation::Admitted only")]
        );
    }

    #[test]
    fn a_crate_without_a_floor_is_found() {
        let found = edges(&[json!({"name": "loft", "dependencies": [], "metadata": null})]);
        assert_eq!(found.len(), 1);
    }
}
