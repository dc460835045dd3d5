//! `comity`: the server and every command around it.

mod client;
mod command;
mod configuration;
mod demo;
mod failure;
mod owner;
mod password;
mod reference;
mod table;

use std::process::ExitCode;

/// A call makes and frees many small things; that of the C library gives memory back to the kernel and takes it again
/// meanwhile. Without huge pages: most of each would be memory that nobody has used.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    end_quietly_when_nobody_reads();
    match command::run(command::typed()) {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            ExitCode::FAILURE
        }
    }
}

/// `comity status | head` closes our standard output early. That ends the command; it is no failure of it.
fn end_quietly_when_nobody_reads() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let printing = |text: &str| text.starts_with("failed printing to stdout") && text.contains("Broken pipe");
        if info.payload_as_str().is_some_and(printing) {
            std::process::exit(0);
        }
        report(info);
    }));
}
