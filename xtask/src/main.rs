//! The commands of this repository: run it, check it, measure it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]

mod api;
mod bench;
mod code;
mod gate;
mod installation;
mod machine;
mod process;
mod project;
mod random;
mod tidy;
mod up;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;

use clap::{Parser, Subcommand};
use stocktake_testbed::{PgCluster, TEST_POSTGRES};

use project::Project;

/// The commands of this repository: run it, check it, measure it.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build Stocktake and serve a sample storage until Ctrl-C
    Up(up::Options),
    /// Run the whole gate: format, lints, rules, tests, clients
    Test(gate::Options),
    /// Check only the repository's own rules, as the gate's step of that name does
    Tidy(tidy::Options),
    /// Measure against public tools on the same files and the same machine
    Bench(bench::Options),
    /// Run a private, empty `PostgreSQL` cluster until Ctrl-C, for tests started by hand
    Postgres,
}

fn main() -> ExitCode {
    match Project::find().and_then(|project| run(&project)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(project: &Project) -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Up(options) => up::run(project, &options),
        Command::Test(options) => gate::run(project, &options),
        Command::Tidy(options) => tidy::run(&project.root, &options),
        Command::Bench(options) => bench::run(project, &options),
        Command::Postgres => postgres(),
    }
}

fn postgres() -> anyhow::Result<()> {
    let stopped = stop_signal()?;
    let cluster = machine::postgres(PgCluster::start)?;
    println!("export {TEST_POSTGRES}={}", cluster.base_url());
    while !stopped.load(Ordering::Relaxed) {
        sleep(process::LOOK);
    }
    Ok(())
}

/// Becomes true on Ctrl-C or SIGTERM, which no longer end this process then.
fn stop_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stopped))?;
    }
    Ok(stopped)
}
