//! Chores of the repository: `cargo xtask codegen` writes everything that is generated,
//! `cargo xtask codegen --check` fails when something committed differs from what would be written.

mod codegen;
mod crds;
mod reference;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of this repository")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Writes every generated file.
    Codegen {
        /// Write nothing; fail when a file differs from what would be written.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let Arguments { chore: Chore::Codegen { check } } = Arguments::parse();
    match codegen::run(check) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
