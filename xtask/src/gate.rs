//! The gate: every check that must pass before a change is accepted.

mod clients;
mod console;
mod kill;
mod smoke;
mod sql;

use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use stocktake_testbed::{PgCluster, TEST_POSTGRES};

use crate::machine;
use crate::project::{Project, run as run_command};
use crate::tidy;

/// Options of `test`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only these steps, in the gate's order; without any, all
    #[arg(value_enum)]
    steps: Vec<Step>,
    /// Repeat the pauses and the choices of an earlier run of the step `kill`
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

/// The steps in their order: those that fail fast come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// The formatting is that of rustfmt
    Fmt,
    /// The repository's own rules: dependencies, imports, manifests, licences
    Tidy,
    /// No warnings from the compiler or clippy
    Clippy,
    /// A GitLab in each way in which it is installed; programs as in a gitlab.rb, whose values are those of a real Ruby
    Gitlab,
    /// Unit, conformance and end-to-end tests, on SQLite and PostgreSQL
    Unit,
    /// The command `up` on both databases, and the commands that it prints
    Up,
    /// Third-party clients: python-gitlab and Schemathesis, on both databases
    Clients,
    /// The console in a real Chromium, with and without scripts
    Console,
    /// Repeated `kill -9` while records are checksummed, on both databases
    Kill,
}

/// The variable from which the test programs take how many tests run at once; else, as many as there are processors.
const TEST_THREADS: &str = "RUST_TEST_THREADS";

/// How many programs the step `gitlab` generates.
const GENERATED: &str = "600";

/// The tests that compare with a real Ruby.
const REAL_RUBY: &str = "real_ruby";

/// The end-to-end tests of the step `gitlab`, which the step `unit` leaves out.
const OF_GITLAB: [&str; 2] = ["gitlab::installations", "gitlab::cluster"];

/// Runs the steps, and stops at the first failure.
pub(crate) fn run(project: &Project, options: &Options) -> anyhow::Result<()> {
    let chosen = |step: &&Step| options.steps.is_empty() || options.steps.contains(step);
    let steps: Vec<&Step> = Step::value_variants().iter().filter(chosen).collect();
    let mut times = Vec::new();
    for (number, step) in (1..).zip(&steps) {
        let name = step.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        println!("\n=== {number}/{} {name}", steps.len());
        let begin = Instant::now();
        step.run(project, options).with_context(|| format!("the step `{name}` failed"))?;
        println!("=== {name}: passed in {}", seconds(begin.elapsed()));
        times.push((name, begin.elapsed()));
    }
    println!();
    for (name, time) in &times {
        println!("{name:>10} {:>7}", seconds(*time));
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    println!("The gate: all {} steps passed in {}.", steps.len(), seconds(total));
    Ok(())
}

impl Step {
    fn run(self, project: &Project, options: &Options) -> anyhow::Result<()> {
        match self {
            Self::Fmt => run_command(&mut project.cargo(&["fmt", "--all", "--check"])),
            Self::Tidy => tidy::check(&project.root),
            Self::Clippy => {
                let arguments =
                    ["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"];
                run_command(&mut project.cargo(&arguments))
            }
            Self::Gitlab => gitlab(project),
            Self::Unit => unit(project),
            Self::Up => smoke::run(project),
            Self::Clients => clients::run(project),
            Self::Console => console::run(project),
            Self::Kill => kill::run(project, options.seed),
        }
    }
}

/// `cargo test`, with one PostgreSQL cluster for all test programs, the object stores, and the program that sets clocks
/// wrong for some.
fn unit(project: &Project) -> anyhow::Result<()> {
    machine::program("faketime", "faketime")?;
    machine::program("ruby", "ruby")?;
    machine::object_servers(project)?;
    let cluster = machine::postgres(PgCluster::start)?;
    let mut command = project.cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]);
    if env::var_os(TEST_THREADS).is_none() {
        // The tests that take longest wait most of their time, for processes, deadlines and disks.
        command.env(TEST_THREADS, (2 * thread::available_parallelism()?.get()).to_string());
    }
    command.arg("--").args(OF_GITLAB.iter().flat_map(|name| ["--skip", name]));
    run_command(command.env(TEST_POSTGRES, cluster.base_url()))
}

/// The comparison with a real Ruby, over more generated programs than an ordinary run of the tests has; and a GitLab in each way
/// in which it is installed.
fn gitlab(project: &Project) -> anyhow::Result<()> {
    machine::program("ruby", "ruby")?;
    machine::object_servers(project)?;
    // Of all packages and their targets, as the unit tests are: with fewer of either, libraries have fewer features, and all of
    // them are compiled once more.
    let mut command = project.cargo(&["test", "--locked", "--workspace", "--tests", "--", REAL_RUBY]);
    run_command(command.args(OF_GITLAB).env("STOCKTAKE_RUBY_PROGRAMS", GENERATED))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
