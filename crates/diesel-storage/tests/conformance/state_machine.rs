//! Random operations on a database, each also done in the database in memory, which must answer the same and then be in
//! the same state. A sequence that fails is shrunk to a shortest one.
//!
//! `STOCKTAKE_FUZZ_CASES` is the number of sequences for each database, `STOCKTAKE_FUZZ_SEED` the number from which they
//! follow. Without either the gate's few sequences run, always the same ones; with only the first, others each time.

mod operations;
mod pair;

use std::hash::{BuildHasher as _, RandomState};

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use self::operations::{Operation, sequences};
use self::pair::Pair;
use crate::support::{Database, run};

const CASES: &str = "STOCKTAKE_FUZZ_CASES";
const SEED: &str = "STOCKTAKE_FUZZ_SEED";
const FEW_CASES: u32 = 12;
const USUAL_SEED: u64 = 2026;

/// The number in a variable of the environment.
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{variable} is {text:?}: {error}")))
}

/// Runs the sequences, each on a database of its own.
fn check<F: Future<Output = Database>>(open: fn() -> F) {
    let cases = number(CASES);
    let seed = number(SEED).unwrap_or_else(|| match cases {
        Some(_) => RandomState::new().hash_one(()),
        None => USUAL_SEED,
    });
    let cases = cases.map_or(FEW_CASES, |cases| u32::try_from(cases).unwrap_or(u32::MAX));
    print_seed(cases, seed);
    let mut bytes = [0; 32];
    for (byte, of_seed) in bytes.iter_mut().zip(seed.to_le_bytes()) {
        *byte = of_seed;
    }
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let outcome = TestRunner::new_with_rng(config, rng).run(&sequences(), |operations: Vec<Operation>| {
        run(async { Pair::new(open().await).run(&operations).await })
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, operations)) => panic!(
            "{SEED}={seed}: the two databases differ, {reason}\nafter these operations: {operations:#?}"
        ),
        Err(TestError::Abort(reason)) => panic!("{SEED}={seed}: {reason}"),
    }
}

#[expect(clippy::print_stderr, reason = "the seed must be seen, whatever becomes of the test")]
fn print_seed(cases: u32, seed: u64) {
    eprintln!("{cases} sequences, {SEED}={seed}");
}

#[test]
fn sqlite_does_as_the_database_in_memory() {
    check(Database::sqlite);
}

#[test]
fn postgres_does_as_the_database_in_memory() {
    check(Database::postgres);
}
