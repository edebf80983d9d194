//! The developer's commands: run Stocktake, check the repository, measure.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints for its user")]

mod api;
mod bench;
mod browser;
mod code;
mod gate;
mod installation;
mod machine;
mod process;
mod project;
mod random;
mod sample_service;
mod screenshots;
mod tidy;
mod up;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;

use clap::{Parser, Subcommand};
use stocktake_testbed::{PgCluster, TEST_POSTGRES};

use project::Project;

/// The developer's commands: run Stocktake, check the repository, measure
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build Stocktake and serve sample data until Ctrl-C
    Up(up::Options),
    /// Run all checks: formatting, lints, repository rules, tests, real clients
    Test(gate::Options),
    /// Check only the repository's own rules, or print figures of its code
    Tidy(tidy::Options),
    /// Measure performance, compared with public tools on the same machine
    Bench(bench::Options),
    /// Run a private, empty PostgreSQL cluster until Ctrl-C, for tests that you start yourself
    Postgres,
    /// Take the picture of the console in the README anew
    Screenshots,
    /// Install the object stores (moto, Azurite, fake-gcs-server) that tests run against
    Servers,
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
        Command::Screenshots => screenshots::run(project),
        Command::Servers => machine::object_servers(project),
    }
}

fn postgres() -> anyhow::Result<()> {
    let stopped = stop_flag()?;
    let cluster = machine::postgres(PgCluster::start)?;
    println!("export {TEST_POSTGRES}={}", cluster.base_url());
    while !stopped.load(Ordering::Relaxed) {
        sleep(process::POLL_INTERVAL);
    }
    Ok(())
}

/// A flag that Ctrl-C or SIGTERM sets. From this call on, neither of them ends this process.
fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stopped))?;
    }
    Ok(stopped)
}
