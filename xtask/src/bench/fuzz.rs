//! The random tests, with more cases than the gate has time for, and the fuzz targets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use stocktake_testbed::{PgCluster, TEST_POSTGRES};

use super::Options;
use crate::machine;
use crate::project::{Project, capture, run};
use crate::random::new_seed;

/// A test that takes its number of cases and its seed from variables.
struct RandomTest {
    package: &'static str,
    target: &'static str,
    name: &'static str,
}

/// The random test of the database's conformance suite, and that of the HTTP server.
const TESTS: [RandomTest; 2] = [
    RandomTest { package: "stocktake-diesel-storage", target: "conformance", name: "state_machine" },
    RandomTest { package: "stocktake-http", target: "it", name: "hostile" },
];

/// The random test of git repositories, which needs no database.
const FAULTS: RandomTest =
    RandomTest { package: "stocktake-content-git", target: "git", name: "every_fault_that_git_finds" };

/// The variable from which a test takes its number of cases.
const CASES: &str = "STOCKTAKE_FUZZ_CASES";

/// The variable from which a test takes its seed.
const SEED: &str = "STOCKTAKE_FUZZ_SEED";

/// Runs the tests, and fails if one of them fails or is not there.
pub(super) fn measure(project: &Project, options: &Options) -> anyhow::Result<()> {
    let (cases, seed) = (options.cases, options.seed.unwrap_or_else(new_seed));
    println!("To repeat these cases: cargo xtask bench fuzz --cases {cases} --seed {seed}");
    for RandomTest { package, target, .. } in TESTS {
        run(&mut project.cargo(&["test", "--locked", "--package", package, "--test", target, "--no-run"]))?;
    }
    let cluster = machine::postgres(PgCluster::start)?;
    TESTS.iter().try_for_each(|test| repeat(project, test, cases, seed, Some(cluster.base_url())))?;
    run_targets(project, options.fuzz_seconds)
}

/// Plants faults in git repositories.
pub(super) fn plant_faults(project: &Project, options: &Options) -> anyhow::Result<()> {
    let (cases, seed) = (options.cases, options.seed.unwrap_or_else(new_seed));
    println!("To repeat these faults: cargo xtask bench faults --cases {cases} --seed {seed}");
    repeat(project, &FAULTS, cases, seed, None)
}

fn repeat(
    project: &Project,
    RandomTest { package, target, name }: &RandomTest,
    cases: u32,
    seed: u64,
    postgres: Option<&str>,
) -> anyhow::Result<()> {
    let words = ["test", "--locked", "--package", package, "--test", target, name, "--", "--show-output"];
    let mut command = project.cargo(&words);
    command.env(CASES, cases.to_string()).env(SEED, seed.to_string());
    if let Some(postgres) = postgres {
        command.env(TEST_POSTGRES, postgres);
    }
    let begin = Instant::now();
    let output =
        command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    let seconds = begin.elapsed().as_secs_f64();
    let printed = String::from_utf8_lossy(&output.stdout);
    print!("{printed}");
    ensure!(output.status.success(), "the random test of {package} failed with the seed {seed}");
    let passed = passed(&printed);
    ensure!(passed > 0, "{package} has no test whose name contains `{name}`");
    println!("{package}: {cases} cases; {passed} tests took {seconds:.1} s together");
    Ok(())
}

/// The variable from which the program of the fuzz targets takes which one to run.
const TARGET: &str = "STOCKTAKE_FUZZ_TARGET";

/// Seconds after which a single input counts as one that hangs.
const INPUT_SECONDS: u32 = 10;

/// Runs each fuzz target for so long, two at a time. What is found goes into the folder `fuzz` below cargo's own: inputs
/// that reach new code into `corpus`, those that fail into `artifacts`.
fn run_targets(project: &Project, seconds: u32) -> anyhow::Result<()> {
    let folder = project.target.join("fuzz");
    let program = build_targets(project, &folder)?;
    let mut names = fs::read_dir(project.root.join("fuzz/corpus"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    names.sort_unstable();
    for pair in names.chunks(2) {
        let started = pair.iter().map(|name| start_target(project, &program, &folder, name, seconds));
        for (name, child) in pair.iter().zip(started.collect::<anyhow::Result<Vec<_>>>()?) {
            let output = child.wait_with_output()?;
            let log = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "the fuzz target {name} failed:\n{log}");
            let last = log.lines().rev().find(|line| line.starts_with("Done ")).unwrap_or_default();
            println!("{name}: {last}");
        }
    }
    Ok(())
}

/// Builds the program of the fuzz targets with the project's own toolchain, and returns its path.
fn build_targets(project: &Project, folder: &Path) -> anyhow::Result<PathBuf> {
    if capture(&mut project.cargo(&["fuzz", "--version"])).is_err() {
        run(&mut project.cargo(&["install", "--locked", "cargo-fuzz"]))?;
    }
    let mut build = project.cargo(&["fuzz", "build", "--features", "libfuzzer", "target", "--target-dir"]);
    // The sanitizers are unstable flags, which a stable compiler takes only with this variable.
    run(build.arg(folder).env("RUSTC_BOOTSTRAP", "1"))?;
    let versions = capture(Command::new("rustc").arg("-vV"))?;
    let host = versions.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(folder.join(host.context("rustc names no host")?).join("release/target"))
}

fn start_target(
    project: &Project,
    program: &Path,
    folder: &Path,
    name: &str,
    seconds: u32,
) -> anyhow::Result<Child> {
    let (corpus, artifacts) = (folder.join("corpus").join(name), folder.join("artifacts").join(name));
    for folder in [&corpus, &artifacts] {
        fs::create_dir_all(folder)?;
    }
    let mut command = Command::new(program);
    command.env(TARGET, name).args([&corpus, &project.root.join("fuzz/corpus").join(name)]);
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.args([format!("-max_total_time={seconds}"), format!("-timeout={INPUT_SECONDS}")]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().with_context(|| format!("cannot start the fuzz target {name}"))
}

/// The number of tests that passed, from what the test program printed.
fn passed(output: &str) -> usize {
    let results = output.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    results.filter_map(|rest| rest.split_once(" passed")?.0.parse::<usize>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_tests_is_noticed() {
        let output = |passed| {
            format!(
                "running {passed} tests\n\ntest result: ok. {passed} passed; 0 failed; 0 ignored; 0 measured\n"
            )
        };
        assert_eq!(passed(&output(0)), 0);
        assert_eq!(passed(&[output(2), output(1)].concat()), 3);
        assert_eq!(passed("test result: FAILED. 1 passed; 1 failed"), 0);
    }
}
