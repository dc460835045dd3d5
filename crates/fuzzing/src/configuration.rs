//! comity.toml: each problem has its line and its words, and what is taken keeps within what the rest relies on.

use std::path::Path;

use server::config::Config;

pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(Path::new("/etc/comity/comity.toml"), text, &|_| Ok(())) {
        Ok(config) => check_config(&config),
        Err(error) => {
            assert!(!error.problems.is_empty(), "refused without a reason");
            let lines = text.split('\n').count();
            for problem in &error.problems {
                assert!(!problem.text.is_empty());
                assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{problem:?} of {lines} lines");
            }
            assert_eq!(error.to_string().lines().count(), error.problems.len(), "a line for each problem: {error}");
        }
    }
}

fn check_config(config: &Config) {
    assert!(!config.domains.is_empty());
    for domain in &config.domains {
        assert_eq!(domain, &domain.to_ascii_lowercase());
        assert!(sip::Aor::new("alice", domain).is_ok(), "{domain} can be no user's");
    }
    let organisation = config.organisation();
    assert!(config.domains.iter().all(|domain| organisation.is_local(domain)));
    assert!(organisation.answers_for(&config.edge));
    let _ = (config.listeners().count(), config.sockets().count(), config.store_path(), config.control_path());
}
