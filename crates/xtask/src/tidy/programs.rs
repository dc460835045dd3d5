//! Where all tests of a crate are one program, each file of them is in it, and each step of `./test` that runs some finds them.

use std::collections::BTreeSet;

use super::{Finding, Source, finding};

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let programs = sources.iter().filter(|source| source.path.ends_with("/tests/main.rs"));
    programs.flat_map(|program| check_program(program, sources)).collect()
}

fn check_program(program: &Source, sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let named = |line: &str| Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned());
    let modules: BTreeSet<String> = program.text.lines().filter_map(named).collect();
    let folder = program.path.trim_end_matches("main.rs");
    for source in sources.iter().filter(|source| source.path != program.path) {
        let Some(rest) = source.path.strip_prefix(folder) else { continue };
        let Some(module) = rest.strip_suffix("/mod.rs").or(rest.strip_suffix(".rs")) else { continue };
        if !module.contains('/') && !modules.contains(module) {
            findings.push(finding(&source.path, format!("no program has it: name it in {}", program.path)));
        }
    }
    let package = folder.trim_start_matches("crates/").trim_end_matches("/tests/");
    for source in sources.iter().filter(|source| source.path == "test") {
        for module in selected(&source.text, package).filter(|module| !modules.contains(*module)) {
            findings.push(finding("test", format!("{package} has no tests {module}::, so that nothing would be run")));
        }
    }
    findings
}

/// The modules of which a step runs the tests of this package.
fn selected<'a>(steps: &'a str, package: &str) -> impl Iterator<Item = &'a str> {
    let wanted = format!("--package {package} --test all -- ");
    let lines = steps.lines().filter_map(move |line| Some(line.split_once(&wanted)?.1));
    lines.filter_map(|rest| rest.split_once("::").map(|(module, _)| module))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let source = |(path, text): &(&str, &str)| Source { path: (*path).to_owned(), text: (*text).to_owned() };
        let sources: Vec<Source> = files.iter().map(source).collect();
        check(&sources).into_iter().map(|finding| finding.place).collect()
    }

    const MAIN: (&str, &str) = ("crates/a/tests/main.rs", "mod calls;\nmod phone;\n");

    #[test]
    fn a_file_that_the_program_does_not_name_is_found() {
        let named = [MAIN, ("crates/a/tests/calls.rs", ""), ("crates/a/tests/phone/mod.rs", "")];
        let parts =
            [("crates/a/tests/phone/said.rs", ""), ("crates/a/tests/data.txt", ""), ("crates/b/tests/c.rs", "")];
        assert!(found(&[&named[..], &parts].concat()).is_empty());
        for forgotten in ["crates/a/tests/kills.rs", "crates/a/tests/place/mod.rs"] {
            assert_eq!(found(&[MAIN, (forgotten, "")]), [forgotten]);
        }
    }

    #[test]
    fn a_step_that_would_run_nothing_is_found() {
        let step = |module: &str| format!("kills() {{ cargo test --package a --test all -- {module}:: --ignored; }}\n");
        assert!(found(&[MAIN, ("test", &step("calls"))]).is_empty());
        assert_eq!(found(&[MAIN, ("test", &step("kills"))]), ["test"]);
    }
}
