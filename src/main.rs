//! The `doorward` command: reads arguments, runs one verb, turns errors into exit codes.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    cli::Cli::parse().run()
}
