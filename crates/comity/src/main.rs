//! `comity`: the server and every command around it.

mod client;
mod command;
mod configuration;
mod demo;
mod failure;
mod password;
mod table;

use std::process::ExitCode;

use clap::Parser;

use command::Arguments;

fn main() -> ExitCode {
    match command::run(Arguments::parse()) {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            ExitCode::FAILURE
        }
    }
}
