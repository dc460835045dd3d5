//! Log lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging. `COMITY_LOG`, else `RUST_LOG`, says what is logged, as in `debug` or `net=debug,info`.
///
/// From info up, lines carry no address and no URI of a person; who needs them turns debug on.
pub fn start() {
    let filter = |name| std::env::var(name).ok().and_then(|text| EnvFilter::try_new(text).ok());
    let filter = filter("COMITY_LOG").or_else(|| filter("RUST_LOG")).unwrap_or_else(|| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter)
        .with_target(false);
    // A second call finds logging started already, which is as good.
    let _ = subscriber.try_init();
}
