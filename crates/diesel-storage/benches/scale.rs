//! One round of re-verification of a data type, through the ports, in a PostgreSQL database that is there: every success is old,
//! becomes due, is claimed and found good with the same digest. `cargo xtask bench scale` runs it again and again, and looks at
//! what the tables become.
//!
//! `cargo bench -p stocktake-diesel-storage --bench scale -- URL DATA_TYPE ROUND` prints how many records were verified and the
//! seconds that took. Each round is a day later than the one before.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program that only measures")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use stocktake_diesel_storage::{Encryption, Store, StoreClock, StoreSettings, open};
use stocktake_domain::contract::ManualClock;
use stocktake_domain::ports::{ClaimFilter, ClaimedRecord, Lease, LeaseTerms, Outcome, WorkerId};
use stocktake_domain::{Digest, Model, RecordKey, Timestamp};

/// The records of a claim, as the program takes them unless it is told otherwise.
const CLAIMED_AT_ONCE: u32 = 1000;

/// The records looked at by one step of the sweep.
const SWEPT_AT_ONCE: u32 = 10_000;

const LEASE: Duration = Duration::from_secs(3600);
const TERMS: LeaseTerms = LeaseTerms { duration: LEASE, heartbeat_timeout: LEASE };

/// The first round, in milliseconds since 1970; later than any success that was written before.
const FIRST: i64 = 1_780_000_000_000;
const DAY: i64 = 24 * 3600 * 1000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    // All benches of the crate are run without arguments as well, as by `cargo test --benches`.
    let [url, model, round] = words.as_slice() else { return };
    let clock = Arc::<ManualClock>::default();
    clock.set(Timestamp::from_millis(FIRST + DAY * round.parse::<i64>().unwrap()));
    let settings = StoreSettings {
        url: url.clone().into(),
        encryption: Encryption::default(),
        max_connections: 4,
        thread_connections: 0,
        timeout: Duration::from_secs(60),
        clock: StoreClock::Fixed(clock),
    };
    let model = Model::ALL.into_iter().find(|known| known.name() == model).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(&settings).await.unwrap();
        let began = Instant::now();
        let due = sweep(&store, model).await;
        let verified = verify(&store, model).await;
        store.queue.reap(LEASE).await.unwrap();
        assert_eq!(verified, due);
        println!("VERIFIED {verified} {:.3}", began.elapsed().as_secs_f64());
    });
}

/// Makes all old successes due; returns how many.
async fn sweep(store: &Store, model: Model) -> u64 {
    let (mut after, mut due) = (None, 0);
    loop {
        let swept = store.queue.expire_succeeded(model, after, LEASE, SWEPT_AT_ONCE).await.unwrap();
        due += swept.1;
        after = swept.0;
        if after.is_none() {
            return due;
        }
    }
}

/// Finds all that is due good; returns how many.
async fn verify(store: &Store, model: Model) -> u64 {
    let worker = WorkerId("scale".to_owned());
    let filter = ClaimFilter { models: vec![model], ..ClaimFilter::any(CLAIMED_AT_ONCE) };
    let mut verified = 0;
    while let Some(lease) = store.queue.claim(&worker, &filter, TERMS).await.unwrap() {
        verified += store.queue.complete(lease.id, &results(&lease, store), true).await.unwrap();
    }
    verified
}

fn results(lease: &Lease, store: &Store) -> Vec<(RecordKey, Outcome)> {
    let now = store.clock.now();
    let good = |record: &ClaimedRecord| {
        let known = record.reference.as_ref().ok().and_then(|reference| reference.baseline);
        let digest = known.map_or(Digest::Sha256([1; 32]), |baseline| baseline.digest);
        (record.key.clone(), Outcome::Succeeded(record.verification.clone().succeed(digest, now)))
    };
    lease.records.iter().map(good).collect()
}
